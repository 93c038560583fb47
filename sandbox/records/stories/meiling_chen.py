"""Mei-Ling Chen, 41: Hashimoto's thyroiditis found after her second child, iron back to normal by 2020."""

from sandbox.records.stories import claim_lines as lines
from sandbox.records.story import (
    Allergy,
    ClaimKind,
    Clinician,
    Drug,
    Insurance,
    Operation,
    Paper,
    Plan,
    Problem,
    Relative,
    Shots,
    Story,
    yearly,
)
from sandbox.records.terms import SNOMED

THYROID = "Hashimoto thyroiditis"
IRON = "Iron deficiency anemia"

STORY = Story(
    clinic="Outer Richmond Women's Health",
    hospital="Golden Hill Hospital",
    language=("zh", "Chinese"),
    clinicians=(
        Clinician("Rebecca", "Lowenthal", "MD", "446050000", "Primary care provider"),
        Clinician("Hiroshi", "Nakagawa", "MD", "61894003", "Endocrinologist"),
    ),
    complaint="Thyroid follow-up",
    problems=(
        Problem("21983002", "E06.3", THYROID, "2017-04-25"),
        Problem("40930008", "E03.9", "Hypothyroidism", "2017-04-25"),
        Problem("87522002", "D50.9", IRON, "2016-12-06", abated="2020-03"),
        Problem("21897009", "F41.1", "Generalized anxiety disorder", "2020-08-18", abated="2023-05-30"),
        Problem("61582004", "J30.9", "Allergic rhinitis", "2009"),
    ),
    drugs=(
        Drug(
            "10582",
            "levothyroxine 88 mcg tablet",
            "Take 1 tablet by mouth 30 minutes before breakfast",
            "Hypothyroidism",
            "2017-04-25",
        ),
        Drug(
            "24947",
            "ferrous sulfate 325 mg tablet",
            "Take 1 tablet by mouth every other day with vitamin C",
            IRON,
            "2016-12-06",
            "2020-03-10",
        ),
        Drug(
            "321988",
            "escitalopram 10 mg tablet",
            "Take 1 tablet by mouth once daily",
            "Generalized anxiety disorder",
            "2020-08-18",
            "2023-05-30",
        ),
        Drug(
            "20610",
            "cetirizine 10 mg tablet",
            "Take 1 tablet by mouth once daily as needed",
            "Allergic rhinitis",
            "2014-03-03",
            as_needed=True,
        ),
    ),
    shots=(
        Shots("150", "Influenza, injectable, quadrivalent, preservative free", yearly("10-17", 2014, 2023)),
        Shots("140", "Influenza, seasonal, injectable, preservative free", yearly("10-07", 2024, 2026)),
        Shots("115", "Tdap", ("2014-02-11", "2016-07-19")),
        Shots("207", "COVID-19, mRNA, LNP-S, PF, 100 mcg/0.5 mL dose", ("2021-04-02", "2021-04-30")),
    ),
    operations=(
        Operation("11466000", "Cesarean section", ("2016-10-11",), note="Healthy girl, 3,310 g."),
        Operation("171207006", "Depression screening", yearly("08-18", 2020, 2025)),
    ),
    allergies=(
        Allergy(
            SNOMED,
            "260147004",
            "House dust mite",
            "environment",
            "low",
            "2009",
            ("49727002", "Cough"),
            "mild",
        ),
    ),
    relatives=(
        Relative("MTH", "Mother", (("40930008", "Hypothyroidism", 45),)),
        Relative(
            "FTH",
            "Father",
            (("59621000", "Essential hypertension", 52), ("230690007", "Cerebrovascular accident", 70)),
        ),
    ),
    plans=(
        Plan(
            "734163000",
            "Care plan",
            ("Hypothyroidism",),
            "2017-05-09",
            (("229065009", "Exercise therapy"),),
            "TSH between 0.5 and 2.5 mIU/L; blood test 6 weeks after each change of dose, then twice a year.",
        ),
    ),
    papers=(
        Paper(
            "11488-4",
            "Consult note",
            "Endocrinology consultation",
            "2017-05-09",
            "TSH 14.2 mIU/L, TPO antibodies strongly positive. Diffuse goiter, no nodule. "
            "Levothyroxine started. 母親同患甲狀腺功能低下。",
        ),
        Paper(
            "18842-5",
            "Discharge summary",
            "Maternity discharge",
            "2016-10-14",
            "Repeat cesarean at 39 weeks, uncomplicated. Mother and child well.",
        ),
    ),
    panels=(("tsh", 1), ("cbc", 1), ("ferritin", 1), ("cmp", 1), ("lipids", 3), ("vitamin_d", 2)),
    levels={
        "tsh": ((2012, 2.8), (2016.9, 5.9), (2017.31, 14.2), (2017.6, 4.1), (2018, 1.9), (2026.8, 1.6)),
        "hemoglobin": ((2012, 13.1), (2016.9, 9.9), (2018, 12.2), (2020.2, 13.0), (2026.8, 13.3)),
        "ferritin": ((2012, 34), (2016.9, 6), (2018, 18), (2020.2, 52), (2026.8, 61)),
        "weight": ((2012, 55.0), (2016.7, 67.5), (2017.31, 63.4), (2018.5, 57.2), (2026.8, 56.4)),
        "height": ((2012, 160.0), (2026.8, 160.0)),
        "systolic": ((2012, 106), (2026.8, 112)),
        "diastolic": ((2012, 66), (2026.8, 70)),
    },
    insurance=(
        Insurance(
            "Pacific Crest Health",
            "Crest Gold HMO",
            "HMO",
            "health maintenance organization policy",
            "PCH7720461",
            "2016-01-01",
        ),
        Insurance(
            "Pacific Crest Health",
            "Crest Vision",
            "VISPOL",
            "vision care policy",
            "PCV7720461",
            "2018-01-01",
            covers=(),
        ),
    ),
    claim_kinds=(
        ClaimKind(
            "professional",
            "E03.9",
            "Hypothyroidism, unspecified",
            (lines.OFFICE_VISIT, lines.TSH, lines.BLOOD_DRAW),
            6,
        ),
        ClaimKind(
            "professional",
            "D50.9",
            "Iron deficiency anemia, unspecified",
            (lines.BLOOD_COUNT, lines.BLOOD_DRAW),
            3,
        ),
        lines.pharmacy(
            "10582", "levothyroxine 88 mcg, 90 tablets", "28.40", "E03.9", "Hypothyroidism, unspecified", 9
        ),
        lines.FLU_SHOT,
        lines.CHECK_UP,
    ),
    also_named=("陳", "美玲"),
)
