"""Code systems and the few shapes in which FHIR writes a code."""

from functools import cache
from typing import Any

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem/"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
US_CORE_CODES = "http://hl7.org/fhir/us/core/CodeSystem/"


def coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    found = {"system": system, "code": code}
    return found | {"display": display} if display else found


@cache
def concept(system: str, code: str, display: str, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of one code. Shared between resources: charts are read, never edited."""
    return {"coding": [coding(system, code, display)], "text": text or display}


@cache
def status(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept from an HL7 terminology, where the code says it all."""
    return {"coding": [coding(HL7 + system, code)]}
