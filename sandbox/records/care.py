"""What was done and what is planned: immunizations, procedures, care plans."""

from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.records.draft import Draft
from sandbox.records.story import Operation, Plan, Shots
from sandbox.records.terms import CVX, HL7, SNOMED, UCUM, US_CORE_CODES, coding, concept

_ROUTES = {
    "IM": ("IM", "Injection, intramuscular"),
    "SC": ("SQ", "Injection, subcutaneous"),
    "PO": ("PO", "Swallow, oral"),
}
_SITES = (("LA", "left arm"), ("RA", "right arm"))


def write(draft: Draft, *, shots_each: int, procedures_each: int) -> None:
    """The newest so many of each repeated immunization and procedure, and the plans."""
    for shots in draft.story.shots:
        for number, day in list(enumerate(shots.dates, 1))[-shots_each:]:
            _immunization(draft, shots, day, number)
    for operation in draft.story.operations:
        for day in operation.dates[-procedures_each:]:
            _procedure(draft, operation, day)
    for plan in draft.story.plans:
        _plan(draft, plan)


def _immunization(draft: Draft, shots: Shots, day: str, number: int) -> None:
    body: dict[str, Any] = {
        "status": "completed",
        "vaccineCode": concept(CVX, shots.cvx, shots.name),
        "patient": draft.subject,
        "occurrenceDateTime": day,
        "primarySource": True,
        "lotNumber": "".join(draft.random.choices("ABEFHKLTUY", k=2))
        + str(draft.random.randrange(1000, 9999)),
        "route": concept(HL7 + "v3-RouteOfAdministration", *_ROUTES[shots.route]),
        "doseQuantity": {"value": Decimal(shots.dose), "unit": "mL", "system": UCUM, "code": "mL"},
        "performer": [{"actor": draft.clinic}],
        "protocolApplied": [{"doseNumberPositiveInt": number}],
    }
    if shots.route != "PO":
        body["site"] = concept(HL7 + "v3-ActSite", *draft.random.choice(_SITES))
    draft.add("Immunization", body, profile="immunization", changed=date.fromisoformat(day))


def _procedure(draft: Draft, operation: Operation, day: str) -> None:
    body: dict[str, Any] = {
        "status": "completed",
        "code": concept(SNOMED, operation.snomed, operation.name),
        "subject": draft.subject,
        "performedDateTime": day,
        "performer": [{"actor": draft.hospital}],
    }
    if operation.reason:
        known = draft.conditions.get(operation.reason)
        body |= {"reasonReference": [known]} if known else {"reasonCode": [{"text": operation.reason}]}
    if operation.note:
        body["note"] = [{"text": operation.note}]
    changed = date.fromisoformat(day) if len(day) == 10 else None
    draft.add("Procedure", body, profile="procedure", changed=changed)


def _plan(draft: Draft, plan: Plan) -> None:
    activities = [
        {
            "detail": {
                "status": "in-progress",
                "code": concept(SNOMED, code, name),
                "location": {"display": draft.story.clinic},
            }
        }
        for code, name in plan.activities
    ]
    category = {"coding": [coding(US_CORE_CODES + "careplan-category", "assess-plan")]}
    escaped = plan.text.replace("&", "&amp;").replace("<", "&lt;")
    body = {
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{escaped}</div>'},
        "status": "active",
        "intent": "plan",
        "category": [category, concept(SNOMED, plan.snomed, plan.title)],
        "title": plan.title,
        "description": plan.text,
        "subject": draft.subject,
        "period": {"start": plan.since},
        "author": draft.clinicians[0],
        "addresses": [draft.conditions[name] for name in plan.about if name in draft.conditions],
        "activity": activities,
    }
    draft.add("CarePlan", body, profile="careplan", changed=date.fromisoformat(plan.since))
