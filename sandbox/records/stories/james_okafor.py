"""James Okafor, 34: asthma since childhood, worse each spring until an inhaled steroid in 2021."""

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
from sandbox.records.terms import SNOMED

ASTHMA = "Moderate persistent asthma"

STORY = Story(
    clinic="Cobbs Creek Internal Medicine",
    hospital="Schuylkill Valley General Hospital",
    language=("en", "English"),
    clinicians=(
        Clinician("Danielle", "Fitzgerald-Moore", "MD", "446050000", "Primary care provider"),
        Clinician("Anil", "Deshpande", "MD", "41672002", "Respiratory physician"),
    ),
    complaint="Asthma follow-up",
    problems=(
        Problem(
            "427295004", "J45.40", ASTHMA, "2001", note="Two emergency visits in spring 2020, none since."
        ),
        Problem("61582004", "J30.9", "Allergic rhinitis", "2004"),
        Problem("24079001", "L20.9", "Atopic dermatitis", "1995", abated="2008"),
        Problem("195662009", "J02.9", "Acute viral pharyngitis", "2025-02-03", abated="2025-02-12"),
    ),
    drugs=(
        Drug(
            "435",
            "albuterol 90 mcg/actuation inhaler",
            "Inhale 2 puffs every 4 to 6 hours as needed for wheezing",
            ASTHMA,
            "2009-04-14",
            as_needed=True,
        ),
        Drug(
            "895994",
            "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler",
            "Inhale 2 puffs twice daily, rinse mouth after use",
            ASTHMA,
            "2021-03-02",
            per_day=4,
        ),
        Drug(
            "88249", "montelukast 10 mg tablet", "Take 1 tablet by mouth every evening", ASTHMA, "2022-03-22"
        ),
        Drug(
            "20610",
            "cetirizine 10 mg tablet",
            "Take 1 tablet by mouth once daily in pollen season",
            "Allergic rhinitis",
            "2015-04-01",
            as_needed=True,
        ),
    ),
    shots=(
        Shots("150", "Influenza, injectable, quadrivalent, preservative free", yearly("10-21", 2021, 2023)),
        Shots("140", "Influenza, seasonal, injectable, preservative free", ("2024-10-16", "2025-10-09")),
        Shots("208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose", ("2021-04-20", "2021-05-11"), "0.3"),
        Shots("33", "Pneumococcal polysaccharide PPV23", ("2021-03-02",)),
        Shots("115", "Tdap", ("2019-08-27",)),
    ),
    operations=(
        Operation(
            "127783003",
            "Spirometry",
            ("2021-03-02", "2022-03-22", "2024-04-09"),
            ASTHMA,
            "Reversible obstruction, FEV1 up 14 % after bronchodilator.",
        ),
        Operation("80146002", "Appendectomy", ("2011-12-03",)),
    ),
    allergies=(
        Allergy(SNOMED, "256349002", "Peanut", "food", "high", "1996", ("39579001", "Anaphylaxis"), "severe"),
        Allergy(SNOMED, "264287008", "Animal dander", "environment", "low", "2003", ("56018004", "Wheezing")),
    ),
    relatives=(
        Relative("MTH", "Mother", (("195967001", "Asthma", 9),)),
        Relative("FTH", "Father", (("59621000", "Essential hypertension", 44),)),
    ),
    plans=(
        Plan(
            "699728000",
            "Asthma self management",
            (ASTHMA,),
            "2021-03-02",
            (("229065009", "Exercise therapy"),),
            "Green, yellow and red zones by peak flow; personal best 610 L/min. "
            "Inhaler with spacer before sport.",
        ),
    ),
    papers=(
        Paper(
            "11488-4",
            "Consult note",
            "Pulmonology consultation",
            "2022-03-22",
            "Moderate persistent asthma, improved on inhaled fluticasone. "
            "Montelukast added for spring pollen. "
            "Asthma Control Test 22 of 25.",
        ),
        Paper(
            "18842-5",
            "Discharge summary",
            "Emergency department discharge",
            "2020-04-26",
            "Acute asthma exacerbation. "
            "Three nebulized albuterol treatments, prednisone 40 mg for five days.",
        ),
    ),
    panels=(("lipids", 4), ("cmp", 2), ("cbc", 2)),
    levels={
        "systolic": ((2010, 116), (2026.8, 121)),
        "diastolic": ((2010, 72), (2026.8, 76)),
        "weight": ((2010, 71.0), (2020, 80.4), (2026.8, 83.1)),
        "height": ((2010, 181.5), (2026.8, 181.5)),
        "oxygen": ((2010, 97), (2020.3, 93), (2021.2, 96), (2026.8, 98)),
        "heart_rate": ((2010, 68), (2020.3, 92), (2021, 74), (2026.8, 70)),
    },
    visit_every=140,
    monitoring=Monitoring("Home pulse oximeter", 1, ((1290, ("oxygen", "heart_rate")),)),
    insurance=(
        Insurance(
            "Keystone Meridian Insurance",
            "Meridian Choice PPO",
            "PPO",
            "preferred provider organization policy",
            "KMI 88 204 1173",
            "2019-07-01",
        ),
    ),
    claim_kinds=(
        ClaimKind(
            "professional", "J45.40", "Moderate persistent asthma, uncomplicated", (lines.OFFICE_VISIT,), 4
        ),
        lines.pharmacy(
            "895994",
            "fluticasone inhaler, 1 inhaler",
            "186.40",
            "J45.40",
            "Moderate persistent asthma, uncomplicated",
            9,
        ),
        lines.pharmacy(
            "435",
            "albuterol inhaler, 1 inhaler",
            "38.90",
            "J45.40",
            "Moderate persistent asthma, uncomplicated",
            6,
        ),
        lines.pharmacy(
            "88249",
            "montelukast 10 mg, 30 tablets",
            "16.25",
            "J45.40",
            "Moderate persistent asthma, uncomplicated",
            9,
        ),
        lines.FLU_SHOT,
        lines.CHECK_UP,
    ),
)
