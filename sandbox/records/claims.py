"""What a payer knows: coverages, and an explanation of benefit for every claim it settled."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sandbox.records.draft import Draft
from sandbox.records.story import AS_OF, ClaimKind, Insurance, Service
from sandbox.records.terms import HL7, ICD10, coding, concept, status

_CENT = Decimal("0.01")
_ALLOWED = {"professional": Decimal("0.62"), "institutional": Decimal("0.48"), "pharmacy": Decimal("0.85")}
_CARIN = "http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit-"
_PROFILES = {
    "professional": "Professional-NonClinician",
    "institutional": "Outpatient-Institutional",
    "pharmacy": "Pharmacy",
}
_RELATIONSHIP = "subscriber-relationship"


def write(draft: Draft, count: int) -> None:
    """Coverages, then exactly `count` claims, the newest last."""
    payers = {
        name: _organization(draft, name, "pay", "Payer")
        for name in dict.fromkeys(one.payer for one in draft.story.insurance)
    }
    coverages = [(one, _coverage(draft, one, payers[one.payer])) for one in draft.story.insurance]
    pharmacy = _organization(draft, f"{draft.patient.city} Community Pharmacy", "prov", "Healthcare Provider")
    providers = {"professional": draft.clinic, "institutional": draft.hospital, "pharmacy": pharmacy}
    for day, kind in _schedule(draft, count):
        insurance, coverage = _covering(coverages, kind, day)
        _benefit(draft, kind, day, insurance, coverage, payers[insurance.payer], providers[kind.kind])


def _organization(draft: Draft, name: str, kind: str, meaning: str) -> dict[str, str]:
    body = {
        "active": True,
        "type": [concept(HL7 + "organization-type", kind, meaning)],
        "name": name,
        "telecom": [{"system": "phone", "value": "+1-800-555-0199", "use": "work"}],
    }
    return draft.add("Organization", body, profile="organization") | {"display": name}


def _coverage(draft: Draft, insurance: Insurance, payer: dict[str, str]) -> dict[str, str]:
    period = {"start": insurance.since} | ({"end": insurance.until} if insurance.until else {})
    body = {
        "status": "cancelled" if insurance.until else "active",
        "type": concept(HL7 + "v3-ActCode", insurance.kind, insurance.kind_name),
        "subscriberId": insurance.member,
        "beneficiary": draft.subject,
        "relationship": status(_RELATIONSHIP, insurance.relationship),
        "period": period,
        "payor": [payer],
        "class": [
            {
                "type": status("coverage-class", "plan"),
                "value": insurance.plan.replace(" ", "-").lower(),
                "name": insurance.plan,
            }
        ],
    }
    return draft.add("Coverage", body) | {"display": insurance.plan}


def _schedule(draft: Draft, count: int) -> list[tuple[date, ClaimKind]]:
    """The story's fixed claims, and the recurring ones spread over the insured years."""
    story = draft.story
    fixed = [(date.fromisoformat(day), kind) for kind in story.claim_kinds for day in kind.once][:count]
    recurring = [kind for kind in story.claim_kinds if not kind.once]
    wanted = count - len(fixed)
    start = min(date.fromisoformat(one.since) for one in story.insurance)
    days = sorted(draft.random.randrange((AS_OF - start).days) for _ in range(wanted))
    spread = [(on, _claim_on(draft, on, recurring)) for on in (start + timedelta(days=day) for day in days)]
    return sorted(fixed + spread, key=lambda pair: pair[0])


def _claim_on(draft: Draft, day: date, kinds: list[ClaimKind]) -> ClaimKind:
    """One of the recurring claims, by weight, among those whose problem had begun by then."""
    onsets = {problem.icd10: problem.onset for problem in draft.story.problems}
    begun = [kind for kind in kinds if onsets.get(kind.icd10, "") <= day.isoformat()] or kinds
    return draft.random.choices(begun, [kind.weight for kind in begun])[0]


