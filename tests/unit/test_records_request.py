"""What an app may ask to be fetched, and how the vendor is asked for it."""

from typing import Any

import pytest

from portico.errors import InvalidRequest
from portico.records_request import RESOURCES, RecordsRequest

ALL = list(RESOURCES)


def test_the_vendors_sixteen_names_are_known() -> None:
    assert ALL == [
        "Patient",
        "Immunization",
        "AllergyIntolerance",
        "MedicationRequest",
        "MedicationStatement",
        "Vitals",
        "Labs",
        "DiagnosticReport",
        "Condition",
        "Procedure",
        "FamilyMemberHistory",
        "DocumentReference",
        "CareTeam",
        "CarePlan",
        "ExplanationOfBenefit",
        "Coverage",
    ]


def test_nothing_asked_for_is_everything_and_sends_no_field() -> None:
    request = RecordsRequest.parse({})
    assert (request.asked, request.as_vendor_fields()) == (RESOURCES, {})


def test_resources_go_to_the_vendor_in_its_own_order() -> None:
    request = RecordsRequest.parse({"resources": ["Labs", "Patient"]})
    assert request.asked == ("Patient", "Labs")
    assert request.as_vendor_fields() == {"resources": ["Patient", "Labs"]}


def test_times_go_to_the_vendor_in_utc_with_milliseconds() -> None:
    request = RecordsRequest.parse(
        {
            "params": {
                "fromTime": "2024-01-31T23:30:00.5-05:00",
                "toTime": "2024-06-01T00:00:00Z",
                "excludeUndatedEntries": False,
            }
        }
    )
    assert request.as_vendor_fields() == {
        "params": {
            "fromTime": "2024-02-01T04:30:00.500Z",
            "toTime": "2024-06-01T00:00:00.000Z",
            "excludeUndatedEntries": False,
        }
    }


@pytest.mark.parametrize("params", [{}, None])
def test_empty_params_are_none(params: Any) -> None:
    assert RecordsRequest.parse({"params": params}).as_vendor_fields() == {}


def test_equal_instants_are_an_empty_range_but_a_range() -> None:
    at = "2024-06-01T00:00:00Z"
    assert RecordsRequest.parse({"params": {"fromTime": at, "toTime": at}}).params["fromTime"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"resources": []}, "resources"),
        ({"resources": "Labs"}, "resources"),
        ({"resources": ["labs"]}, "resources"),
        ({"resources": ["Observation"]}, "resources"),
        ({"resources": ["Encounter"]}, "resources"),
        ({"resources": ["Labs", "Labs"]}, "resources"),
        ({"resources": [None]}, "resources"),
        ({"resources": [["Labs"]]}, "resources"),
        ({"resources": [{"name": "Labs"}]}, "resources"),
        ({"params": []}, "params"),
        ({"params": {"since": "2024-01-01T00:00:00Z"}}, "params"),
        ({"params": {"fromTime": 1704067200}}, "params.fromTime"),
        ({"params": {"fromTime": None}}, "params.fromTime"),
        ({"params": {"toTime": "yesterday"}}, "params.toTime"),
        ({"params": {"toTime": "2024-01-01"}}, "params.toTime"),
        ({"params": {"toTime": "2024-01-01T00:00:00"}}, "params.toTime"),
        ({"params": {"toTime": "2024-02-30T00:00:00Z"}}, "params.toTime"),
        ({"params": {"toTime": "20240101T000000Z"}}, "params.toTime"),
        ({"params": {"toTime": "2024-W01-1T00:00:00Z"}}, "params.toTime"),
        ({"params": {"fromTime": "0001-01-01T00:00:00+14:00"}}, "params.fromTime"),
        ({"params": {"toTime": "9999-12-31T23:59:59-14:00"}}, "params.toTime"),
        ({"params": {"excludeUndatedEntries": 1}}, "params.excludeUndatedEntries"),
        ({"params": {"excludeUndatedEntries": "true"}}, "params.excludeUndatedEntries"),
        (
            {"params": {"fromTime": "2024-06-01T00:00:01Z", "toTime": "2024-06-01T00:00:00Z"}},
            "params.fromTime",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        RecordsRequest.parse(given)
    assert refused.value.field == field


def test_a_filter_comes_back_from_storage_as_it_went() -> None:
    request = RecordsRequest.parse(
        {"resources": ["Vitals", "Labs"], "params": {"toTime": "2024-06-01T00:00:00Z"}}
    )
    kept = RecordsRequest.from_json(request.as_json())
    assert (kept.asked, kept.params, kept.fingerprint) == (request.asked, request.params, request.fingerprint)


def test_filters_for_the_same_records_have_the_same_fingerprint() -> None:
    same = [
        {"resources": ["Labs", "Vitals"], "params": {"toTime": "2024-06-01T00:00:00Z"}},
        {"resources": ["Vitals", "Labs"], "params": {"toTime": "2024-05-31T20:00:00-04:00"}},
    ]
    assert len({RecordsRequest.parse(given).fingerprint for given in same}) == 1


def test_filters_for_other_records_have_other_fingerprints() -> None:
    others: list[dict[str, Any]] = [
        {},
        {"resources": ["Labs"]},
        {"resources": ["Vitals"]},
        {"params": {"excludeUndatedEntries": True}},
        {"params": {"excludeUndatedEntries": False}},
    ]
    assert len({RecordsRequest.parse(given).fingerprint for given in others}) == len(others)
