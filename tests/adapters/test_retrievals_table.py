from collections.abc import Callable
from dataclasses import replace

import pytest

from portico.connection import Connection
from portico.errors import Cancelled
from portico.ledger import Entry
from portico.records_request import RecordsRequest
from portico.retrieval import DEADLINE_SECONDS, GRACE_SECONDS, File, Result, Retrieval, Status
from tests.adapters.stores import RETENTION, Stores, at_once
from tests.samples import NOW, active, fresh_id, retrieval_of

RESULT = Result(
    files=[
        File("Patient", "Patient.ndjson", "prefix/a", 1),
        File("Observation", "Observation.ndjson", "b", 40),
    ],
    ledger=[Entry("Patient", "returned", 1), Entry("Labs", "failed", 0, "status 403, code 4030")],
    fhir_version="R4",
    finished_at=NOW + 90.5,
)


@pytest.fixture
def connection(stores: Stores) -> Connection:
    return stores.put(active())


@pytest.fixture
def running(stores: Stores, connection: Connection) -> Retrieval:
    return stores.retrievals.start(retrieval_of(connection))


def gone(stores: Stores, retrieval: Retrieval) -> Retrieval:
    stores.retrievals.delete(retrieval)
    return retrieval


def test_a_retrieval_reads_back_as_it_was_started(stores: Stores, connection: Connection) -> None:
    asked = RecordsRequest(("Labs", "Patient"), {"fromTime": "2024-01-01T00:00:00.000Z"})
    wanted = retrieval_of(connection, request=asked)
    assert stores.retrievals.start(wanted) == wanted
    assert stores.retrievals.get(wanted.id) == wanted


def test_an_unknown_retrieval_is_none(stores: Stores) -> None:
    assert stores.retrievals.get(fresh_id()) is None


def test_a_retrieval_is_dropped_a_month_after_its_retention(stores: Stores, running: Retrieval) -> None:
    kept = stores.attribute(stores.retrievals.name, ("id", running.id), "ttl")
    assert kept == str(int(NOW + RETENTION) + 30 * 86_400)


# --- one at a time ---------------------------------------------------------------------------------


def test_a_second_start_for_the_same_records_gives_the_running_one(
    stores: Stores, connection: Connection, running: Retrieval
) -> None:
    same = retrieval_of(connection, request=RecordsRequest(("Patient", "Labs")))
    assert stores.retrievals.start(same) == running
    assert stores.retrievals.get(same.id) is None


def test_another_filter_or_connection_runs_beside_it(
    stores: Stores, connection: Connection, running: Retrieval
) -> None:
    for other in (retrieval_of(connection, request=RecordsRequest()), retrieval_of(stores.put(active()))):
        assert stores.retrievals.start(other) == other


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "deleted", "lost"])
def test_the_next_start_runs_anew_when_the_last_one_is(
    stores: Stores, connection: Connection, running: Retrieval, end: str
) -> None:
    if end == "completed":
        stores.retrievals.complete(running, RESULT)
    elif end == "failed":
        stores.retrievals.fail(running, "vendor_error", NOW)
    elif end == "cancelled":
        stores.retrievals.cancel(running)
    elif end == "deleted":
        stores.retrievals.delete(running)
    else:
        stores.clock.now = NOW + DEADLINE_SECONDS + GRACE_SECONDS + 1
    again = retrieval_of(connection)
    assert stores.retrievals.start(again) == again


def test_of_many_who_start_the_same_one_runs_and_all_are_given_it(contended: Stores) -> None:
    connection = contended.put(active())
    wanted = [retrieval_of(connection) for _ in range(4)]
    given = {
        r.id for r in at_once(4, lambda n: contended.retrievals.start(wanted[n])) if isinstance(r, Retrieval)
    }
    (only,) = given
    assert [one.id for one in wanted if contended.retrievals.get(one.id)] == [only]


# --- on the way ------------------------------------------------------------------------------------


