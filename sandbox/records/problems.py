"""What the patient has or is told to beware of: conditions, allergies, the family's history."""

from typing import Any

from sandbox.records.draft import Draft
from sandbox.records.people import active
from sandbox.records.story import AS_OF, Allergy, Problem, Relative
from sandbox.records.terms import HL7, ICD10, SNOMED, coding, concept, status


def write(draft: Draft) -> None:
    for problem in draft.story.problems:
        draft.conditions[problem.name] = _condition(draft, problem)
    for allergy in draft.story.allergies:
        _allergy(draft, allergy)
    for relative in draft.story.relatives:
        _relative(draft, relative)


def _condition(draft: Draft, problem: Problem) -> dict[str, str]:
    body: dict[str, Any] = {
        "clinicalStatus": active(problem.abated is None, "condition-clinical"),
        "verificationStatus": status("condition-ver-status", "confirmed"),
        "category": [concept(HL7 + "condition-category", "problem-list-item", "Problem List Item")],
        "code": {
            "coding": [coding(SNOMED, problem.snomed, problem.name), coding(ICD10, problem.icd10)],
            "text": problem.name,
        },
        "subject": draft.subject,
        "onsetDateTime": problem.onset,
        "asserter": draft.clinicians[0],
    }
    if len(problem.onset) == 10:
        body["recordedDate"] = problem.onset
    if problem.abated:
        body["abatementDateTime"] = problem.abated
    if problem.note:
        body["note"] = [{"text": problem.note}]
    reference = draft.add("Condition", body, profile="condition-problems-health-concerns")
    return reference | {"display": problem.name}


def _allergy(draft: Draft, allergy: Allergy) -> None:
    body: dict[str, Any] = {
        "clinicalStatus": active(True, "allergyintolerance-clinical"),
        "verificationStatus": status("allergyintolerance-verification", "confirmed"),
        "type": "allergy",
        "category": [allergy.category],
        "criticality": allergy.criticality,
        "code": concept(allergy.system, allergy.code, allergy.name),
        "patient": draft.subject,
        "onsetDateTime": allergy.since,
        "recorder": draft.clinicians[0],
    }
    if allergy.reaction:
        manifestation = concept(SNOMED, *allergy.reaction)
        body["reaction"] = [{"manifestation": [manifestation], "severity": allergy.severity}]
    draft.add("AllergyIntolerance", body, profile="allergyintolerance")


def _relative(draft: Draft, relative: Relative) -> None:
    conditions: list[dict[str, Any]] = []
    for code, name, age in relative.problems:
        condition: dict[str, Any] = {"code": concept(SNOMED, code, name)}
        if age is not None:
            condition["onsetAge"] = _years(age)
        conditions.append(condition)
    body: dict[str, Any] = {
        "status": "completed",
        "patient": draft.subject,
        "date": f"{AS_OF.year - 2}",
        "relationship": concept(HL7 + "v3-RoleCode", relative.role, relative.relation),
        "condition": conditions,
    }
    body |= {"deceasedAge": _years(relative.died_at)} if relative.died_at else {"deceasedBoolean": False}
    draft.add("FamilyMemberHistory", body)


def _years(age: int) -> dict[str, Any]:
    return {"value": age, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}
