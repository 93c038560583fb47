"""How much of a story goes into a chart: the profiles, and the order in which a portal returns it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.records import care, claims, documents, medicines, monitoring, oddities, people, problems, visits
from sandbox.records.draft import Draft, Resource
from sandbox.records.patients import Patient
from sandbox.records.stories import story_of

type Chart = tuple[Resource, ...]

# The order of the groups: people first, then by name of what can be asked for, warnings last.
_ORDER = (
    "Patient",
    "Practitioner",
    "Organization",
    "Encounter",
    "Immunization",
    "AllergyIntolerance",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "DiagnosticReport",
    "Condition",
    "Procedure",
    "FamilyMemberHistory",
    "DocumentReference",
    "CareTeam",
    "CarePlan",
    "Coverage",
    "ExplanationOfBenefit",
    "OperationOutcome",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How much of a story: `size` in all (a tiny chart may be somewhat larger), the newest so many visits,
    renewals, shots and procedures of each kind, and the `room` that visits leave for readings between them.
    """

    size: int
    visits: int
    panels: int
    renewals: int
    shots: int
    procedures: int
    room: int
    claims: int = 0
    oddities: bool = False
    scans: tuple[int, ...] = ()


_SCANS = (3_600_000, *(1_500_000,) * 6, *(340_000,) * 20)

PROFILES = {
    "tiny": Profile(size=60, visits=3, panels=1, renewals=1, shots=4, procedures=1, room=8),
    "typical": Profile(
        size=2_000,
        visits=200,
        panels=99,
        renewals=99,
        shots=99,
        procedures=99,
        room=45,
        claims=12,
        oddities=True,
    ),
    "large": Profile(
        size=20_000,
        visits=90,
        panels=99,
        renewals=99,
        shots=99,
        procedures=99,
        room=45,
        claims=12,
        oddities=True,
        scans=_SCANS,
    ),
}


def chart(profile: str, patient: Patient) -> list[dict[str, Any]]:
    """A person's chart as a list of FHIR R4 resources; the same for the same arguments, always.

    The resources are shared by all callers and are not to be changed.
    """
    kept = _one_large if profile == "large" else _several
    return list(kept(profile, patient))


def _write(profile: str, patient: Patient) -> Chart:
    if profile == "empty":
        return ()
    draft = Draft(profile, patient, story_of(patient))
    if profile == "payer":
        people.write(draft)
        claims.write(draft, draft.story.claims)
    else:
        _clinical(draft, PROFILES[profile])
    return tuple(sorted(draft.resources, key=lambda resource: _ORDER.index(resource["resourceType"])))


# Large charts are kept apart, one at a time: each takes some 60 MB of memory.
_several = lru_cache(maxsize=32)(_write)
_one_large = lru_cache(maxsize=1)(_write)


def _clinical(draft: Draft, profile: Profile) -> None:
    people.write(draft)
    problems.write(draft)
    medicines.write(draft, renewals=profile.renewals)
    care.write(draft, shots_each=profile.shots, procedures_each=profile.procedures)
    people.care_team(draft)
    documents.papers(draft)
    documents.scans(draft, profile.scans)
    if profile.oddities:
        oddities.write(draft)
    if profile.claims:
        claims.write(draft, min(profile.claims, draft.story.claims))
    # A visit is written whole, so `room` is what the largest one holds: the readings then end on the size.
    visits.write(draft, most=profile.visits, limit=profile.size - profile.room, panels=profile.panels)
    monitoring.fill(draft, profile.size)
