/** Short names for what laboratories call by long ones (LOINC); anything else loses only its method and unit. */

import { code, words } from "../fhir.js";

const SHORT = {
  "4548-4": "Hemoglobin A1c",
  "2345-7": "Glucose",
  "3094-0": "Urea nitrogen (BUN)",
  "2160-0": "Creatinine",
  "2951-2": "Sodium",
  "2823-3": "Potassium",
  "2075-0": "Chloride",
  "2028-9": "Carbon dioxide",
  "17861-6": "Calcium",
  "2885-2": "Total protein",
  "1751-7": "Albumin",
  "1975-2": "Bilirubin",
  "6768-6": "Alkaline phosphatase",
  "1742-6": "ALT",
  "1920-8": "AST",
  "98979-8": "Kidney function (eGFR)",
  "2093-3": "Total cholesterol",
  "2571-8": "Triglycerides",
  "2085-9": "HDL cholesterol",
  "13457-7": "LDL cholesterol",
  "18262-6": "LDL cholesterol",
  "6690-2": "White blood cells",
  "718-7": "Hemoglobin",
  "789-8": "Red blood cells",
  "4544-3": "Hematocrit",
  "787-2": "Red cell size (MCV)",
  "777-3": "Platelets",
  "14959-1": "Albumin in urine",
  "3016-3": "TSH",
  "3024-7": "Free T4",
  "2276-4": "Ferritin",
  "62292-8": "Vitamin D",
  "33762-6": "NT-proBNP",
  "85354-9": "Blood pressure",
  "8480-6": "Systolic",
  "8462-4": "Diastolic",
  "59408-5": "Oxygen saturation",
  "2708-6": "Oxygen saturation",
  "39156-5": "Body mass index",
  "72514-3": "Pain (0 to 10)",
  "57698-3": "Lipid panel",
  "24331-1": "Lipid panel",
  "24323-8": "Metabolic panel",
  "58410-2": "Blood count",
};

/** A name that fits on a card. */
export function shortName(concept) {
  const known = (concept?.coding ?? []).map((one) => SHORT[one.code]).find(Boolean);
  return (
    known ??
    (words(concept)
      .replace(/\s*\[.*$/, "")
      .replace(/ (in|by|of) (Serum|Plasma|Blood|Urine|Platelet).*$/, "")
      .replace(/ \d{4} panel.*/, " panel")
      .trim() ||
      code(concept) ||
      "Unnamed")
  );
}
