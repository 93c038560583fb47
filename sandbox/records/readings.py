"""Observations: a value taken on a day, close to where the story says it was, written with its digits."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from sandbox.records.derived import DERIVED
from sandbox.records.draft import Draft, Visit
from sandbox.records.measures import LABS, VISIT_VITALS, VITALS, Measure
from sandbox.records.story import Points
from sandbox.records.terms import HL7, LOINC, SNOMED, UCUM, concept

_CATEGORIES = {
    "vital-signs": "Vital Signs",
    "laboratory": "Laboratory",
    "social-history": "Social History",
}
_BLOOD_PRESSURE = concept(
    LOINC, "85354-9", "Blood pressure panel with all children optional", "Blood pressure"
)
_FLAGS = {"H": "High", "L": "Low", "N": "Normal"}

type Taken = dict[str, float]


def vitals(draft: Draft, visit: Visit) -> Taken:
    """A visit's vital signs; answers the values for the visit's note."""
    taken: Taken = {}
    for key in VISIT_VITALS:
        vital(
            draft,
            key,
            visit.day,
            visit.minute,
            taken,
            {"encounter": visit.encounter, "performer": [visit.clinician]},
        )
    return taken


def vital(draft: Draft, key: str, day: date, minute: int, taken: Taken, context: Mapping[str, Any]) -> None:
    body = _frame(draft, "vital-signs", day, minute)
    if key == "bp":
        body["code"] = _BLOOD_PRESSURE
        body["component"] = [_component(draft, part, day, taken) for part in ("systolic", "diastolic")]
        profile = "blood-pressure"
    else:
        measure = VITALS[key]
        body["code"] = concept(LOINC, measure.loinc, measure.name)
        body["valueQuantity"] = _quantity(measure, _value(draft, key, measure, day, taken))
        profile = "vital-signs"
    draft.add("Observation", {**body, **context}, profile=profile, changed=day)


def lab(draft: Draft, key: str, visit: Visit, taken: Taken) -> dict[str, str]:
    """One laboratory result with its reference range; answers the reference for the report."""
    measure = LABS[key]
    value = _value(draft, key, measure, visit.day, taken)
    low, high = _limits(draft, measure)
    body = _frame(draft, "laboratory", visit.day, visit.minute) | {
        "code": concept(LOINC, measure.loinc, measure.name),
        "encounter": visit.encounter,
        "issued": draft.stamp(visit.day, 17 * 60 + 40),
        "performer": [draft.clinic],
        "valueQuantity": _quantity(measure, value),
        "interpretation": [_flag(value, low, high)],
        "referenceRange": [_range(measure, low, high)],
    }
    return draft.add("Observation", body, profile="observation-lab", changed=visit.day) | {
        "display": measure.name
    }


def smoking(draft: Draft, visit: Visit) -> None:
    body = _frame(draft, "social-history", visit.day, visit.minute) | {
        "code": concept(LOINC, "72166-2", "Tobacco smoking status"),
        "encounter": visit.encounter,
        "valueCodeableConcept": concept(SNOMED, *draft.story.smoking),
    }
    draft.add("Observation", body, profile="smokingstatus", changed=visit.day)


def level(points: Points, year: float) -> float:
    """Where a story's line stands at a time; flat before its first point and after its last."""
    before = points[0]
    for point in points:
        if point[0] >= year:
            span = point[0] - before[0]
            return before[1] + (point[1] - before[1]) * ((year - before[0]) / span if span else 0)
        before = point
    return before[1]


def _frame(draft: Draft, category: str, day: date, minute: int) -> dict[str, Any]:
    return {
        "status": "final",
        "category": [concept(HL7 + "observation-category", category, _CATEGORIES[category])],
        "subject": draft.subject,
        "effectiveDateTime": draft.stamp(day, minute),
    }


def _value(draft: Draft, key: str, measure: Measure, day: date, taken: Taken) -> Decimal:
    woman = draft.patient.gender == "female"
    year = day.year + (day.timetuple().tm_yday - 1) / 365
    if key in DERIVED:
        value = DERIVED[key](taken, woman, year - int(draft.patient.birth_date[:4]))
    else:
        usual = measure.women[2] if woman and measure.women else measure.mean
        points = draft.story.levels.get(key)
        value = draft.random.gauss(level(points, year) if points else usual, measure.scatter)
    taken[key] = min(max(value, 0.0), measure.ceiling)
    return Decimal(f"{taken[key]:.{measure.digits}f}")


def _quantity(measure: Measure, value: Decimal) -> dict[str, Any]:
    return {"value": value, "unit": measure.unit, "system": UCUM, "code": measure.ucum}


def _component(draft: Draft, key: str, day: date, taken: Taken) -> dict[str, Any]:
    measure = VITALS[key]
    value = _value(draft, key, measure, day, taken)
    return {"code": concept(LOINC, measure.loinc, measure.name), "valueQuantity": _quantity(measure, value)}


def _limits(draft: Draft, measure: Measure) -> tuple[str | None, str | None]:
    if draft.patient.gender == "female" and measure.women:
        return measure.women[0], measure.women[1]
    return measure.low, measure.high


def _flag(value: Decimal, low: str | None, high: str | None) -> dict[str, Any]:
    code = "L" if low and value < Decimal(low) else "H" if high and value > Decimal(high) else "N"
    return concept(HL7 + "v3-ObservationInterpretation", code, _FLAGS[code])


@cache
def _range(measure: Measure, low: str | None, high: str | None) -> dict[str, Any]:
    found = {
        name: _quantity(measure, Decimal(limit)) for name, limit in (("low", low), ("high", high)) if limit
    }
    words = f"{low} - {high}" if low and high else f">= {low}" if low else f"<= {high}"
    return found | {"text": f"{words} {measure.unit}"}
