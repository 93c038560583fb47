"""Collecting a result: counts, and the verdict on the whole."""

import json
from typing import Any

import pytest

from portico.collection import Collected, collect
from portico.errors import ResultMalformed, StorageUnavailable
from portico.records_request import RecordsRequest
from tests.unit.fakes import envelope

VITAL = {"resourceType": "Observation", "category": [{"coding": [{"code": "vital-signs"}]}]}
LAB = {"resourceType": "Observation", "category": [{"coding": [{"code": "laboratory"}]}]}
SURVEY = {"resourceType": "Observation", "category": [{"coding": [{"code": "survey"}]}]}
PATIENT = {"resourceType": "Patient", "id": "p"}


class Lines:
    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes]] = []

    def write(self, type_: str, line: bytes) -> None:
        self.lines.append((type_, line))


def collected(document: Any) -> Collected:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return collect([body[:40], body[40:]], Lines())


def with_errors(*errors: dict[str, Any], **members: Any) -> bytes:
    return envelope([], **{"errorData": {"errors": list(errors)}, "payload": None} | members)


def test_resources_are_counted_by_type_and_observations_by_list() -> None:
    found = collected(envelope([PATIENT, VITAL, LAB, LAB, SURVEY]))
    assert dict(found.types) == {"Patient": 1, "Observation": 4}
    assert dict(found.categories) == {"Vitals": 1, "Labs": 2}
    assert (found.pending, found.refused) == (False, False)


def test_every_resource_goes_into_the_sink_in_order() -> None:
    lines = Lines()
    collect([envelope([PATIENT, LAB])], lines)
    assert [(type_, json.loads(line)) for type_, line in lines.lines] == [
        ("Patient", PATIENT),
        ("Observation", LAB),
    ]


@pytest.mark.parametrize(
    ("document", "pending", "refused"),
    [
        pytest.param(b"", True, False, id="nothing"),
        pytest.param(b"{}", True, False, id="empty object"),
        pytest.param({"payload": None}, True, False, id="null payload"),
        pytest.param({"payload": {}}, True, False, id="empty payload"),
        pytest.param({"payload": None, "fhirVersion": "R4"}, False, False, id="version"),
        pytest.param({"payload": None, "contentType": "application/json"}, False, False, id="type"),
        pytest.param({"resourceType": "Bundle", "type": "searchset"}, False, False, id="bare bundle"),
        pytest.param({"payload": {"resourceType": "Bundle"}}, False, False, id="bundle without entry"),
        pytest.param(with_errors({"message": "not yet available"}), True, True, id="not yet as error"),
        pytest.param(
            with_errors({"severity": "info", "message": "pending"}), True, False, id="not yet as note"
        ),
        pytest.param(with_errors({"severity": "ERROR", "status": 500}), False, True, id="error"),
        pytest.param({"status": 500, "error": "Oops"}, False, True, id="flat error"),
        pytest.param({"status": 404, "message": "not found"}, True, True, id="flat not yet"),
        pytest.param(
            envelope([PATIENT], errorData={"errors": [{"status": 500}]}), False, False, id="partial"
        ),
        pytest.param(
            envelope([PATIENT], errorData={"errors": [{"message": "pending"}]}), False, False, id="words"
        ),
    ],
)
def test_completion_is_recognised_positively(document: Any, pending: bool, refused: bool) -> None:
    found = collected(document)
    assert (found.pending, found.refused) == (pending, refused)


def codes(found: Collected) -> list[str]:
    return [json.loads(line)["issue"][0]["code"] for line in found.remarks()]


def test_a_whole_result_calls_for_no_remark() -> None:
    assert codes(collected(envelope([PATIENT]))) == []


@pytest.mark.parametrize("version", ["R4", "4.0", "4.0.0", "4.0.1", None, ""])
def test_every_name_of_r4_is_r4(version: str | None) -> None:
    assert codes(collected(envelope([PATIENT], fhirVersion=version))) == []


@pytest.mark.parametrize("version", ["DSTU2", "1.0.2", "R5", "4.3.0"])
def test_another_version_is_kept_and_flagged(version: str) -> None:
    found = collected(envelope([PATIENT], fhirVersion=version))
    assert (codes(found), found.envelope.fhir_version) == (["not-supported"], version)


def test_a_next_page_that_nobody_can_follow_is_flagged() -> None:
    payload = {
        "resourceType": "Bundle",
        "link": [{"relation": "next", "url": "https://portal.example/next"}],
        "entry": [{"resource": PATIENT}],
    }
    found = collected(envelope([], payload=payload))
    assert codes(found) == ["incomplete"]
    assert b"portal.example" not in b"".join(found.remarks())


def test_every_error_beside_the_records_is_told() -> None:
    errors = {"errors": [{"status": 500, "message": "Labs"}, {"severity": "warning", "message": "slow"}]}
    assert codes(collected(envelope([PATIENT], errorData=errors))) == ["transient", "processing"]


def test_the_ledger_is_that_of_what_came() -> None:
    request = RecordsRequest.parse({"resources": ["Labs", "Coverage"]})
    entries = {e.resource: (e.outcome, e.count) for e in collected(envelope([LAB, VITAL])).ledger(request)}
    assert (entries["Labs"], entries["Coverage"], entries["Vitals"]) == (
        ("returned", 1),
        ("empty", 0),
        ("not_asked", 0),
    )


@pytest.mark.parametrize("body", [b"<html>", b"{", envelope([PATIENT])[:-1], b'{"payload":NaN}'])
def test_t30_what_is_no_result_is_malformed(body: bytes) -> None:
    with pytest.raises(ResultMalformed):
        collect([body], Lines())


def test_what_the_sink_cannot_take_is_the_callers_to_handle() -> None:
    class Full(Lines):
        def write(self, type_: str, line: bytes) -> None:
            raise StorageUnavailable

    with pytest.raises(StorageUnavailable):
        collect([envelope([PATIENT])], Full())
