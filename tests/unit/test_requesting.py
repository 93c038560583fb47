"""Records asked for: at once, or through the workflow; one running retrieval for one filter."""

import json
from dataclasses import replace
from typing import Any

import pytest

from portico.connection import Connection, Status
from portico.errors import (
    ConnectionHeld,
    Gone,
    InvalidRequest,
    NotAuthorizedYet,
    NotFound,
    PortalUnclear,
    PorticoError,
    ReauthorizationRequired,
    RetrievalFailed,
    StorageUnavailable,
)
from portico.fetch import LARGEST_INLINE
from portico.records_request import RecordsRequest
from portico.retrieval import Retrieval
from portico.retrieval import Status as RetrievalStatus
from tests.unit.fakes import START, envelope
from tests.unit.samples import ALICE, BOB, World

EVERYTHING = RecordsRequest()
LABS = RecordsRequest.parse({"resources": ["Labs"]})
TIMED = RecordsRequest.parse({"params": {"excludeUndatedEntries": True}})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def connection(world: World) -> Connection:
    return world.connect()


# --- later -----------------------------------------------------------------------------------------


def test_a_retrieval_is_stored_and_its_workflow_started(world: World, connection: Connection) -> None:
    retrieval = world.requester.later(connection.id, ALICE, TIMED)
    assert world.retrievals.items == {retrieval.id: retrieval}
    assert retrieval == Retrieval(
        id=retrieval.id,
        connection_id=connection.id,
        owner=ALICE,
        request=TIMED,
        created_at=START,
        prefix=retrieval.prefix,
    )
    assert world.workflow.started == [retrieval.id]
    assert retrieval.id not in retrieval.prefix


def test_the_same_filter_again_answers_with_the_running_retrieval(
    world: World, connection: Connection
) -> None:
    first = world.requester.later(connection.id, ALICE, LABS)
    again = world.requester.later(connection.id, ALICE, RecordsRequest.parse({"resources": ["Labs"]}))
    assert again.id == first.id
    assert world.workflow.started == [first.id]


def test_another_filter_or_connection_is_another_retrieval(world: World, connection: Connection) -> None:
    other = world.connect()
    asked = [(connection.id, LABS), (connection.id, EVERYTHING), (other.id, LABS)]
    assert len({world.requester.later(where, ALICE, what).id for where, what in asked}) == 3


def test_after_the_end_the_same_filter_is_a_new_retrieval(world: World, connection: Connection) -> None:
    first = world.requester.later(connection.id, ALICE, LABS)
    world.retrievals.fail(first, "vendor_error", START)
    assert world.requester.later(connection.id, ALICE, LABS).id != first.id


def test_a_retrieval_that_was_lost_is_no_longer_in_the_way(world: World, connection: Connection) -> None:
    first = world.requester.later(connection.id, ALICE, LABS)
    world.clock.advance(3600 + 1200)
    assert world.requester.later(connection.id, ALICE, LABS).id == first.id
    world.clock.advance(1)
    assert world.requester.later(connection.id, ALICE, LABS).id != first.id


def test_a_workflow_that_could_not_be_started_is_started_by_the_next_request(
    world: World, connection: Connection
) -> None:
    world.effects.fail("workflow.start", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        world.requester.later(connection.id, ALICE, LABS)
    retrieval = world.requester.later(connection.id, ALICE, LABS)
    assert world.workflow.started == [retrieval.id]


# --- who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": Status.PENDING, "pending_until": START + 1}, NotAuthorizedYet),
        ({"status": Status.PENDING, "pending_until": START}, Gone),
        ({"status": Status.REAUTHORIZATION_REQUIRED}, ReauthorizationRequired),
        ({"status": Status.CLOSED, "reason": "declined"}, Gone),
        ({"status": Status.HELD}, ConnectionHeld),
    ],
)
def test_only_an_active_connection_gives_records(
    world: World, connection: Connection, changes: dict[str, Any], error: type[PorticoError]
) -> None:
    world.connections.items[connection.id] = replace(connection, **changes)
    for ask in (world.requester.later, world.requester.now):
        with pytest.raises(error):
            ask(connection.id, ALICE, LABS)
    assert world.retrievals.items == {}


def test_t17_anothers_or_an_unknown_connection_is_not_found(world: World, connection: Connection) -> None:
    for ask in (world.requester.later, world.requester.now):
        for connection_id, owner in ((connection.id, BOB), ("nothing", ALICE)):
            with pytest.raises(NotFound):
                ask(connection_id, owner, LABS)


# --- now -------------------------------------------------------------------------------------------

CHART = [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Condition", "id": "asthma"}]


def test_records_at_once_are_a_collection_bundle(world: World, connection: Connection) -> None:
    world.vendor.answers["records"] = [(200, {}, envelope(CHART))]
    fetched = world.requester.now(connection.id, ALICE, EVERYTHING)
    assert json.loads(fetched.bundle or b"") == {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in CHART],
    }
    assert (world.retrievals.items, world.results.objects) == ({}, {})


def test_a_time_range_needs_the_asynchronous_way(world: World, connection: Connection) -> None:
    with pytest.raises(InvalidRequest) as refused:
        world.requester.now(connection.id, ALICE, TIMED)
    assert refused.value.field == "params"


def test_what_is_too_large_to_answer_with_becomes_a_file(world: World, connection: Connection) -> None:
    note = {"resourceType": "DocumentReference", "id": "d", "description": "x" * 100_000}
    world.vendor.answers["records"] = [(200, {}, envelope([note] * (LARGEST_INLINE // 100_000 + 2)))]
    fetched = world.requester.now(connection.id, ALICE, EVERYTHING)
    assert fetched.bundle is None
    retrieval = world.retrievals.items[fetched.retrieval_id]
    assert (retrieval.status, retrieval.owner, retrieval.expires_at) == (
        RetrievalStatus.COMPLETED,
        ALICE,
        START + 7 * 86_400,
    )
    stored = world.results.objects[retrieval.file(fetched.file).key]
    assert len(json.loads(stored)["entry"]) == LARGEST_INLINE // 100_000 + 2


def test_t26_a_file_of_a_connection_deleted_meanwhile_does_not_stay(
    world: World, connection: Connection
) -> None:
    note = {"resourceType": "DocumentReference", "id": "d", "description": "x" * 100_000}
    world.vendor.answers["records"] = [(200, {}, envelope([note] * (LARGEST_INLINE // 100_000 + 2)))]
    world.effects.on("file.close done", lambda: world.disconnector.delete(connection.id, ALICE))
    with pytest.raises(NotFound):
        world.requester.now(connection.id, ALICE, EVERYTHING)
    assert (world.connections.items, world.retrievals.items, world.results.objects) == ({}, {}, {})


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {}, envelope([], payload=None, errorData={"errors": [{"status": 500}]})), RetrievalFailed),
        ((500, {}, b""), PortalUnclear),
    ],
)
def test_a_failed_fetch_leaves_nothing(
    world: World, connection: Connection, answer: tuple[int, dict[str, str], bytes], error: type[PorticoError]
) -> None:
    world.vendor.answers["records"] = [answer]
    with pytest.raises(error):
        world.requester.now(connection.id, ALICE, EVERYTHING)
    assert (world.retrievals.items, world.results.objects) == ({}, {})
