"""Claim lines that more than one story bills. Descriptions are our own short words."""

from sandbox.records.story import ClaimKind, Service
from sandbox.records.terms import CPT, RXNORM

OFFICE_VISIT = Service(CPT, "99213", "Office visit, established patient, low complexity", "148.00")
LONG_VISIT = Service(CPT, "99214", "Office visit, established patient, moderate complexity", "214.50")
BLOOD_DRAW = Service(CPT, "36415", "Blood draw", "12.00")
METABOLIC_PANEL = Service(CPT, "80053", "Comprehensive metabolic panel", "61.40")
LIPID_PANEL = Service(CPT, "80061", "Lipid panel", "58.20")
A1C = Service(CPT, "83036", "Hemoglobin A1c", "44.75")
BLOOD_COUNT = Service(CPT, "85025", "Complete blood count with differential", "39.10")
TSH = Service(CPT, "84443", "Thyroid stimulating hormone", "67.30")
ECG = Service(CPT, "93000", "Electrocardiogram with interpretation", "72.00")
GIVE_VACCINE = Service(CPT, "90471", "Giving one vaccine", "31.00")
FLU_VACCINE = Service(CPT, "90686", "Influenza vaccine, preservative free", "24.90")

CHECK_UP = ClaimKind("professional", "Z00.00", "General adult medical examination", (LONG_VISIT,), 2)
FLU_SHOT = ClaimKind("professional", "Z23", "Encounter for immunization", (FLU_VACCINE, GIVE_VACCINE), 2)


def pharmacy(rxnorm: str, name: str, charge: str, icd10: str, diagnosis: str, weight: int) -> ClaimKind:
    return ClaimKind("pharmacy", icd10, diagnosis, (Service(RXNORM, rxnorm, name, charge),), weight)
