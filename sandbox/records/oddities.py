"""What real charts contain that nobody expects, one of each, in every typical and large chart.

See the package's docstring for the list; `DANGLING` names the references that lead nowhere on purpose.
"""

from decimal import Decimal
from typing import Any

from sandbox.records.draft import Draft
from sandbox.records.terms import HL7, LOINC, SNOMED, UCUM, concept

DANGLING = frozenset({"Encounter/archived-1998-0417", "Practitioner/left-the-practice"})


def write(draft: Draft) -> None:
    _refused_document(draft)
    _undated(draft)
    _partial_dates(draft)
    _dangling(draft)
    _contained(draft)


def _refused_document(draft: Draft) -> None:
    issue = {
        "severity": "warning",
        "code": "forbidden",
        "details": {"text": "One document is withheld by the organization's release policy."},
        "expression": ["DocumentReference"],
    }
    draft.resources.append({"resourceType": "OperationOutcome", "id": draft.identity(), "issue": [issue]})


def _undated(draft: Draft) -> None:
    vitals = [concept(HL7 + "observation-category", "vital-signs", "Vital Signs")]
    labs = [concept(HL7 + "observation-category", "laboratory", "Laboratory")]
    blood_type: dict[str, Any] = {
        "status": "final",
        "category": labs,
        "code": concept(LOINC, "882-1", "ABO and Rh group [Type] in Blood"),
        "subject": draft.subject,
        "valueCodeableConcept": concept(SNOMED, "278147001", "Blood group O Rh(D) positive"),
    }
    draft.add("Observation", blood_type)
    birth_weight = {
        "status": "final",
        "category": vitals,
        "code": concept(LOINC, "8339-4", "Birth weight Measured"),
        "subject": draft.subject,
        "valueQuantity": {"value": Decimal("3.250"), "unit": "kg", "system": UCUM, "code": "kg"},
    }
    draft.add("Observation", birth_weight)
    by_history = {
        "status": "completed",
        "code": {"text": "Childhood tonsillectomy, by history"},
        "subject": draft.subject,
    }
    draft.add("Procedure", by_history)


def _partial_dates(draft: Draft) -> None:
    for day, text in (("2019", "Fracture of finger, by history"), ("2019-04", "Cast removed")):
        draft.add(
            "Procedure",
            {
                "status": "completed",
                "code": {"text": text},
                "subject": draft.subject,
                "performedDateTime": day,
            },
        )


def _contained(draft: Draft) -> None:
    """A prescription from elsewhere, which carries its medication and prescriber inside itself."""
    ointment = {
        "resourceType": "Medication",
        "id": "med",
        "code": {"text": "compounded diclofenac 3 % gel"},
        "form": {"text": "gel"},
    }
    prescriber = {
        "resourceType": "Practitioner",
        "id": "prescriber",
        "name": [{"text": "Dr. Åsa Þórsdóttir"}],
    }
    body = {
        "contained": [ointment, prescriber],
        "status": "completed",
        "intent": "order",
        "medicationReference": {"reference": "#med"},
        "subject": draft.subject,
        "authoredOn": "2022-07-19T10:15:00+02:00",
        "requester": {"reference": "#prescriber"},
    }
    draft.add("MedicationRequest", body)


def _dangling(draft: Draft) -> None:
    encounter, practitioner = sorted(DANGLING)
    old_note = {
        "status": "final",
        "category": [concept(HL7 + "observation-category", "laboratory", "Laboratory")],
        "code": concept(LOINC, "2339-0", "Glucose [Mass/volume] in Blood"),
        "subject": draft.subject,
        "encounter": {"reference": encounter},
        "performer": [{"reference": practitioner, "display": "Dr. R. Søndergaard (retired)"}],
        "effectiveDateTime": "1998-04-17",
        "valueQuantity": {
            "value": Decimal("10.50"),
            "comparator": "<",
            "unit": "mmol/L",
            "system": UCUM,
            "code": "mmol/L",
        },
    }
    draft.add("Observation", old_note)
