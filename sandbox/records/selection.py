"""The vendor's filter: which resources a request for some of the 16 names and a range of time yields.

`Vitals` and `Labs` are not FHIR types but Observations by category. Types that cannot be asked for
(Encounter, Practitioner, Organization, ...) come along when something selected refers to them, and a
warning comes along when it is about a name that was asked for.

A resource is in range when its clinical date, or any part of it ("2019" is the whole year), touches the
range. What has no date stays unless undated entries are excluded; persons and organizations are not
entries in time and always stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

type Resource = dict[str, Any]
type Span = tuple[datetime, datetime]

REQUESTABLE = (
    "Patient",
    "Immunization",
    "AllergyIntolerance",
    "MedicationRequest",
    "MedicationStatement",
    "Vitals",
    "Labs",
    "DiagnosticReport",
    "Condition",
    "Procedure",
    "FamilyMemberHistory",
    "DocumentReference",
    "CareTeam",
    "CarePlan",
    "ExplanationOfBenefit",
    "Coverage",
)

TIMELESS = frozenset({"Patient", "Practitioner", "Organization", "OperationOutcome"})
INCLUDED = frozenset({"Encounter", "Practitioner", "Organization"})

_OBSERVATION_NAMES = {"vital-signs": "Vitals", "laboratory": "Labs"}

# The clinical date of each type, best first: when it happened before when it was written down.
_DATES: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("onsetDateTime", "recordedDate"),
    "CarePlan": ("period", "created"),
    "CareTeam": ("period",),
    "Condition": ("onsetDateTime", "recordedDate"),
    "Coverage": ("period",),
    "DiagnosticReport": ("effectiveDateTime", "issued"),
    "DocumentReference": ("date",),
    "Encounter": ("period",),
    "ExplanationOfBenefit": ("billablePeriod", "created"),
    "FamilyMemberHistory": ("date",),
    "Immunization": ("occurrenceDateTime", "recorded"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectivePeriod", "effectiveDateTime", "dateAsserted"),
    "Observation": ("effectiveDateTime", "effectivePeriod", "issued"),
    "Procedure": ("performedDateTime", "performedPeriod"),
}

_START = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


def names_of(resource: Resource) -> frozenset[str]:
    """The requestable names that a resource answers to; none for what only comes along."""
    kind = resource["resourceType"]
    if kind == "Observation":
        return frozenset(_observation_names(resource))
    return frozenset({kind}) & frozenset(REQUESTABLE)


def _observation_names(resource: Resource) -> Iterator[str]:
    for category in resource.get("category", ()):
        for coding in category.get("coding", ()):
            if name := _OBSERVATION_NAMES.get(coding.get("code")):
                yield name


def moment(text: str) -> Span:
    """The first and last instant that a FHIR date or dateTime names, whatever its precision."""
    if len(text) == 4:
        return _up_to(datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC))
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return _up_to(datetime(year, month, 1, tzinfo=UTC), after)
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return _up_to(parsed, parsed + timedelta(days=1)) if len(text) == 10 else (parsed, parsed)


def _up_to(start: datetime, after: datetime) -> Span:
    return start, after - timedelta(microseconds=1)


def span_of(resource: Resource) -> Span | None:
    """When a resource happened, or None for an undated one."""
    for element in _DATES.get(resource["resourceType"], ()):
        value = resource.get(element)
        if isinstance(value, str):
            return moment(value)
        if isinstance(value, dict) and value:
            start = moment(value["start"])[0] if "start" in value else _START
            end = moment(value["end"])[1] if "end" in value else _END
            return start, end
    return None


def _in_range(resource: Resource, wanted: Span, exclude_undated: bool) -> bool:
    if resource["resourceType"] in TIMELESS:
        return True
    span = span_of(resource)
    if span is None:
        return not exclude_undated
    start, end = span
    return start <= wanted[1] and end >= wanted[0]


def _asked_for(resource: Resource, names: frozenset[str] | None) -> bool:
    if names is None:
        return True
    if resource["resourceType"] == "OperationOutcome":
        about = {path for issue in resource["issue"] for path in issue.get("expression", ())}
        return bool(about & names)
    return bool(names_of(resource) & names)


def references_of(value: object) -> Iterator[str]:
    """Every literal reference inside a resource, contained ones ("#...") left out."""
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield reference
        for child in value.values():
            if isinstance(child, (dict, list)):
                yield from references_of(child)
    elif isinstance(value, list):
        for child in value:
            yield from references_of(child)


def address(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '')}"


def _with_includes(chosen: Sequence[Resource], everything: Sequence[Resource]) -> set[str]:
    includable = {address(r): r for r in everything if r["resourceType"] in INCLUDED}
    kept = {address(resource) for resource in chosen}
    waiting = list(chosen)
    while waiting:
        for reference in references_of(waiting.pop()):
            if reference in includable and reference not in kept:
                kept.add(reference)
                waiting.append(includable[reference])
    return kept


def select(
    resources: Sequence[Resource],
    names: Sequence[str] | None,
    from_time: str | None,
    to_time: str | None,
    exclude_undated: bool,
) -> list[Resource]:
    """What the vendor would return, in the chart's order. No names: everything; unknown names: nothing."""
    asked = None if names is None else frozenset(names)
    wanted = (moment(from_time)[0] if from_time else _START, moment(to_time)[1] if to_time else _END)
    chosen = [r for r in resources if _asked_for(r, asked) and _in_range(r, wanted, exclude_undated)]
    kept = _with_includes(chosen, resources)
    return [resource for resource in resources if address(resource) in kept]
