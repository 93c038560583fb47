"""What the patient takes: a statement for each drug, and a prescription for each renewal."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sandbox.records.draft import Draft
from sandbox.records.story import AS_OF, Drug
from sandbox.records.terms import HL7, RXNORM, SNOMED, UCUM, concept

_RENEWAL_DAYS = 365
_ORAL = ("26643006", "Oral route")


def write(draft: Draft, *, renewals: int) -> None:
    """The newest `renewals` prescriptions of each drug, and its statement."""
    for drug in draft.story.drugs:
        for day in _renewal_days(drug)[-renewals:]:
            _request(draft, drug, day)
        _statement(draft, drug)


def _renewal_days(drug: Drug) -> list[date]:
    start = date.fromisoformat(drug.started)
    last = date.fromisoformat(drug.stopped) if drug.stopped else AS_OF
    return [
        start + timedelta(days=_RENEWAL_DAYS * n)
        for n in range(1 + max(0, (last - start).days - 1) // _RENEWAL_DAYS)
    ]


def _dosage(drug: Drug) -> dict[str, Any]:
    dosage: dict[str, Any] = {
        "text": drug.sig,
        "timing": {"repeat": {"frequency": drug.per_day, "period": Decimal("1.0"), "periodUnit": "d"}},
        "asNeededBoolean": drug.as_needed,
    }
    if "by mouth" in drug.sig:
        dosage["route"] = concept(SNOMED, *_ORAL)
        dosage["doseAndRate"] = [
            {"doseQuantity": {"value": 1, "unit": "tablet", "system": UCUM, "code": "{tbl}"}}
        ]
    return dosage


def _reason(draft: Draft, drug: Drug) -> dict[str, Any]:
    known = draft.conditions.get(drug.reason)
    return {"reasonReference": [known]} if known else {"reasonCode": [{"text": drug.reason}]}


def _request(draft: Draft, drug: Drug, day: date) -> None:
    current = drug.stopped is None and (AS_OF - day).days < _RENEWAL_DAYS
    body = {
        "status": "active" if current else "completed",
        "intent": "order",
        "category": [concept(HL7 + "medicationrequest-category", "community", "Community")],
        "medicationCodeableConcept": concept(RXNORM, drug.rxnorm, drug.name),
        "subject": draft.subject,
        "authoredOn": day.isoformat(),
        "requester": draft.clinician(),
        "dosageInstruction": [_dosage(drug)],
        "dispenseRequest": {
            "validityPeriod": {
                "start": day.isoformat(),
                "end": (day + timedelta(days=_RENEWAL_DAYS)).isoformat(),
            },
            "numberOfRepeatsAllowed": 3,
            "quantity": {"value": 90 * drug.per_day, "unit": "dose"},
            "expectedSupplyDuration": {"value": 90, "unit": "days", "system": UCUM, "code": "d"},
        },
    }
    draft.add("MedicationRequest", body | _reason(draft, drug), profile="medicationrequest", changed=day)


def _statement(draft: Draft, drug: Drug) -> None:
    period = {"start": drug.started} | ({"end": drug.stopped} if drug.stopped else {})
    body = {
        "status": "completed" if drug.stopped else "active",
        "medicationCodeableConcept": concept(RXNORM, drug.rxnorm, drug.name),
        "subject": draft.subject,
        "effectivePeriod": period,
        "dateAsserted": (drug.stopped or AS_OF.isoformat()),
        "informationSource": draft.subject,
        "dosage": [_dosage(drug)],
    }
    draft.add("MedicationStatement", body | _reason(draft, drug))
