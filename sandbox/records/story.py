"""What a person's chart tells, as tables: a story says what is wrong, what was done and how values moved.

A story holds no FHIR. The modules named for clinical areas turn it into resources, a profile says how
much of it, and the random source (seeded by patient id and profile) adds the scatter of real readings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

AS_OF = date(2026, 10, 16)
"""The last day of every chart; fixed, so that a chart is the same whenever it is made."""

type Points = tuple[tuple[float, float], ...]
"""A value over the years: (year with fraction, value), ascending, read with straight lines between."""


@dataclass(frozen=True, slots=True)
class Problem:
    snomed: str
    icd10: str
    name: str
    onset: str
    abated: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Drug:
    rxnorm: str
    name: str
    sig: str
    reason: str
    started: str
    stopped: str | None = None
    as_needed: bool = False
    per_day: int = 1


@dataclass(frozen=True, slots=True)
class Shots:
    cvx: str
    name: str
    dates: tuple[str, ...]
    dose: str = "0.5"
    route: str = "IM"


@dataclass(frozen=True, slots=True)
class Operation:
    snomed: str
    name: str
    dates: tuple[str, ...]
    reason: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Allergy:
    system: str
    code: str
    name: str
    category: str
    criticality: str
    since: str
    reaction: tuple[str, str] | None = None
    severity: str = "moderate"


@dataclass(frozen=True, slots=True)
class Relative:
    role: str
    relation: str
    problems: tuple[tuple[str, str, int | None], ...]
    died_at: int | None = None


@dataclass(frozen=True, slots=True)
class Clinician:
    given: str
    family: str
    suffix: str
    role: str
    title: str


@dataclass(frozen=True, slots=True)
class Plan:
    snomed: str
    title: str
    about: tuple[str, ...]
    since: str
    activities: tuple[tuple[str, str], ...]
    text: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that is not a visit's own note."""

    loinc: str
    kind: str
    title: str
    date: str
    text: str


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Readings between visits: what is read at which minute of a session, every so many days."""

    device: str
    every_days: int
    checks: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Insurance:
    payer: str
    plan: str
    kind: str
    kind_name: str
    member: str
    since: str
    until: str | None = None
    relationship: str = "self"
    covers: tuple[str, ...] = ("professional", "institutional", "pharmacy")


@dataclass(frozen=True, slots=True)
class Service:
    """One line of a claim; `system` is CPT or RxNorm, and the description is in our own words."""

    system: str
    code: str
    text: str
    charge: str


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """A claim that comes again and again, or, with `once`, exactly on its dates."""

    kind: str
    icd10: str
    diagnosis: str
    services: tuple[Service, ...]
    weight: int = 1
    once: tuple[str, ...] = ()


HOME_CUFF = Monitoring("Home blood pressure monitor", 1, ((430, ("bp", "heart_rate")),))


@dataclass(frozen=True, slots=True)
class Story:
    clinic: str
    hospital: str
    language: tuple[str, str]
    clinicians: tuple[Clinician, ...]
    complaint: str
    problems: tuple[Problem, ...] = ()
    drugs: tuple[Drug, ...] = ()
    shots: tuple[Shots, ...] = ()
    operations: tuple[Operation, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    relatives: tuple[Relative, ...] = ()
    plans: tuple[Plan, ...] = ()
    papers: tuple[Paper, ...] = ()
    panels: tuple[tuple[str, int], ...] = (("cmp", 1), ("lipids", 2), ("cbc", 1))
    levels: Mapping[str, Points] = field(default_factory=dict)
    visit_every: int = 91
    smoking: tuple[str, str] = ("266919005", "Never smoked tobacco")
    monitoring: Monitoring = HOME_CUFF
    insurance: tuple[Insurance, ...] = ()
    claims: int = 99
    claim_kinds: tuple[ClaimKind, ...] = ()
    also_named: tuple[str, str] | None = None
    guardian: tuple[str, str] | None = None


def yearly(day: str, first: int, last: int) -> tuple[str, ...]:
    """The same day of several years, both ends included."""
    return tuple(f"{year}-{day}" for year in range(first, last + 1))
