"""María Álvarez, 58: type 2 diabetes found in 2018, HbA1c from 9.4 to 6.6 % on metformin and a new diet."""

from sandbox.records.stories import claim_lines as lines
from sandbox.records.story import (
    Allergy,
    ClaimKind,
    Clinician,
    Drug,
    Insurance,
    Monitoring,
    Operation,
    Paper,
    Plan,
    Problem,
    Relative,
    Shots,
    Story,
    yearly,
)
from sandbox.records.terms import RXNORM, SNOMED

STORY = Story(
    clinic="Mission Trails Family Medicine",
    hospital="San Pedro Creek Medical Center",
    language=("es", "Spanish"),
    clinicians=(
        Clinician("Priya", "Raghunathan", "MD", "446050000", "Primary care provider"),
        Clinician("Tomás", "Echeverría", "MD", "61894003", "Endocrinologist"),
        Clinician("Bethany", "O'Neill", "RD", "159033005", "Dietitian"),
    ),
    complaint="Diabetes and blood pressure follow-up",
    problems=(
        Problem(
            "44054006",
            "E11.9",
            "Type 2 diabetes mellitus",
            "2018-03-05",
            note="Found by routine HbA1c; polyuria for two months.",
        ),
        Problem("59621000", "I10", "Essential hypertension", "2015-06-22"),
        Problem("55822004", "E78.5", "Hyperlipidemia", "2016-09-13"),
        Problem("414916001", "E66.9", "Obesity", "2014-10-02", note="BMI below 30 since 2021."),
        Problem("714628002", "R73.03", "Prediabetes", "2016-09-13", abated="2018-03-05"),
        Problem("10509002", "J20.9", "Acute bronchitis", "2019-01-28", abated="2019-02-14"),
        Problem("235595009", "K21.9", "Gastroesophageal reflux disease", "2017-05"),
        Problem("239873007", "M17.11", "Osteoarthritis of right knee", "2023-11-08"),
        Problem("840539006", "U07.1", "COVID-19", "2022-01-11", abated="2022-01-24"),
    ),
    drugs=(
        Drug(
            "861007",
            "metformin hydrochloride 500 MG Oral Tablet",
            "Take 1 tablet by mouth twice daily with meals",
            "Type 2 diabetes mellitus",
            "2018-03-05",
            "2018-09-10",
            per_day=2,
        ),
        Drug(
            "860975",
            "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet",
            "Take 2 tablets by mouth twice daily with meals",
            "Type 2 diabetes mellitus",
            "2018-09-10",
            per_day=4,
        ),
        Drug(
            "314076",
            "lisinopril 10 MG Oral Tablet",
            "Take 1 tablet by mouth once daily",
            "Essential hypertension",
            "2015-06-22",
            "2018-03-05",
        ),
        Drug(
            "314077",
            "lisinopril 20 MG Oral Tablet",
            "Take 1 tablet by mouth once daily",
            "Essential hypertension",
            "2018-03-05",
        ),
        Drug(
            "617310",
            "atorvastatin 20 MG Oral Tablet",
            "Take 1 tablet by mouth at bedtime",
            "Hyperlipidemia",
            "2016-09-13",
        ),
        Drug(
            "7646",
            "omeprazole 20 mg capsule",
            "Take 1 capsule by mouth before breakfast",
            "Gastroesophageal reflux disease",
            "2017-05-16",
            "2020-02-03",
        ),
        Drug(
            "198440",
            "acetaminophen 500 MG Oral Tablet",
            "Take 1 to 2 tablets by mouth every 6 hours as needed",
            "Osteoarthritis of right knee",
            "2023-11-08",
            as_needed=True,
        ),
    ),
    shots=(
        Shots("150", "Influenza, injectable, quadrivalent, preservative free", yearly("10-08", 2014, 2023)),
        Shots("140", "Influenza, seasonal, injectable, preservative free", yearly("10-02", 2024, 2026)),
        Shots("115", "Tdap", ("2016-09-13", "2026-03-19")),
        Shots(
            "208",
            "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose",
            ("2021-03-18", "2021-04-08", "2021-11-17"),
            "0.3",
        ),
        Shots("300", "COVID-19, mRNA, LNP-S, bivalent, PF, 30 mcg/0.3 mL dose", ("2022-10-21",), "0.3"),
        Shots("33", "Pneumococcal polysaccharide PPV23", ("2018-06-11",)),
        Shots("187", "Zoster recombinant", ("2020-08-04", "2020-11-10")),
    ),
    operations=(
        Operation(
            "73761001", "Colonoscopy", ("2019-05-21",), note="Two hyperplastic polyps; repeat in ten years."
        ),
        Operation("24623002", "Screening mammography", yearly("04-16", 2016, 2026)),
        Operation(
            "401191002", "Diabetic foot examination", yearly("03-11", 2019, 2026), "Type 2 diabetes mellitus"
        ),
        Operation(
            "36228007",
            "Ophthalmic examination and evaluation",
            yearly("06-20", 2018, 2026),
            "Type 2 diabetes mellitus",
            "No retinopathy in either eye.",
        ),
        Operation("38102005", "Cholecystectomy", ("2009-08-17",)),
        Operation(
            "29303009",
            "Electrocardiographic procedure",
            ("2015-06-22", "2021-09-14"),
            "Essential hypertension",
        ),
    ),
    allergies=(
        Allergy(RXNORM, "70618", "Penicillin", "medication", "high", "1994", ("126485001", "Urticaria")),
        Allergy(
            RXNORM,
            "10831",
            "Sulfamethoxazole / trimethoprim",
            "medication",
            "low",
            "2011-07",
            ("271807003", "Eruption of skin"),
            "mild",
        ),
        Allergy(
            SNOMED,
            "111088007",
            "Latex",
            "environment",
            "low",
            "2009-08-17",
            ("271807003", "Eruption of skin"),
            "mild",
        ),
    ),
    relatives=(
        Relative(
            "MTH",
            "Mother",
            (("44054006", "Type 2 diabetes mellitus", 51), ("59621000", "Essential hypertension", 48)),
            79,
        ),
        Relative("FTH", "Father", (("22298006", "Myocardial infarction", 63),), 63),
        Relative("BRO", "Brother", (("44054006", "Type 2 diabetes mellitus", 46),)),
        Relative("MGRMTH", "Maternal grandmother", (("363406005", "Malignant neoplasm of colon", 71),), 74),
    ),
    plans=(
        Plan(
            "698360004",
            "Diabetes self management plan",
            ("Type 2 diabetes mellitus",),
            "2018-03-19",
            (("160670007", "Diabetic diet"), ("229065009", "Exercise therapy")),
            "HbA1c below 7 %, blood pressure below 130/80, walk 30 minutes on five days a week.",
        ),
        Plan(
            "443402002",
            "Lifestyle education regarding hypertension",
            ("Essential hypertension",),
            "2015-07-06",
            (("229065009", "Exercise therapy"),),
            "Less than 2 g sodium a day; home blood pressure log.",
        ),
    ),
    papers=(
        Paper(
            "11488-4",
            "Consult note",
            "Endocrinology consultation",
            "2018-04-17",
            "Ms. Álvarez is a 50-year-old woman with newly found type 2 diabetes (HbA1c 9.4 %). "
            "No ketosis, "
            "C-peptide preserved. Metformin to be raised as tolerated, dietitian referral made. "
            "Recheck in 3 months.",
        ),
        Paper(
            "28570-0",
            "Procedure note",
            "Colonoscopy report",
            "2019-05-21",
            "Cecum reached, good preparation. Two 3 mm hyperplastic polyps in the rectum removed. "
            "No adenoma.",
        ),
        Paper(
            "18748-4",
            "Diagnostic imaging study",
            "Right knee radiographs",
            "2023-11-08",
            "Three views. Mild medial joint space narrowing with small marginal osteophytes. "
            "No fracture, no effusion.",
        ),
    ),
    panels=(("a1c", 1), ("cmp", 1), ("egfr", 1), ("lipids", 2), ("cbc", 2), ("urine_albumin", 4), ("tsh", 8)),
    levels={
        "a1c": (
            (2012, 5.7),
            (2016.7, 6.2),
            (2017.6, 7.4),
            (2018.17, 9.4),
            (2018.7, 7.8),
            (2019.2, 7.1),
            (2020.5, 6.8),
            (2021.2, 7.2),
            (2022.5, 6.9),
            (2024, 6.7),
            (2026.8, 6.6),
        ),
        "glucose": ((2012, 101), (2016.7, 118), (2018.17, 212), (2018.7, 158), (2019.5, 136), (2026.8, 122)),
        "systolic": ((2012, 138), (2015.4, 154), (2016, 138), (2018, 142), (2019, 131), (2026.8, 126)),
        "diastolic": ((2012, 86), (2015.4, 95), (2016, 85), (2018, 87), (2019, 81), (2026.8, 77)),
        "weight": ((2012, 86.2), (2018.17, 91.5), (2019, 86.4), (2021, 79.1), (2026.8, 76.3)),
        "height": ((2012, 162.5), (2026.8, 162.0)),
        "cholesterol": ((2012, 218), (2016.7, 246), (2017.2, 188), (2020, 174), (2026.8, 162)),
        "triglycerides": ((2012, 172), (2018.17, 248), (2019.2, 165), (2026.8, 128)),
        "hdl": ((2012, 43), (2019, 45), (2026.8, 52)),
        "creatinine": ((2012, 0.72), (2026.8, 0.86)),
        "urine_albumin": ((2015, 12), (2018.2, 41), (2019.2, 27), (2026.8, 17)),
    },
    smoking=("8517006", "Former smoker"),
    monitoring=Monitoring(
        "Home blood pressure monitor and glucose meter", 1, ((425, ("bp", "heart_rate", "home_glucose")),)
    ),
    insurance=(
        Insurance(
            "Bluebonnet Mutual Health Plan",
            "Bluebonnet Silver PPO",
            "PPO",
            "preferred provider organization policy",
            "BBM-4471-90836",
            "2021-01-01",
        ),
        Insurance(
            "Alamo Community Health Plan",
            "Alamo Standard HMO",
            "HMO",
            "health maintenance organization policy",
            "ACH00371962",
            "2014-01-01",
            "2020-12-31",
        ),
        Insurance(
            "Bluebonnet Mutual Health Plan",
            "Bluebonnet Dental Basic",
            "DENTPRG",
            "dental program",
            "BBD-4471-90836",
            "2021-01-01",
            covers=(),
        ),
    ),
    claim_kinds=(
        ClaimKind(
            "professional",
            "E11.9",
            "Type 2 diabetes mellitus without complications",
            (lines.LONG_VISIT, lines.A1C, lines.METABOLIC_PANEL, lines.BLOOD_DRAW),
            8,
        ),
        ClaimKind(
            "professional", "I10", "Essential (primary) hypertension", (lines.OFFICE_VISIT, lines.ECG), 2
        ),
        ClaimKind(
            "professional", "E78.5", "Hyperlipidemia, unspecified", (lines.LIPID_PANEL, lines.BLOOD_DRAW), 3
        ),
        lines.pharmacy(
            "860975",
            "metformin ER 500 mg, 360 tablets",
            "41.20",
            "E11.9",
            "Type 2 diabetes mellitus without complications",
            9,
        ),
        lines.pharmacy(
            "314077", "lisinopril 20 mg, 90 tablets", "18.60", "I10", "Essential (primary) hypertension", 9
        ),
        lines.pharmacy(
            "617310", "atorvastatin 20 mg, 90 tablets", "22.75", "E78.5", "Hyperlipidemia, unspecified", 9
        ),
        lines.FLU_SHOT,
        lines.CHECK_UP,
    ),
)
