"""Disconnecting: what is gone at once, and that nothing comes back."""

from dataclasses import replace

import pytest

from portico.attempt import State
from portico.connection import Connection
from portico.errors import Conflict, Gone, NotFound, StorageUnavailable
from portico.records_request import RecordsRequest
from portico.retrieval import File, Result, Status
from tests.unit.fakes import START, Crash, raising
from tests.unit.samples import ALICE, BOB, World

LABS = RecordsRequest.parse({"resources": ["Labs"]})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def connection(world: World) -> Connection:
    """One with a running and a completed retrieval."""
    connection = world.connect()
    done = world.requester.later(connection.id, ALICE, LABS)
    key = f"{done.prefix}/labs"
    world.results.objects[key] = b"{}\n"
    world.retrievals.complete(
        done, Result([File("Observation", "Observation.ndjson", key, 1)], [], "R4", START)
    )
    world.requester.later(connection.id, ALICE, RecordsRequest())
    return world.stored(connection.id)


def left(world: World) -> tuple[object, ...]:
    return (
        world.connections.items,
        world.retrievals.items,
        world.results.objects,
        world.workflow.running,
        world.keep_alive.scheduled,
    )


def test_connection_results_workflow_and_schedule_are_gone(world: World, connection: Connection) -> None:
    world.effects.clear()
    world.workflow.running -= set(world.workflow.started[:1])
    world.disconnector.delete(connection.id, ALICE)
    assert left(world) == ({}, {}, {}, set(), set())


def test_what_was_deleted_is_then_not_found(world: World, connection: Connection) -> None:
    world.workflow.running.clear()
    world.disconnector.delete(connection.id, ALICE)
    with pytest.raises(NotFound):
        world.disconnector.delete(connection.id, ALICE)
    with pytest.raises(NotFound):
        world.refresher.fresh(connection.id)


@pytest.mark.parametrize("owner", [BOB, ""])
def test_t17_nobody_deletes_anothers_connection(world: World, connection: Connection, owner: str) -> None:
    with pytest.raises(NotFound):
        world.disconnector.delete(connection.id, owner)
    assert world.stored(connection.id) == connection
    assert len(world.retrievals.items) == 2


def test_another_connection_of_the_same_user_is_untouched(world: World, connection: Connection) -> None:
    other = world.connect()
    world.requester.later(other.id, ALICE, LABS)
    world.disconnector.delete(connection.id, ALICE)
    assert list(world.connections.items) == [other.id]
    assert len(world.retrievals.items) == 1


def test_an_open_attempt_is_cancelled_and_its_secrets_go(world: World) -> None:
    login = world.come_back(world.start())
    attempt = world.attempt(login)
    world.disconnector.delete(login.id, ALICE)
    cancelled = world.attempts.items[attempt.key]
    assert (cancelled.state, cancelled.code, cancelled.handle) == (State.CANCELLED, None, None)
    with pytest.raises(NotFound):
        world.exchange(login)


def test_an_attempt_that_moves_meanwhile_is_cancelled_all_the_same(world: World) -> None:
    login = world.go(world.start())
    world.effects.on("attempts.get done", lambda: world.back(login, f"code={world.code()}"))
    world.disconnector.delete(login.id, ALICE)
    (attempt,) = world.attempts.items.values()
    assert attempt.state is State.CANCELLED


def test_an_attempt_that_keeps_moving_leaves_the_connection_to_be_asked_again(world: World) -> None:
    login = world.go(world.start())
    world.effects.fail("attempts.replace", Conflict(), Conflict(), Conflict())
    with pytest.raises(Conflict):
        world.disconnector.delete(login.id, ALICE)
    world.disconnector.delete(login.id, ALICE)
    assert world.connections.items == {}


def test_two_deletions_at_once_leave_nothing(world: World, connection: Connection) -> None:
    world.effects.on("connections.delete", lambda: world.disconnector.delete(connection.id, ALICE))
    with pytest.raises(NotFound):
        world.disconnector.delete(connection.id, ALICE)
    assert (world.connections.items, world.retrievals.items, world.results.objects) == ({}, {}, {})


def test_t26_what_a_retrieval_writes_in_between_goes_too(world: World, connection: Connection) -> None:
    world.effects.on("connections.delete", lambda: world.requester.later(connection.id, ALICE, LABS))
    world.disconnector.delete(connection.id, ALICE)
    assert (world.retrievals.items, world.results.objects) == ({}, {})


def test_a_tombstone_outlives_the_connection(world: World, connection: Connection) -> None:
    world.disconnector.delete(connection.id, ALICE)
    assert world.tombstones.left == {connection.id: START}


def steps() -> int:
    world = World()
    connection = world.connect()
    world.requester.later(connection.id, ALICE, LABS)
    before = len(world.effects.seen)
    world.disconnector.delete(connection.id, ALICE)
    return len(world.effects.seen) - before


@pytest.mark.parametrize("fault", [Crash(), StorageUnavailable()], ids=["killed", "storage fails"])
@pytest.mark.parametrize("step", range(steps()))
def test_broken_off_at_any_point_and_asked_again_everything_is_gone(step: int, fault: BaseException) -> None:
    world = World()
    connection = world.connect()
    world.requester.later(connection.id, ALICE, LABS)
    world.effects.at(step, raising(fault))
    with pytest.raises(type(fault)):
        world.disconnector.delete(connection.id, ALICE)
    if connection.id in world.connections.items:
        world.disconnector.delete(connection.id, ALICE)
        assert left(world) == ({}, {}, {}, set(), set())
    # Once the connection is gone, what is left of its retrievals can only fail to find it.
    assert world.connections.items == {}


def test_a_retrieval_alone_can_be_discarded(world: World, connection: Connection) -> None:
    running = next(r for r in world.retrievals.items.values() if r.status is Status.RUNNING)
    world.discarding.discard(running)
    assert world.workflow.running == {world.workflow.started[0]}
    assert running.id not in world.retrievals.items
    assert len(world.results.objects) == 1


def test_a_cancelled_connections_old_handle_is_over(world: World) -> None:
    login = world.come_back(world.start())
    other = world.start(portal_id="portal")
    with pytest.raises(Gone, match="superseded"):
        world.exchange(login)
    assert world.stored(other.id) == replace(other.started.connection)