def test_a_submission_and_its_polls_are_kept(stores: Stores, running: Retrieval) -> None:
    stores.retrievals.submitted(running, b"sealed ids", NOW + 3.5)
    submitted = replace(running, transaction=b"sealed ids", submitted_at=NOW + 3.5)
    assert stores.retrievals.get(running.id) == submitted
    polled = replace(submitted, polls=4, troubles=2, ready=True)
    stores.retrievals.polled(polled)
    assert stores.retrievals.get(running.id) == polled


def test_a_restart_forgets_the_transaction_and_counts(stores: Stores, running: Retrieval) -> None:
    stores.retrievals.submitted(running, b"sealed ids", NOW)
    stores.retrievals.polled(replace(running, polls=4, troubles=2, ready=True))
    stores.retrievals.restart(running)
    stored = stores.retrievals.get(running.id)
    assert stored is not None
    assert (stored.transaction, stored.restarts, stored.troubles) == (None, 1, 0)


def test_a_second_submission_starts_counting_again(stores: Stores, running: Retrieval) -> None:
    stores.retrievals.polled(replace(running, polls=4, ready=True))
    stores.retrievals.submitted(running, b"newer ids", NOW + 60)
    stored = stores.retrievals.get(running.id)
    assert stored is not None
    assert (stored.transaction, stored.polls, stored.ready) == (b"newer ids", 0, False)


# --- the end ---------------------------------------------------------------------------------------


def test_a_result_is_kept_and_the_connection_is_told(
    stores: Stores, connection: Connection, running: Retrieval
) -> None:
    stores.retrievals.submitted(running, b"sealed ids", NOW)
    stores.retrievals.complete(running, RESULT)
    assert stores.retrievals.get(running.id) == replace(
        running,
        status=Status.COMPLETED,
        submitted_at=NOW,
        result=RESULT,
        expires_at=RESULT.finished_at + RETENTION,
    )
    assert stores.connections.get(connection.id) == replace(
        connection,
        last_retrieval={"id": running.id, "status": "completed", "finishedAt": "2026-11-25T10:01:30Z"},
    )


def test_a_failure_is_kept_and_the_connection_is_told(
    stores: Stores, connection: Connection, running: Retrieval
) -> None:
    stores.retrievals.submitted(running, b"sealed ids", NOW)
    stores.retrievals.fail(running, "vendor_error", NOW + 5)
    assert stores.retrievals.get(running.id) == replace(
        running,
        status=Status.FAILED,
        reason="vendor_error",
        submitted_at=NOW,
        expires_at=NOW + 5 + RETENTION,
    )
    assert stores.connections.get(connection.id) == replace(
        connection,
        last_retrieval={"id": running.id, "status": "failed", "finishedAt": "2026-11-25T10:00:05Z"},
    )


def test_a_result_of_a_deleted_connection_has_nowhere_to_go(
    stores: Stores, connection: Connection, running: Retrieval
) -> None:
    stores.connections.delete(connection)
    ends: list[Callable[[], object]] = [
        lambda: stores.retrievals.complete(running, RESULT),
        lambda: stores.retrievals.fail(running, "vendor_error", NOW),
    ]
    for end in ends:
        with pytest.raises(Cancelled):
            end()
    assert stores.retrievals.get(running.id) == running
    assert stores.connections.get(connection.id) is None


@pytest.mark.parametrize("state", ["cancelled", "failed", "completed", "deleted"])
def test_nothing_is_written_to_a_retrieval_that_no_longer_runs(
    stores: Stores, connection: Connection, running: Retrieval, state: str
) -> None:
    if state == "cancelled":
        stores.retrievals.cancel(running)
    elif state == "failed":
        stores.retrievals.fail(running, "vendor_error", NOW)
    elif state == "completed":
        stores.retrievals.complete(running, RESULT)
    else:
        stores.retrievals.delete(running)
    before, told = stores.retrievals.get(running.id), stores.connections.get(connection.id)
    writes: list[Callable[[], object]] = [
        lambda: stores.retrievals.submitted(running, b"late", NOW),
        lambda: stores.retrievals.polled(running),
        lambda: stores.retrievals.restart(running),
        lambda: stores.retrievals.complete(running, RESULT),
        lambda: stores.retrievals.fail(running, "internal", NOW),
    ]
    for write in writes:
        with pytest.raises(Cancelled):
            write()
    assert stores.retrievals.get(running.id) == before
    assert stores.connections.get(connection.id) == told


