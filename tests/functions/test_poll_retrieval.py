import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest

from portico.adapters.kms_sealer import KmsSealer
from portico.errors import ResultExpired, ResultMalformed, RetrievalFailed, RetrievalOverdue
from portico.retrieval import DEADLINE_SECONDS, Retrieval, Status
from portico.sealing import transaction_of
from sandbox.outside import Outside
from tests.adapters.stores import RETENTION, HeldClock, Stores
from tests.functions.answers import CONNECTION, RETRIEVAL, Json
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.functions.patients import a_portal, connected
from tests.samples import NOW, OWNER, retrieval_of

TASK = event("poll_retrieval", "retrieval")
STOPPED = {"retrievalId": RETRIEVAL, "status": "stopped"}
RESTART = {"retrievalId": RETRIEVAL, "connectionId": CONNECTION, "status": "restart"}
Poll = Callable[[Json], Json]


def running(wait: int) -> Json:
    return {"retrievalId": RETRIEVAL, "connectionId": CONNECTION, "status": "running", "wait": wait}


@pytest.fixture
def retrieval(stores: Stores, outside: Outside, clock: HeldClock) -> Retrieval:
    clock.now = NOW
    stores.forget_retrieval(RETRIEVAL)
    connection, _ = connected(stores, outside, a_portal(outside))
    return stores.retrievals.start(retrieval_of(connection, id=RETRIEVAL, owner=OWNER))


@pytest.fixture
def poll(load: Load, vendor: dict[str, str], outside: Outside, retrieval: Retrieval) -> Poll:
    """The task, for a retrieval that has been submitted; its result is ready at once."""
    outside.set_scenario(profile="tiny", async_seconds=0)
    load("begin_retrieval", **vendor)(event("begin_retrieval", "retrieval"))
    return load("poll_retrieval", **vendor)


def stored_keys(stores: Stores, retrieval: Retrieval) -> list[str]:
    listed = stores.backend.client("s3").list_objects_v2(
        Bucket=stores.backend.bucket, Prefix=f"{retrieval.prefix}/"
    )
    return [row["Key"] for row in listed.get("Contents", [])]


def test_a_result_goes_into_files_and_the_answer_is_counts_alone(
    poll: Poll, stores: Stores, retrieval: Retrieval, log: StringIO
) -> None:
    answer = poll(TASK)
    stored = stores.retrievals.get(RETRIEVAL)
    assert stored is not None
    assert stored.result is not None
    assert answer == {
        "retrievalId": RETRIEVAL,
        "connectionId": CONNECTION,
        "status": "completed",
        "counts": stored.result.counts,
    }
    assert (stored.status, stored.transaction, stored.expires_at) == (Status.COMPLETED, None, NOW + RETENTION)
    s3 = stores.backend.client("s3")
    for file in stored.result.files:
        body = s3.get_object(Bucket=stores.backend.bucket, Key=file.key)["Body"].read()
        lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        assert len(lines) == file.count
        assert {line["resourceType"] for line in lines} == {file.type}
        for name in (one.get("name") for one in lines if one["resourceType"] == "Patient"):
            assert name[0]["family"] not in log.getvalue() + json.dumps(answer)
    connection = stores.connections.get(CONNECTION)
    assert connection is not None
    assert connection.last_retrieval is not None
    assert connection.last_retrieval["status"] == "completed"


def test_a_repeated_task_says_the_same_and_asks_nobody(poll: Poll, outside: Outside) -> None:
    assert poll(TASK) == poll(TASK)
    assert outside.count("retrieve") == 1


@pytest.mark.parametrize("pending", ["404", "202", "204", "information", "empty"])
def test_every_form_of_not_yet_is_waited_on_with_growing_patience(
    poll: Poll, stores: Stores, outside: Outside, pending: str
) -> None:
    outside.set_scenario(async_outcome="never", pending=pending)
    assert [poll(TASK)["wait"] for _ in range(3)] == [7, 10, 14]
    stored = stores.retrievals.get(RETRIEVAL)
    assert stored is not None
    assert (stored.polls, stored.troubles) == (3, 0)


def test_a_vendor_that_names_a_time_is_given_it(poll: Poll, outside: Outside) -> None:
    outside.set_scenario(faults=[{"operation": "retrieve", "answer": "429", "calls": 1, "retry_after": 42}])
    assert poll(TASK) == running(42)
    assert poll(TASK)["status"] == "completed"


@pytest.mark.parametrize("fault", ["reset-mid-body", "truncated", "malformed", "not-a-number", "html"])
def test_a_result_that_breaks_off_leaves_nothing_and_is_asked_for_again(
    poll: Poll, stores: Stores, outside: Outside, retrieval: Retrieval, fault: str
) -> None:
    outside.set_scenario(faults=[{"operation": "retrieve", "answer": fault, "calls": 1}])
    assert poll(TASK)["status"] == "running"
    assert stored_keys(stores, retrieval) == []
    assert poll(TASK)["status"] == "completed"


def test_three_results_that_cannot_be_used_are_the_end(poll: Poll, outside: Outside) -> None:
    outside.set_scenario(faults=[{"operation": "retrieve", "answer": "malformed", "calls": 0}])
    assert [poll(TASK)["status"] for _ in range(2)] == ["running", "running"]
    with pytest.raises(ResultMalformed):
        poll(TASK)


def test_an_error_that_is_the_result_is_the_end(poll: Poll, outside: Outside, log: StringIO) -> None:
    outside.set_scenario(async_outcome="error")
    with pytest.raises(RetrievalFailed) as failed:
        poll(TASK)
    assert failed.value.why == "vendor_error"


def test_a_result_that_is_gone_is_begun_anew_once(
    poll: Poll, stores: Stores, outside: Outside, retrieval: Retrieval
) -> None:
    stores.retrievals.polled(replace(retrieval, ready=True))
    outside.set_scenario(async_outcome="never", pending="404")
    assert poll(TASK) == RESTART
    stored = stores.retrievals.get(RETRIEVAL)
    assert stored is not None
    assert (stored.transaction, stored.restarts) == (None, 1)
    assert poll(TASK) == RESTART
    stores.retrievals.submitted(stored, _sealed(stores), NOW)
    stores.retrievals.polled(replace(stored, ready=True))
    with pytest.raises(ResultExpired):
        poll(TASK)


def _sealed(stores: Stores) -> bytes:
    return KmsSealer(stores.backend.key).prepare(transaction_of(RETRIEVAL)).close(b'["unknown"]')


def test_after_an_hour_nothing_is_waited_for(poll: Poll, outside: Outside, clock: HeldClock) -> None:
    outside.set_scenario(async_outcome="never")
    clock.now = NOW + DEADLINE_SECONDS
    with pytest.raises(RetrievalOverdue):
        poll(TASK)


def test_nobody_waits_for_what_was_cancelled(poll: Poll, stores: Stores, retrieval: Retrieval) -> None:
    stores.retrievals.cancel(retrieval)
    assert poll(TASK) == STOPPED
    assert stored_keys(stores, retrieval) == []


def test_a_result_of_a_deleted_connection_leaves_nothing(
    poll: Poll, stores: Stores, retrieval: Retrieval
) -> None:
    connection = stores.connections.get(CONNECTION)
    assert connection is not None
    stores.connections.delete(connection)
    assert poll(TASK) == STOPPED
    assert stored_keys(stores, retrieval) == []
