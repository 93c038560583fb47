"""Zoë Nguyễn, 29: new in town and newly insured, so far without a claim."""

from dataclasses import replace

from sandbox.records.stories import well_adult
from sandbox.records.story import Insurance

STORY = replace(
    well_adult.STORY,
    clinic="Garden District Primary Care",
    insurance=(
        Insurance(
            "Pelican State Health",
            "Pelican Bronze HMO",
            "HMO",
            "health maintenance organization policy",
            "PSH-2026-01187",
            "2026-09-01",
        ),
    ),
    claims=0,
)
