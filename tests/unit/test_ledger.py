"""The completeness ledger: nothing that was asked for is missing without a word."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.ledger import Entry, ledger, note, outcome_of
from portico.records_request import RESOURCES, RecordsRequest
from portico.vendor import VendorError

EVERYTHING = RecordsRequest()


def error(
    message: str = "", path: str = "", status: int | None = 500, severity: str = "error"
) -> VendorError:
    return VendorError(status, None, severity, message, path)


def told(
    names: list[str],
    types: Mapping[str, int] | None = None,
    categories: Mapping[str, int] | None = None,
    errors: list[VendorError] | None = None,
    skipped: Mapping[str, int] | None = None,
) -> list[Entry]:
    request = RecordsRequest.parse({"resources": names})
    entries = ledger(request, types or {}, categories or {}, errors or [], skipped or {})
    assert [entry.resource for entry in entries] == list(RESOURCES)
    others = [entry for entry in entries if entry.resource not in names]
    assert all(entry == Entry(entry.resource, "not_asked") for entry in others)
    return [entry for entry in entries if entry.resource in names]


def test_what_came_is_returned_and_what_did_not_is_empty() -> None:
    assert told(["Patient", "Condition"], {"Patient": 1}) == [
        Entry("Patient", "returned", 1),
        Entry("Condition", "empty"),
    ]


def test_vitals_and_labs_are_counted_by_category() -> None:
    assert told(["Vitals", "Labs"], {"Observation": 9}, {"Labs": 7}) == [
        Entry("Vitals", "empty"),
        Entry("Labs", "returned", 7),
    ]


@pytest.mark.parametrize("where", [{"message": "Labs: upstream failed"}, {"path": "/fhir/Labs"}])
def test_an_error_that_names_a_resource_fails_that_one_alone(where: dict[str, Any]) -> None:
    assert told(["Vitals", "Labs"], errors=[error(**where)]) == [
        Entry("Vitals", "empty"),
        Entry("Labs", "failed", 0, "status 500"),
    ]


def test_a_resource_that_came_in_part_has_failed_with_its_count() -> None:
    assert told(["Condition"], {"Condition": 3}, errors=[error("Condition page 2", status=503)]) == [
        Entry("Condition", "failed", 3, "status 503")
    ]


def test_an_error_that_names_nothing_casts_doubt_on_what_came_empty() -> None:
    assert told(["Patient", "Condition"], {"Patient": 1}, errors=[error("upstream failed")]) == [
        Entry("Patient", "returned", 1),
        Entry("Condition", "failed", 0, "status 500"),
    ]


def test_a_name_inside_another_word_is_not_that_resource() -> None:
    errors = [error("MedicationRequests and CarePlans")]
    assert told(["MedicationRequest", "CarePlan"], errors=errors) == [
        Entry("MedicationRequest", "failed", 0, "status 500"),
        Entry("CarePlan", "failed", 0, "status 500"),
    ]
    assert told(["Patient", "Condition"], errors=[error("Condition.Patients")])[0] == Entry(
        "Patient", "empty"
    )


def test_a_harmless_remark_fails_nothing() -> None:
    assert told(["Labs"], errors=[error("Labs are slow today", severity="warning")]) == [
        Entry("Labs", "empty")
    ]


def test_what_was_too_large_to_keep_is_told() -> None:
    assert told(["DocumentReference"], {"DocumentReference": 4}, skipped={"DocumentReference": 2}) == [
        Entry("DocumentReference", "returned", 4, "2 too large to keep")
    ]


def test_details_are_numbers_never_the_vendors_words() -> None:
    spoken = VendorError(403, 17, "error", "Labs of Jane Roe refused", "/Labs/jane")
    assert told(["Labs"], errors=[spoken]) == [Entry("Labs", "failed", 0, "status 403, code 17")]
    assert told(["Labs"], errors=[error("Labs", status=None)]) == [Entry("Labs", "failed", 0, "no status")]


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from([*RESOURCES, "Observation", "Encounter"]), st.integers(1, 9)),
    st.dictionaries(st.sampled_from(["Vitals", "Labs"]), st.integers(1, 9)),
    st.lists(st.sampled_from([*RESOURCES, "nothing"]).map(error), max_size=3),
    st.lists(st.sampled_from(RESOURCES), unique=True),
)
def test_every_name_has_one_line_and_no_line_is_silent(
    types: dict[str, int], categories: dict[str, int], errors: list[VendorError], names: list[str]
) -> None:
    request = RecordsRequest.parse({"resources": names} if names else {})
    for entry in ledger(request, types, categories, errors, {}):
        counts = categories if entry.resource in ("Vitals", "Labs") else types
        if entry.resource not in request.asked:
            assert entry == Entry(entry.resource, "not_asked")
        else:
            assert entry.count == counts.get(entry.resource, 0)
            assert entry.outcome in {"returned", "empty", "failed"}
            assert (entry.outcome == "returned") <= (entry.count > 0)
            assert (entry.outcome == "empty") <= (entry.count == 0 and not errors) or errors


# --- remarks ---------------------------------------------------------------------------------------


def issue(line: bytes) -> dict[str, Any]:
    document = json.loads(line)
    assert b"\n" not in line
    assert (document["resourceType"], len(document["issue"])) == ("OperationOutcome", 1)
    found: dict[str, Any] = document["issue"][0]
    return found


@pytest.mark.parametrize(
    ("given_error", "severity", "code"),
    [
        (error(), "error", "transient"),
        (error(status=403), "error", "forbidden"),
        (error(status=400), "error", "processing"),
        (error(status=None), "error", "processing"),
        (error(severity="warning"), "information", "transient"),
    ],
)
def test_an_error_becomes_an_operation_outcome(given_error: VendorError, severity: str, code: str) -> None:
    told_as = issue(outcome_of(given_error))
    assert (told_as["severity"], told_as["code"]) == (severity, code)


def test_an_operation_outcome_names_the_resource_and_nothing_of_the_vendors() -> None:
    told_as = issue(outcome_of(error("Labs of Jane Roe", path="/secret")))
    assert told_as["diagnostics"] == "OneRecord reported a problem with Labs (status 500)"


def test_a_note_of_our_own_is_a_warning() -> None:
    assert issue(note("incomplete", 'Some "text"')) == {
        "severity": "warning",
        "code": "incomplete",
        "diagnostics": 'Some "text"',
    }


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (Entry("Labs", "returned", 3), {"resource": "Labs", "outcome": "returned", "count": 3}),
        (
            Entry("Labs", "failed", 0, "status 500"),
            {"resource": "Labs", "outcome": "failed", "count": 0, "detail": "status 500"},
        ),
    ],
)
def test_a_line_shows_a_detail_only_when_there_is_one(entry: Entry, shown: dict[str, Any]) -> None:
    assert entry.as_json() == shown
