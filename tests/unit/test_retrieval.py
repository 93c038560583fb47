"""A retrieval: its files, its times, its manifest."""

from dataclasses import replace

import pytest

from portico.errors import NotFound
from portico.ledger import Entry
from portico.records_request import RecordsRequest
from portico.retrieval import File, Result, Retrieval, Status, manifest
from tests.unit.fakes import START
from tests.unit.samples import ALICE, BOB

FILES = [
    File("Observation", "Observation.ndjson", "prefix/a", 2),
    File("OperationOutcome", "OperationOutcome.ndjson", "prefix/b", 1),
    File("Patient", "Patient.ndjson", "prefix/c", 1),
]
LEDGER = [Entry("Patient", "returned", 1), Entry("Labs", "failed", 0, "status 500")]
RUNNING = Retrieval("id", "connection", ALICE, RecordsRequest(), START, "prefix")
DONE = replace(
    RUNNING,
    status=Status.COMPLETED,
    submitted_at=START + 2,
    result=Result(FILES, LEDGER, "R4", START + 60),
    expires_at=START + 86_400,
)


def test_the_manifest_has_the_shape_of_bulk_data_access() -> None:
    assert manifest(DONE, "https://api/v1/connections/c/records", "https://api/v1/retrievals/id/files") == {
        "transactionTime": "2026-11-24T09:30:02Z",
        "request": "https://api/v1/connections/c/records",
        "requiresAccessToken": True,
        "output": [
            {
                "type": "Observation",
                "url": "https://api/v1/retrievals/id/files/Observation.ndjson",
                "count": 2,
            },
            {"type": "Patient", "url": "https://api/v1/retrievals/id/files/Patient.ndjson", "count": 1},
        ],
        "error": [
            {
                "type": "OperationOutcome",
                "url": "https://api/v1/retrievals/id/files/OperationOutcome.ndjson",
                "count": 1,
            }
        ],
        "extension": {
            "fhirVersion": "R4",
            "ledger": [
                {"resource": "Patient", "outcome": "returned", "count": 1},
                {"resource": "Labs", "outcome": "failed", "count": 0, "detail": "status 500"},
            ],
        },
    }


def test_error_is_present_even_when_nothing_went_wrong() -> None:
    clean = replace(DONE, result=Result(FILES[:1], [], "R4", START))
    assert manifest(clean, "", "")["error"] == []


def test_where_files_lie_is_not_told() -> None:
    assert "prefix" not in repr(manifest(DONE, "request", "files"))


def test_a_file_is_found_by_its_public_name_alone() -> None:
    assert DONE.file("Patient.ndjson") == FILES[2]
    for name in ("patient.ndjson", "Patient", "prefix/c", "", "../Patient.ndjson"):
        with pytest.raises(NotFound):
            DONE.file(name)


def test_a_running_retrieval_has_no_files() -> None:
    with pytest.raises(NotFound):
        RUNNING.file("Patient.ndjson")


def test_a_retrieval_is_its_owners_alone() -> None:
    assert RUNNING.owned_by(ALICE) is RUNNING
    with pytest.raises(NotFound):
        RUNNING.owned_by(BOB)


def test_the_hour_runs_from_submission_and_before_it_from_the_request() -> None:
    assert RUNNING.deadline() == START + 3600
    assert replace(RUNNING, submitted_at=START + 50).deadline() == START + 3650


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_what_is_over_is_never_lost(status: Status) -> None:
    assert RUNNING.lost(START + 10_000)
    assert not replace(RUNNING, status=status).lost(START + 10_000)


def test_counts_are_told_by_type_and_the_summary_by_id() -> None:
    assert DONE.result is not None
    assert DONE.result.counts == {"Observation": 2, "OperationOutcome": 1, "Patient": 1}
    assert DONE.summary(START + 60) == {
        "id": "id",
        "status": "completed",
        "finishedAt": "2026-11-24T09:31:00Z",
    }
