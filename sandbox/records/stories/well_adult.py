"""Somebody in good health: the story of whoever has none of their own."""

from sandbox.records.stories import claim_lines as lines
from sandbox.records.story import (
    Allergy,
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

STORY = Story(
    clinic="Riverside Family Practice",
    hospital="Riverside Community Hospital",
    language=("en", "English"),
    clinicians=(Clinician("Miriam", "Castellano", "MD", "446050000", "Primary care provider"),),
    complaint="Annual physical",
    problems=(Problem("61582004", "J30.9", "Allergic rhinitis", "2012"),),
    drugs=(
        Drug(
            "20610",
            "cetirizine 10 mg tablet",
            "Take 1 tablet by mouth once daily as needed",
            "Allergic rhinitis",
            "2016-04-04",
            as_needed=True,
        ),
    ),
    shots=(
        Shots("150", "Influenza, injectable, quadrivalent, preservative free", yearly("10-12", 2018, 2023)),
        Shots("115", "Tdap", ("2019-06-04",)),
    ),
    operations=(Operation("171207006", "Depression screening", yearly("06-04", 2022, 2026)),),
    allergies=(Allergy(SNOMED, "716186003", "No known allergy", "environment", "low", "2018"),),
    relatives=(Relative("FTH", "Father", (("59621000", "Essential hypertension", 50),)),),
    plans=(
        Plan(
            "734163000",
            "Care plan",
            ("Allergic rhinitis",),
            "2018-06-04",
            (("229065009", "Exercise therapy"),),
            "Annual physical; 150 minutes of exercise a week.",
        ),
    ),
    papers=(
        Paper(
            "34133-9",
            "Summary of episode note",
            "Health summary",
            "2026-06-04",
            "In good health, no concerns.",
        ),
    ),
    insurance=(
        Insurance(
            "Riverside Mutual",
            "Riverside PPO",
            "PPO",
            "preferred provider organization policy",
            "RM-100-2044",
            "2020-01-01",
        ),
    ),
    claim_kinds=(lines.CHECK_UP, lines.FLU_SHOT),
)
