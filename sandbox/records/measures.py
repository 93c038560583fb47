"""What is measured: the vital signs and laboratory tests as a table, the panels they are ordered in."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """One LOINC quantity: how many digits are written, the usual value and its scatter, the normal range."""

    loinc: str
    name: str
    unit: str
    ucum: str
    digits: int
    mean: float
    scatter: float
    low: str | None = None
    high: str | None = None
    women: tuple[str | None, str | None, float] | None = None
    ceiling: float = float("inf")


VITALS: Mapping[str, Measure] = {
    "systolic": Measure("8480-6", "Systolic blood pressure", "mmHg", "mm[Hg]", 0, 122, 5, None, "130"),
    "diastolic": Measure("8462-4", "Diastolic blood pressure", "mmHg", "mm[Hg]", 0, 76, 4, None, "80"),
    "heart_rate": Measure("8867-4", "Heart rate", "beats/min", "/min", 0, 72, 5),
    "respirations": Measure("9279-1", "Respiratory rate", "breaths/min", "/min", 0, 15, 1.5),
    "temperature": Measure("8310-5", "Body temperature", "°C", "Cel", 1, 36.7, 0.2),
    "oxygen": Measure(
        "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", "%", 0, 98, 0.7, ceiling=100
    ),
    "weight": Measure("29463-7", "Body weight", "kg", "kg", 1, 72, 0.6),
    "height": Measure("8302-2", "Body height", "cm", "cm", 1, 170, 0.15),
    "bmi": Measure("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", "kg/m2", 2, 25, 0),
    "pain": Measure(
        "72514-3",
        "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
        "{score}",
        "{score}",
        0,
        1,
        0.7,
    ),
    "home_glucose": Measure(
        "2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", "mg/dL", 0, 118, 12, "70", "180"
    ),
}

VISIT_VITALS = (
    "bp",
    "heart_rate",
    "respirations",
    "temperature",
    "oxygen",
    "height",
    "weight",
    "bmi",
    "pain",
)

LABS: Mapping[str, Measure] = {
    "glucose": Measure(
        "2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 0, 92, 7, "70", "99"
    ),
    "urea": Measure(
        "3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 0, 14, 2, "7", "20"
    ),
    "creatinine": Measure(
        "2160-0",
        "Creatinine [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        2,
        0.95,
        0.05,
        "0.70",
        "1.30",
        ("0.50", "1.10", 0.78),
    ),
    "egfr": Measure(
        "98979-8",
        "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or "
        "Blood by Creatinine-based formula (CKD-EPI 2021)",
        "mL/min/1.73m2",
        "mL/min/{1.73_m2}",
        0,
        95,
        0,
        "60",
    ),
    "sodium": Measure(
        "2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 0, 140, 1.5, "135", "145"
    ),
    "potassium": Measure(
        "2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 1, 4.2, 0.2, "3.5", "5.1"
    ),
    "chloride": Measure(
        "2075-0", "Chloride [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 0, 103, 1.5, "98", "107"
    ),
    "bicarbonate": Measure(
        "2028-9",
        "Carbon dioxide, total [Moles/volume] in Serum or Plasma",
        "mmol/L",
        "mmol/L",
        0,
        25,
        1.3,
        "22",
        "29",
    ),
    "calcium": Measure(
        "17861-6", "Calcium [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 2, 9.5, 0.25, "8.50", "10.50"
    ),
    "protein": Measure(
        "2885-2", "Protein [Mass/volume] in Serum or Plasma", "g/dL", "g/dL", 1, 7.1, 0.2, "6.0", "8.3"
    ),
    "albumin": Measure(
        "1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/dL", "g/dL", 1, 4.3, 0.15, "3.5", "5.0"
    ),
    "bilirubin": Measure(
        "1975-2",
        "Bilirubin.total [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        1,
        0.6,
        0.12,
        "0.1",
        "1.2",
    ),
    "alp": Measure(
        "6768-6",
        "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        0,
        70,
        8,
        "44",
        "121",
    ),
    "alt": Measure(
        "1742-6",
        "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        0,
        24,
        5,
        "7",
        "44",
    ),
    "ast": Measure(
        "1920-8",
        "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        0,
        22,
        4,
        "8",
        "40",
    ),
    "a1c": Measure("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", "%", 1, 5.4, 0.1, "4.0", "5.6"),
    "cholesterol": Measure(
        "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 0, 182, 8, None, "200"
    ),
    "triglycerides": Measure(
        "2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 0, 110, 14, None, "150"
    ),
    "hdl": Measure(
        "2085-9",
        "Cholesterol in HDL [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        0,
        50,
        3,
        "40",
        None,
        ("50", None, 58),
    ),
    "ldl": Measure(
        "13457-7",
        "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation",
        "mg/dL",
        "mg/dL",
        0,
        110,
        0,
        None,
        "100",
    ),
    "wbc": Measure(
        "6690-2",
        "Leukocytes [#/volume] in Blood by Automated count",
        "10*3/uL",
        "10*3/uL",
        1,
        6.6,
        0.8,
        "3.4",
        "10.8",
    ),
    "rbc": Measure(
        "789-8",
        "Erythrocytes [#/volume] in Blood by Automated count",
        "10*6/uL",
        "10*6/uL",
        2,
        4.9,
        0,
        "4.14",
        "5.80",
        ("3.77", "5.28", 4.5),
    ),
    "hemoglobin": Measure(
        "718-7",
        "Hemoglobin [Mass/volume] in Blood",
        "g/dL",
        "g/dL",
        1,
        15.0,
        0.3,
        "13.0",
        "17.7",
        ("11.1", "15.9", 13.5),
    ),
    "hematocrit": Measure(
        "4544-3",
        "Hematocrit [Volume Fraction] of Blood by Automated count",
        "%",
        "%",
        1,
        44,
        0,
        "37.5",
        "51.0",
        ("34.0", "46.6", 40),
    ),
    "mcv": Measure("787-2", "MCV [Entitic volume] by Automated count", "fL", "fL", 0, 89, 1.5, "79", "97"),
    "platelets": Measure(
        "777-3",
        "Platelets [#/volume] in Blood by Automated count",
        "10*3/uL",
        "10*3/uL",
        0,
        245,
        18,
        "150",
        "450",
    ),
    "urine_albumin": Measure(
        "14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine", "mg/g", "mg/g{creat}", 0, 9, 2, None, "30"
    ),
    "tsh": Measure(
        "3016-3",
        "Thyrotropin [Units/volume] in Serum or Plasma",
        "mIU/L",
        "m[IU]/L",
        2,
        1.9,
        0.2,
        "0.45",
        "4.50",
    ),
    "vitamin_d": Measure(
        "62292-8",
        "25-Hydroxyvitamin D2+25-Hydroxyvitamin D3 [Mass/volume] in Serum or Plasma",
        "ng/mL",
        "ng/mL",
        1,
        34,
        4,
        "30.0",
        "100.0",
    ),
    "ferritin": Measure(
        "2276-4",
        "Ferritin [Mass/volume] in Serum or Plasma",
        "ng/mL",
        "ng/mL",
        0,
        120,
        12,
        "30",
        "400",
        ("15", "150", 60),
    ),
    "phosphate": Measure(
        "2777-1", "Phosphate [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 1, 3.5, 0.3, "2.5", "4.5"
    ),
    "pth": Measure(
        "2731-8", "Parathyrin.intact [Mass/volume] in Serum or Plasma", "pg/mL", "pg/mL", 0, 40, 6, "15", "65"
    ),
    "ntprobnp": Measure(
        "33762-6",
        "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma",
        "pg/mL",
        "pg/mL",
        0,
        90,
        20,
        None,
        "125",
    ),
    "inr": Measure(
        "6301-6",
        "INR in Platelet poor plasma by Coagulation assay",
        "{INR}",
        "{INR}",
        1,
        1.0,
        0.1,
        "0.9",
        "1.1",
    ),
    "lead": Measure("5671-3", "Lead [Mass/volume] in Blood", "ug/dL", "ug/dL", 1, 1.2, 0.3, None, "3.5"),
}

# LOINC of the order, its name, its tests. A panel of one test carries that test's own code.
PANELS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "cmp": (
        "24323-8",
        "Comprehensive metabolic 2000 panel - Serum or Plasma",
        (
            "glucose",
            "urea",
            "creatinine",
            "sodium",
            "potassium",
            "chloride",
            "bicarbonate",
            "calcium",
            "protein",
            "albumin",
            "bilirubin",
            "alp",
            "alt",
            "ast",
        ),
    ),
    "lipids": (
        "24331-1",
        "Lipid 1996 panel - Serum or Plasma",
        ("cholesterol", "triglycerides", "hdl", "ldl"),
    ),
    "cbc": (
        "58410-2",
        "CBC panel - Blood by Automated count",
        ("wbc", "hemoglobin", "rbc", "hematocrit", "mcv", "platelets"),
    ),
} | {
    key: (LABS[key].loinc, LABS[key].name, (key,))
    for key in (
        "a1c",
        "egfr",
        "urine_albumin",
        "tsh",
        "vitamin_d",
        "ferritin",
        "phosphate",
        "pth",
        "ntprobnp",
        "inr",
        "lead",
    )
}
