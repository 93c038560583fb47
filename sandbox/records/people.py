"""Who is involved: the patient, the clinicians, the two places of care, the care team."""

from typing import Any

from sandbox.records.draft import Draft
from sandbox.records.story import AS_OF, Clinician
from sandbox.records.terms import HL7, SNOMED, concept, status


def write(draft: Draft) -> None:
    draft.clinic = _organization(draft, draft.story.clinic, "Main Street")
    draft.hospital = _organization(draft, draft.story.hospital, "Hospital Drive")
    draft.clinicians = [_practitioner(draft, clinician) for clinician in draft.story.clinicians]
    draft.resources.append(patient(draft))


def patient(draft: Draft) -> dict[str, Any]:
    """The Patient as the portal has it, under the portal's own id."""
    person, story = draft.patient, draft.story
    names: list[dict[str, Any]] = [
        {"use": "official", "text": person.name, "family": person.family, "given": person.given.split()}
    ]
    if story.also_named:
        family, given = story.also_named
        names.append({"use": "usual", "text": family + given, "family": family, "given": [given]})
    telecom = [
        {"system": "phone", "value": person.phone, "use": "mobile"},
        {"system": "email", "value": person.email},
    ]
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": person.id,
        "meta": {
            "versionId": "7",
            "lastUpdated": f"{AS_OF.isoformat()}T06:00:00.000Z",
            "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"],
        },
        "identifier": [
            {
                "use": "usual",
                "type": concept(HL7 + "v2-0203", "MR", "Medical record number"),
                "system": "urn:oid:2.16.840.1.113883.19.5",
                "value": f"E{draft.random.randrange(10**7):07d}",
            }
        ],
        "active": True,
        "name": names,
        "telecom": telecom,
        "gender": person.gender,
        "birthDate": person.birth_date,
        "address": [
            {
                "use": "home",
                "line": [person.street],
                "city": person.city,
                "state": person.state,
                "postalCode": person.zip,
                "country": "US",
            }
        ],
        "communication": [{"language": concept("urn:ietf:bcp:47", *story.language), "preferred": True}],
    }
    if draft.clinicians:
        resource["generalPractitioner"] = [draft.clinicians[0]]
        resource["managingOrganization"] = draft.clinic
    if story.guardian:
        given, family = story.guardian
        resource["contact"] = [
            {
                "relationship": [concept(HL7 + "v3-RoleCode", "MTH", "mother")],
                "name": {"family": family, "given": [given]},
                "telecom": telecom,
            }
        ]
    return resource


def care_team(draft: Draft) -> None:
    participants = [
        {
            "role": [concept(SNOMED, clinician.role, clinician.title)],
            "member": reference,
            "onBehalfOf": draft.clinic,
        }
        for clinician, reference in zip(draft.story.clinicians, draft.clinicians, strict=True)
    ]
    itself = {"role": [concept(SNOMED, "116154003", "Patient")], "member": draft.subject}
    body = {
        "status": "active",
        "name": f"Care team of {draft.patient.name}",
        "subject": draft.subject,
        "participant": [*participants, itself],
        "managingOrganization": [draft.clinic],
    }
    draft.add("CareTeam", body, profile="careteam")


def _organization(draft: Draft, name: str, street: str) -> dict[str, str]:
    person = draft.patient
    body = {
        "active": True,
        "type": [concept(HL7 + "organization-type", "prov", "Healthcare Provider")],
        "name": name,
        "telecom": [{"system": "phone", "value": person.phone[:-4] + "0100"}],
        "address": [
            {
                "line": [f"{draft.random.randrange(100, 990)} {street}"],
                "city": person.city,
                "state": person.state,
                "postalCode": person.zip,
                "country": "US",
            }
        ],
    }
    return draft.add("Organization", body, profile="organization") | {"display": name}


def _practitioner(draft: Draft, clinician: Clinician) -> dict[str, str]:
    name = f"{clinician.given} {clinician.family}, {clinician.suffix}"
    body = {
        "active": True,
        "name": [
            {
                "text": name,
                "family": clinician.family,
                "given": [clinician.given],
                "suffix": [clinician.suffix],
            }
        ],
        "qualification": [{"code": concept(SNOMED, clinician.role, clinician.title)}],
    }
    return draft.add("Practitioner", body, profile="practitioner") | {"display": name}


def active(yes: bool, system: str) -> dict[str, Any]:
    """The clinicalStatus of a condition or an allergy."""
    return status(system, "active" if yes else "resolved")
