from io import StringIO

import pytest

from portico.ledger import Entry
from portico.retrieval import File, Result, Retrieval, Status
from tests.adapters.stores import RETENTION, HeldClock, Stores
from tests.functions.answers import CONNECTION, RETRIEVAL
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import NOW, OWNER, active, retrieval_of

VENDOR_ERROR, TIMEOUT = event("finish_retrieval", "vendor_error"), event("finish_retrieval", "timeout")
STOPPED = {"retrievalId": RETRIEVAL, "status": "stopped"}


@pytest.fixture
def retrieval(stores: Stores, clock: HeldClock) -> Retrieval:
    clock.now = NOW
    stores.forget_retrieval(RETRIEVAL)
    connection = stores.put(active(OWNER, id=CONNECTION))
    return stores.retrievals.start(retrieval_of(connection, id=RETRIEVAL, owner=OWNER))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("PortalUnclear", "portal_unclear"),
        ("RetrievalOverdue", "retrieval_overdue"),
        ("ReauthorizationRequired", "reauthorization_required"),
        ("States.Timeout", "timeout"),
        ("States.TaskFailed", "internal"),
        ("Lambda.Unknown", "internal"),
        ("Defect", "internal"),
        ("PorticoError; DROP TABLE", "internal"),
        ("__builtins__", "internal"),
    ],
)
def test_the_reason_is_kept_in_our_own_words(
    load: Load, stores: Stores, retrieval: Retrieval, error: str, reason: str
) -> None:
    answer = load("finish_retrieval")(VENDOR_ERROR | {"error": error})
    assert answer == {
        "retrievalId": RETRIEVAL,
        "connectionId": CONNECTION,
        "status": "failed",
        "reason": reason,
    }
    stored = stores.retrievals.get(RETRIEVAL)
    assert stored is not None
    assert (stored.status, stored.reason, stored.expires_at) == (Status.FAILED, reason, NOW + RETENTION)
    connection = stores.connections.get(CONNECTION)
    assert connection is not None
    assert connection.last_retrieval == {
        "id": RETRIEVAL,
        "status": "failed",
        "finishedAt": "2026-11-25T10:00:00Z",
    }


def test_no_file_is_left_behind(load: Load, stores: Stores, retrieval: Retrieval, log: StringIO) -> None:
    s3 = stores.backend.client("s3")
    s3.put_object(Bucket=stores.backend.bucket, Key=f"{retrieval.prefix}/half", Body=b"{}")
    load("finish_retrieval")(TIMEOUT)
    listed = s3.list_objects_v2(Bucket=stores.backend.bucket, Prefix=f"{retrieval.prefix}/")
    assert listed["KeyCount"] == 0
    assert '"task done"' in log.getvalue()


def test_a_repeated_task_says_the_same(load: Load, retrieval: Retrieval) -> None:
    finish = load("finish_retrieval")
    assert finish(VENDOR_ERROR) == finish(TIMEOUT)


@pytest.mark.parametrize("why", ["deleted", "cancelled", "completed", "connection deleted"])
def test_what_nobody_waits_for_is_stopped(load: Load, stores: Stores, retrieval: Retrieval, why: str) -> None:
    if why == "deleted":
        stores.retrievals.delete(retrieval)
    elif why == "cancelled":
        stores.retrievals.cancel(retrieval)
    elif why == "completed":
        result = Result(
            [File("Patient", "Patient.ndjson", "key", 1)], [Entry("Patient", "returned", 1)], "R4", NOW
        )
        stores.retrievals.complete(retrieval, result)
    else:
        connection = stores.connections.get(CONNECTION)
        assert connection is not None
        stores.connections.delete(connection)
    before = stores.retrievals.get(RETRIEVAL)
    assert load("finish_retrieval")(VENDOR_ERROR) == STOPPED
    assert stores.retrievals.get(RETRIEVAL) == before
