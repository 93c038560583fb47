import gzip
from dataclasses import replace
from io import StringIO

import httpx
import pytest

from portico.connection import Connection
from portico.ledger import Entry
from portico.retrieval import File, Result, Retrieval
from tests.adapters.stores import RETENTION, HeldClock, Stores
from tests.functions.answers import (
    CONNECTION,
    HOST,
    NOT_FOUND,
    RETRIEVAL,
    Json,
    at,
    by_another,
    ok,
    problem,
    told,
)
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import NOW, OWNER, active, fresh_id, retrieval_of

READ, CANCEL, FILE = (event("read_retrieval", case) for case in ("read", "cancel", "file"))
LINE = b'{"resourceType":"Patient","id":"maria"}\n'


@pytest.fixture(autouse=True)
def now(clock: HeldClock) -> None:
    clock.now = NOW


@pytest.fixture
def connection(stores: Stores) -> Connection:
    return stores.put(active(OWNER, id=CONNECTION))


@pytest.fixture
def running(stores: Stores, connection: Connection) -> Retrieval:
    stores.forget_retrieval(RETRIEVAL)
    wanted = retrieval_of(connection, id=RETRIEVAL, owner=OWNER)
    assert stores.retrievals.start(wanted) == wanted
    return wanted


def finished(stores: Stores, retrieval: Retrieval) -> Result:
    key = f"{retrieval.prefix}/{fresh_id()}"
    stores.backend.client("s3").put_object(
        Bucket=stores.backend.bucket, Key=key, Body=gzip.compress(LINE), ContentEncoding="gzip"
    )
    result = Result(
        files=[
            File("OperationOutcome", "OperationOutcome.ndjson", f"{key}-none", 1),
            File("Patient", "Patient.ndjson", key, 1),
        ],
        ledger=[Entry("Patient", "returned", 1), Entry("Labs", "failed", 0, "status 403, code 4030")],
        fhir_version="R4",
        finished_at=NOW + 60,
    )
    stores.retrievals.submitted(retrieval, b"sealed", NOW + 1)
    stores.retrievals.complete(retrieval, result)
    return result


def test_a_running_retrieval_says_when_to_ask_again(
    load: Load, stores: Stores, running: Retrieval, clock: HeldClock
) -> None:
    read = load("read_retrieval")
    body = {"id": RETRIEVAL, "status": "running"}
    assert told(read(READ)) == ok(202, body, retry_after="1", x_progress="starting")
    stores.retrievals.submitted(running, b"sealed", NOW)
    stores.retrievals.polled(replace(running, polls=3))
    clock.now += 60
    progress = "waiting for the portal, asked 3 times"
    assert told(read(READ)) == ok(202, body, retry_after="15", x_progress=progress)


def test_a_finished_retrieval_is_a_manifest(load: Load, stores: Stores, running: Retrieval) -> None:
    finished(stores, running)
    files = f"{HOST}/v1/retrievals/{RETRIEVAL}/files"
    assert told(load("read_retrieval")(READ)) == ok(
        200,
        {
            "transactionTime": "2026-11-25T10:00:01Z",
            "request": f"{HOST}/v1/connections/{CONNECTION}/records",
            "requiresAccessToken": True,
            "output": [{"type": "Patient", "url": f"{files}/Patient.ndjson", "count": 1}],
            "error": [{"type": "OperationOutcome", "url": f"{files}/OperationOutcome.ndjson", "count": 1}],
            "extension": {
                "fhirVersion": "R4",
                "ledger": [
                    {"resource": "Patient", "outcome": "returned", "count": 1},
                    {"resource": "Labs", "outcome": "failed", "count": 0, "detail": "status 403, code 4030"},
                ],
            },
        },
    )


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            "vendor_error",
            problem(502, "portal-error", "The records could not be retrieved", "Reason: vendor_error."),
        ),
        (
            "reauthorization_required",
            problem(
                409,
                "reauthorization-required",
                "The patient has to log in again",
                "Send the patient through the portal again: POST the connection's reconnect route.",
            ),
        ),
        (
            "timeout",
            problem(
                504, "portal-timeout", "The portal had no result in time", "The request was not completed."
            ),
        ),
    ],
)
def test_a_failed_retrieval_tells_its_reason(
    load: Load, stores: Stores, running: Retrieval, reason: str, expected: Json
) -> None:
    stores.retrievals.fail(running, reason, NOW)
    assert told(load("read_retrieval")(READ)) == expected


def test_after_its_retention_a_retrieval_is_gone(
    load: Load, stores: Stores, running: Retrieval, clock: HeldClock
) -> None:
    finished(stores, running)
    clock.now = NOW + 60 + RETENTION
    gone = problem(410, "gone", "It is over", "Reason: retention_over.")
    read = load("read_retrieval")
    assert told(read(READ)) == gone
    assert told(read(FILE)) == gone


def test_a_file_is_fetched_through_a_url_that_needs_no_token(
    load: Load, stores: Stores, running: Retrieval, log: StringIO
) -> None:
    finished(stores, running)
    answer = told(load("read_retrieval")(FILE))
    location = answer["headers"].pop("Location")
    assert answer == {"status": 302, "headers": {}, "body": "", "cookies": []}
    fetched = httpx.get(location)
    assert (fetched.content, fetched.headers["content-encoding"]) == (LINE, "gzip")
    assert location not in log.getvalue()


@pytest.mark.parametrize("name", ["Coverage.ndjson", "..", "Patient", "x" * 500])
def test_a_file_that_does_not_exist_is_not_found(
    load: Load, stores: Stores, running: Retrieval, name: str
) -> None:
    finished(stores, running)
    assert told(load("read_retrieval")(at(FILE, name=name)))["status"] == 404


def test_a_running_retrieval_has_no_files_yet(load: Load, running: Retrieval) -> None:
    assert told(load("read_retrieval")(FILE)) == NOT_FOUND


@pytest.mark.parametrize("request_", [READ, CANCEL, FILE], ids=["read", "cancel", "file"])
def test_another_user_finds_nothing_and_changes_nothing(
    load: Load, stores: Stores, running: Retrieval, request_: Json
) -> None:
    finished(stores, running)
    before = stores.retrievals.get(RETRIEVAL)
    assert told(load("read_retrieval")(by_another(request_))) == NOT_FOUND
    assert stores.retrievals.get(RETRIEVAL) == before


@pytest.mark.parametrize("request_", [READ, CANCEL, FILE], ids=["read", "cancel", "file"])
@pytest.mark.parametrize("rid", ["unknownRetrieval-2026a", "x", "x" * 3000, "running.lock"])
def test_what_does_not_exist_is_not_found(load: Load, request_: Json, rid: str) -> None:
    assert told(load("read_retrieval")(at(request_, rid=rid))) == NOT_FOUND


@pytest.mark.parametrize("state", ["running", "finished"])
def test_a_cancelled_retrieval_is_gone_with_its_files(
    load: Load, stores: Stores, running: Retrieval, state: str
) -> None:
    if state == "finished":
        finished(stores, running)
    read = load("read_retrieval")
    assert told(read(CANCEL)) == ok(202, {"id": RETRIEVAL, "status": "deleted"})
    assert told(read(READ)) == NOT_FOUND
    assert told(read(CANCEL)) == NOT_FOUND
    listed = stores.backend.client("s3").list_objects_v2(Bucket=stores.backend.bucket, Prefix=running.prefix)
    assert listed["KeyCount"] == 0
