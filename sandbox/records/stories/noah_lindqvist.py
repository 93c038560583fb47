"""Noah Lindqvist-Ødegård, 7: a well child, immunizations on schedule, one ear infection too many in 2021."""

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
)
from sandbox.records.terms import SNOMED

OTITIS = "Otitis media"

STORY = Story(
    clinic="Superior Shore Pediatrics",
    hospital="Northland Children's Hospital",
    language=("en", "English"),
    clinicians=(Clinician("Karin", "Halvorsen", "MD", "82296001", "Pediatrician"),),
    complaint="Well-child visit",
    problems=(
        Problem("65363002", "H66.90", OTITIS, "2021-01-12", abated="2021-01-26"),
        Problem("65363002", "H66.90", "Recurrent otitis media", "2021-04", abated="2021-11"),
        Problem("24079001", "L20.9", "Atopic dermatitis", "2019-11", note="Mild, winter only."),
    ),
    drugs=(
        Drug(
            "723",
            "amoxicillin 400 mg/5 mL suspension",
            "Give 5 mL by mouth twice daily for 10 days",
            OTITIS,
            "2021-01-12",
            "2021-01-22",
            per_day=2,
        ),
        Drug(
            "5492",
            "hydrocortisone 1 % cream",
            "Apply thinly to dry patches twice daily as needed",
            "Atopic dermatitis",
            "2019-11-14",
            as_needed=True,
        ),
    ),
    shots=(
        Shots("08", "Hep B, adolescent or pediatric", ("2019-05-10",)),
        Shots("110", "DTaP-hepatitis B and poliovirus vaccine", ("2019-07-11", "2019-09-12", "2019-11-14")),
        Shots(
            "133", "Pneumococcal conjugate PCV 13", ("2019-07-11", "2019-09-12", "2019-11-14", "2020-05-14")
        ),
        Shots("49", "Hib (PRP-OMP)", ("2019-07-11", "2019-09-12", "2020-05-14")),
        Shots("116", "Rotavirus, pentavalent", ("2019-07-11", "2019-09-12", "2019-11-14"), "2", "PO"),
        Shots("03", "MMR", ("2020-05-14", "2023-05-18"), route="SC"),
        Shots("21", "Varicella", ("2020-05-14", "2023-05-18"), route="SC"),
        Shots("83", "Hep A, ped/adol, 2 dose", ("2020-05-14", "2020-11-19")),
        Shots("20", "DTaP", ("2020-08-20",)),
        Shots("130", "DTaP-IPV", ("2023-05-18",)),
        Shots(
            "150",
            "Influenza, injectable, quadrivalent, preservative free",
            ("2019-11-14", "2019-12-16", "2020-10-08", "2021-10-14", "2022-10-13", "2023-10-12"),
        ),
        Shots("140", "Influenza, seasonal, injectable, preservative free", ("2024-10-10", "2025-10-16")),
    ),
    operations=(
        Operation(
            "172676009",
            "Myringotomy and insertion of tympanic ventilation tube",
            ("2021-11-16",),
            "Recurrent otitis media",
            "Both ears, no complication.",
        ),
    ),
    allergies=(Allergy(SNOMED, "716186003", "No known allergy", "environment", "low", "2019-05-09"),),
    relatives=(
        Relative("MTH", "Mother", (("61582004", "Allergic rhinitis", 15),)),
        Relative("GRFTH", "Grandfather", (("254837009", "Malignant neoplasm of breast", 66),), 72),
    ),
    plans=(
        Plan(
            "734163000",
            "Care plan",
            ("Atopic dermatitis",),
            "2019-11-14",
            (("229065009", "Exercise therapy"),),
            "Well-child visit each May; emollient daily in winter; dentist twice a year.",
        ),
    ),
    papers=(
        Paper(
            "11504-8",
            "Surgical operation note",
            "Ear tube placement",
            "2021-11-16",
            "Bilateral myringotomy with placement of tympanostomy tubes. Thick effusion removed. "
            "Home the same day.",
        ),
    ),
    panels=(("lead", 1),),
    levels={
        "weight": (
            (2019.35, 3.62),
            (2019.85, 7.9),
            (2020.35, 9.8),
            (2021.35, 12.4),
            (2022.35, 14.5),
            (2024.35, 18.6),
            (2026.8, 24.1),
        ),
        "height": (
            (2019.35, 51.0),
            (2019.85, 67.8),
            (2020.35, 76.2),
            (2021.35, 88.0),
            (2022.35, 96.5),
            (2024.35, 110.2),
            (2026.8, 124.6),
        ),
        "systolic": ((2019, 84), (2026.8, 98)),
        "diastolic": ((2019, 48), (2026.8, 60)),
        "heart_rate": ((2019, 138), (2020.4, 118), (2026.8, 88)),
        "respirations": ((2019, 38), (2020.4, 28), (2026.8, 20)),
        "pain": ((2019, 0), (2026.8, 0)),
    },
    visit_every=181,
    monitoring=Monitoring("Family scale and ear thermometer", 3, ((1140, ("weight", "temperature")),)),
    insurance=(
        Insurance(
            "North Star Children's Health Plan",
            "North Star Family HMO",
            "HMO",
            "health maintenance organization policy",
            "NS-2019-55417-02",
            "2019-05-09",
            relationship="child",
        ),
    ),
    claim_kinds=(
        ClaimKind(
            "professional",
            "Z00.129",
            "Routine child health examination without abnormal findings",
            (lines.OFFICE_VISIT,),
            5,
        ),
        ClaimKind(
            "professional", "Z23", "Encounter for immunization", (lines.FLU_VACCINE, lines.GIVE_VACCINE), 6
        ),
        ClaimKind(
            "professional", "H66.90", "Otitis media, unspecified, unspecified ear", (lines.OFFICE_VISIT,), 4
        ),
    ),
    guardian=("Ingrid", "Lindqvist-Ødegård"),
)
