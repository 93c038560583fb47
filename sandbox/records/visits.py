"""Visits: an encounter with its vital signs, the panels due, their reports and the clinician's note.

Visits are written from the newest back, so that a small chart holds the latest ones.
"""

from datetime import date, timedelta

from sandbox.records import documents, readings
from sandbox.records.draft import Draft, Visit
from sandbox.records.measures import LABS, PANELS
from sandbox.records.story import AS_OF
from sandbox.records.terms import HL7, LOINC, SNOMED, coding, concept

_LABORATORY = concept(HL7 + "v2-0074", "LAB", "Laboratory")


def write(draft: Draft, *, most: int, limit: int, panels: int) -> None:
    """At most `most` visits, none before birth, and only the newest once the chart holds `limit`.

    `panels` is how many of the story's panels are drawn at all.
    """
    born = date.fromisoformat(draft.patient.birth_date)
    for number in range(most):
        day = _weekday(AS_OF - timedelta(days=number * draft.story.visit_every + draft.random.randrange(12)))
        if day <= born or (number and len(draft.resources) >= limit):
            return
        _write_one(draft, number, day, panels)


def _weekday(day: date) -> date:
    return day - timedelta(days=max(0, day.weekday() - 4))


def _write_one(draft: Draft, number: int, day: date, panels: int) -> None:
    visit = _encounter(draft, day, number)
    taken = readings.vitals(draft, visit)
    if number % 4 == 0 and day.year - int(draft.patient.birth_date[:4]) > 12:
        readings.smoking(draft, visit)
    for name, every in draft.story.panels[:panels]:
        if number % every == 0:
            _panel(draft, visit, name, taken)
    documents.visit_note(draft, visit, taken)


def _encounter(draft: Draft, day: date, number: int) -> Visit:
    clinician = draft.clinician()
    minute = draft.random.randrange(8 * 60, 16 * 60, 5)
    kind = (
        ("185349003", "Encounter for check up") if number % 4 == 0 else ("390906007", "Follow-up encounter")
    )
    period = {"start": draft.stamp(day, minute), "end": draft.stamp(day, minute + 25)}
    body = {
        "status": "finished",
        "class": coding(HL7 + "v3-ActCode", "AMB", "ambulatory"),
        "type": [concept(SNOMED, *kind)],
        "subject": draft.subject,
        "participant": [{"period": period, "individual": clinician}],
        "period": period,
        "reasonCode": [{"text": draft.story.complaint}],
        "serviceProvider": draft.clinic,
    }
    encounter = draft.add("Encounter", body, profile="encounter", changed=day)
    visit = Visit(day, minute + 5, encounter, clinician)
    draft.visits.append(visit)
    return visit


def _panel(draft: Draft, visit: Visit, name: str, taken: readings.Taken) -> None:
    code, title, tests = PANELS[name]
    results = [readings.lab(draft, test, visit, taken) for test in tests]
    figures = ", ".join(f"{_short(test)} {taken[test]:.{LABS[test].digits}f}" for test in tests)
    body = {
        "status": "final",
        "category": [_LABORATORY],
        "code": concept(LOINC, code, title),
        "subject": draft.subject,
        "encounter": visit.encounter,
        "effectiveDateTime": draft.stamp(visit.day, visit.minute),
        "issued": draft.stamp(visit.day, 17 * 60 + 45),
        "performer": [draft.clinic],
        "resultsInterpreter": [visit.clinician],
        "result": results,
        "conclusion": figures,
    }
    draft.add("DiagnosticReport", body, profile="diagnosticreport-lab", changed=visit.day)


def _short(test: str) -> str:
    return LABS[test].name.split(" [")[0]
