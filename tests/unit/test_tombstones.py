"""After a restore: what has a tombstone is deleted again, and nothing else."""

import pytest

from portico.connection import Connection
from portico.errors import StorageUnavailable
from portico.records_request import RecordsRequest
from portico.retrieval import Retrieval
from portico.tombstones import Applier
from tests.unit.fakes import START
from tests.unit.samples import ALICE, BOB, World

FOREVER = START + 10 * 86_400


def applier(world: World) -> Applier:
    return Applier(world.tombstones, world.connections, world.disconnector, world.discarding, world.clock)


def deleted(world: World, owner: str = ALICE) -> tuple[Connection, Retrieval]:
    """A connection and its retrieval as a backup has them; both have been deleted since."""
    connection = world.connect(owner)
    retrieval = world.requester.later(connection.id, owner, RecordsRequest())
    backup = world.stored(connection.id), world.retrievals.items[retrieval.id]
    world.disconnector.delete(connection.id, owner)
    return backup


def restored(world: World, connection: Connection, retrieval: Retrieval) -> None:
    world.connections.items[connection.id] = connection
    world.retrievals.items[retrieval.id] = retrieval


def test_a_deletion_leaves_its_tombstone_before_anything_else() -> None:
    world = World()
    connection = world.connect()
    world.effects.fail("tombstones.leave", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        world.disconnector.delete(connection.id, ALICE)
    assert world.stored(connection.id) == connection
    assert world.keep_alive.scheduled == {connection.id}
    world.disconnector.delete(connection.id, ALICE)
    assert world.tombstones.left == {connection.id: START}


def test_what_a_backup_brings_back_is_deleted_again() -> None:
    world = World()
    restored(world, *deleted(world))
    assert applier(world).apply("", FOREVER).as_json() == {
        "complete": True,
        "tombstones": 1,
        "connections": 1,
        "retrievals": 1,
        "files": 0,
    }
    assert (world.connections.items, world.retrievals.items) == ({}, {})


def test_a_restored_retrieval_of_a_connection_that_is_gone_is_deleted_too() -> None:
    world = World()
    _, retrieval = deleted(world)
    world.retrievals.items[retrieval.id] = retrieval
    applied = applier(world).apply("", FOREVER)
    assert (applied.connections, applied.discarded.retrievals) == (0, 1)
    assert world.retrievals.items == {}


def test_what_was_never_deleted_stays() -> None:
    world = World()
    deleted(world)
    kept = world.connect(BOB)
    assert applier(world).apply("", FOREVER).connections == 0
    assert world.connections.items == {kept.id: kept}


def test_an_object_that_is_no_tombstone_is_passed_over() -> None:
    world = World()
    restored(world, *deleted(world))
    world.tombstones.left["!"] = START
    applied = applier(world).apply("", FOREVER)
    assert (applied.tombstones, applied.connections) == (2, 1)


def test_applying_twice_changes_nothing_more() -> None:
    world = World()
    restored(world, *deleted(world))
    applier(world).apply("", FOREVER)
    again = applier(world).apply("", FOREVER)
    assert (again.tombstones, again.connections, again.discarded.retrievals) == (1, 0, 0)


def test_when_the_time_runs_out_the_next_run_goes_on_behind_the_last() -> None:
    world = World()
    for _ in range(5):
        restored(world, *deleted(world))
    for _ in range(5):
        world.effects.on("connections.delete done", lambda: world.clock.advance(10))
    runs, after = [], ""
    while True:
        applied = applier(world).apply(after, world.clock() + 20)
        shown = applied.as_json()
        runs.append((applied.tombstones, applied.connections))
        if shown["complete"]:
            break
        after = shown["after"]
    assert runs == [(2, 2), (2, 2), (1, 1)]
    assert world.connections.items == {}


def test_a_connection_that_its_owner_deletes_meanwhile_does_no_harm() -> None:
    world = World()
    connection, retrieval = deleted(world)
    restored(world, connection, retrieval)
    world.effects.on("tombstones.leave done", lambda: world.connections.items.clear())
    applied = applier(world).apply("", FOREVER)
    assert applied.connections == 0
    assert (world.connections.items, world.retrievals.items) == ({}, {})
