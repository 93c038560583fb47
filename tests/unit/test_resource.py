"""What is read of a single resource: the vendor's list that an Observation belongs to, and its depth."""

import json
from typing import Any

import pytest

from portico.resource import category_of, nests_too_deep

SYSTEM = "http://terminology.hl7.org/CodeSystem/observation-category"


def observation(*codes: str | None) -> dict[str, Any]:
    coding = [{"system": SYSTEM, "code": code, "display": "Any"} for code in codes]
    return {"resourceType": "Observation", "category": [{"coding": coding, "text": "Any"}]}


@pytest.mark.parametrize(
    ("resource", "category"),
    [
        (observation("vital-signs"), "Vitals"),
        (observation("laboratory"), "Labs"),
        (observation("social-history", "laboratory"), "Labs"),
        (observation(None, "vital-signs"), "Vitals"),
        (observation("social-history"), None),
        (observation(), None),
        ({"category": {"coding": [{"code": "laboratory"}]}}, "Labs"),
        ({"category": [{"text": "Laboratory"}, {"coding": [{"code": "laboratory"}]}]}, "Labs"),
        ({"category": [{"coding": None}]}, None),
        ({"category": None}, None),
        ({"category": "laboratory"}, None),
        ({"category": [{"coding": [{"code": 7}]}]}, None),
        ({"code": {"coding": [{"code": "laboratory"}]}}, None),
    ],
)
def test_the_category_codes_decide_between_vitals_and_labs(
    resource: dict[str, Any], category: str | None
) -> None:
    assert category_of(json.dumps(resource).encode()) == category


@pytest.mark.parametrize(("levels", "deep"), [(1_000, False), (1_001, True)])
def test_the_depth_is_that_of_brackets_outside_strings(levels: int, deep: bool) -> None:
    wide = b'"wide":[' + b'{"x":"]}[{"},' * 2_000 + b'"\\"{"]'
    text = b"{" + wide + b',"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"
    assert nests_too_deep(text) is deep