def test_a_cancelled_retrieval_has_failed_and_holds_no_transaction(
    stores: Stores, running: Retrieval
) -> None:
    stores.retrievals.submitted(running, b"sealed ids", NOW)
    stores.retrievals.cancel(running)
    stores.retrievals.cancel(running)
    stored = stores.retrievals.get(running.id)
    assert stored is not None
    assert (stored.status, stored.reason, stored.transaction) == (Status.FAILED, "cancelled", None)


def test_cancelling_leaves_a_completed_retrieval_alone(stores: Stores, running: Retrieval) -> None:
    stores.retrievals.complete(running, RESULT)
    before = stores.retrievals.get(running.id)
    stores.retrievals.cancel(running)
    assert stores.retrievals.get(running.id) == before


def test_cancelling_brings_nothing_back(stores: Stores, running: Retrieval) -> None:
    stores.retrievals.cancel(gone(stores, running))
    assert stores.retrievals.get(running.id) is None


def test_deleting_twice_does_no_harm(stores: Stores, running: Retrieval) -> None:
    stores.retrievals.delete(running)
    stores.retrievals.delete(running)
    assert stores.retrievals.get(running.id) is None


def test_a_result_fetched_at_once_is_stored_completed_and_once(
    stores: Stores, connection: Connection
) -> None:
    whole = retrieval_of(connection, status=Status.COMPLETED, result=RESULT, expires_at=NOW + RETENTION)
    stores.retrievals.store_completed(whole)
    assert stores.retrievals.get(whole.id) == whole
    with pytest.raises(Cancelled):
        stores.retrievals.store_completed(replace(whole, prefix="another"))
    assert stores.retrievals.get(whole.id) == whole
    told = stores.connections.get(connection.id)
    assert told is not None and told.last_retrieval == whole.summary(RESULT.finished_at)


def test_all_retrievals_of_a_connection_are_found_and_no_others(
    stores: Stores, connection: Connection
) -> None:
    mine = [
        stores.retrievals.start(retrieval_of(connection, request=RecordsRequest((name,))))
        for name in ("Patient", "Labs", "Coverage")
    ]
    stores.retrievals.start(retrieval_of(stores.put(active())))
    assert sorted(stores.retrievals.of_connection(connection.id)) == sorted(one.id for one in mine)


def locks(stores: Stores, connection: Connection) -> list[str]:
    """The items by which a filter of the connection is held."""
    pages = stores.backend.client("dynamodb").get_paginator("scan").paginate(TableName=stores.retrievals.name)
    ids = [row["id"]["S"] for page in pages for row in page["Items"]]
    return [i for i in ids if connection.id in i]


def test_a_deleted_retrieval_takes_its_lock_with_it(
    stores: Stores, connection: Connection, running: Retrieval
) -> None:
    assert len(locks(stores, connection)) == 1
    stores.retrievals.delete(running)
    assert locks(stores, connection) == []


def test_a_lock_that_another_holds_by_now_stays(
    stores: Stores, connection: Connection, running: Retrieval
) -> None:
    stores.retrievals.cancel(running)
    again = stores.retrievals.start(retrieval_of(connection))
    stores.retrievals.delete(running)
    assert stores.retrievals.start(retrieval_of(connection)) == again


def test_a_result_fetched_at_once_for_a_connection_that_is_gone_is_not_stored(stores: Stores) -> None:
    whole = retrieval_of(active(), status=Status.COMPLETED, result=RESULT, expires_at=NOW + RETENTION)
    with pytest.raises(Cancelled):
        stores.retrievals.store_completed(whole)
    assert stores.retrievals.get(whole.id) is None
    assert stores.connections.get(whole.connection_id) is None