def _covering(
    coverages: list[tuple[Insurance, dict[str, str]]], kind: ClaimKind, day: date
) -> tuple[Insurance, dict[str, str]]:
    on = day.isoformat()
    for insurance, reference in coverages:
        in_force = insurance.since <= on and (insurance.until is None or on <= insurance.until)
        if in_force and kind.kind in insurance.covers:
            return insurance, reference
    return coverages[0]


def _benefit(
    draft: Draft,
    kind: ClaimKind,
    day: date,
    insurance: Insurance,
    coverage: dict[str, str],
    payer: dict[str, str],
    provider: dict[str, str],
) -> None:
    settled = min(day + timedelta(days=draft.random.randrange(6, 24)), AS_OF)
    items = [_item(kind, service, number, day) for number, service in enumerate(kind.services, 1)]
    totals = {
        name: sum((_amount(item, name) for item in items), Decimal("0.00"))
        for name in ("submitted", "eligible", "benefit")
    }
    patient_pays = totals["eligible"] - totals["benefit"]
    body = {
        "status": "active",
        "type": concept(HL7 + "claim-type", kind.kind, kind.kind.capitalize()),
        "use": "claim",
        "patient": draft.subject,
        "billablePeriod": {"start": day.isoformat(), "end": day.isoformat()},
        "created": settled.isoformat(),
        "insurer": payer,
        "provider": provider,
        "outcome": "complete",
        "disposition": "Claim settled under " + insurance.plan,
        "careTeam": [
            {"sequence": 1, "provider": draft.clinician(), "role": status("claimcareteamrole", "primary")}
        ],
        "diagnosis": [
            {
                "sequence": 1,
                "diagnosisCodeableConcept": concept(ICD10, kind.icd10, kind.diagnosis),
                "type": [status("ex-diagnosistype", "principal")],
            }
        ],
        "insurance": [{"focal": True, "coverage": coverage}],
        "item": items,
        "total": [
            {"category": status("adjudication", name), "amount": _money(amount)}
            for name, amount in totals.items()
        ],
        "payment": {
            "type": status("ex-paymenttype", "complete"),
            "date": settled.isoformat(),
            "amount": _money(totals["benefit"]),
        },
        "processNote": [
            {"number": 1, "type": "display", "text": f"You may owe your provider ${patient_pays}."}
        ],
    }
    draft.add("ExplanationOfBenefit", body, profile=_CARIN + _PROFILES[kind.kind], changed=settled)


def _item(kind: ClaimKind, service: Service, number: int, day: date) -> dict[str, Any]:
    charge = Decimal(service.charge)
    allowed = (charge * _ALLOWED[kind.kind]).quantize(_CENT)
    paid = (allowed * Decimal("0.80")).quantize(_CENT)
    amounts = (("submitted", charge), ("eligible", allowed), ("copay", allowed - paid), ("benefit", paid))
    place = (
        ("01", "Pharmacy")
        if kind.kind == "pharmacy"
        else ("11", "Office")
        if kind.kind == "professional"
        else ("22", "Hospital outpatient")
    )
    return {
        "sequence": number,
        "diagnosisSequence": [1],
        "productOrService": {"coding": [coding(service.system, service.code)], "text": service.text},
        "servicedDate": day.isoformat(),
        "locationCodeableConcept": concept(
            "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set", *place
        ),
        "quantity": {"value": 1},
        "net": _money(charge),
        "adjudication": [
            {"category": status("adjudication", name), "amount": _money(amount)} for name, amount in amounts
        ],
    }


def _amount(item: dict[str, Any], name: str) -> Decimal:
    for entry in item["adjudication"]:
        if entry["category"]["coding"][0]["code"] == name:
            return Decimal(entry["amount"]["value"])
    return Decimal(0)


def _money(amount: Decimal) -> dict[str, Any]:
    return {"value": amount, "currency": "USD"}
