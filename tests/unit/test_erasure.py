"""Erasing a user: nothing of theirs is left, nothing of others' is touched, and a run that stopped is gone on with."""

from dataclasses import replace

import pytest

from portico.erasure import PAGE, Eraser, owner_in
from portico.errors import InvalidRequest, NotFound, StorageUnavailable
from portico.ids import new_id
from portico.records_request import RecordsRequest
from tests.unit.fakes import START, Crash, envelope, raising
from tests.unit.samples import ALICE, BOB, World, portal

FOREVER = START + 10 * 86_400


@pytest.fixture
def world() -> World:
    return World([portal("portal"), portal("other")])


def eraser(world: World) -> Eraser:
    return Eraser(world.connections, world.attempts, world.disconnector, world.clock)


def lived_in(world: World, owner: str) -> None:
    """A connection with results, one whose workflow runs, and a login that is under way."""
    connection = world.connect(owner)
    done = world.requester.later(connection.id, owner, RecordsRequest(("Patient",)))
    world.results.objects[f"{done.prefix}/one"] = world.results.objects[f"{done.prefix}/two"] = b"x"
    world.requester.later(connection.id, owner, RecordsRequest())
    world.start(owner, "other")


def of(world: World, owner: str) -> list[object]:
    """Everything that the tables hold of an owner."""
    tables = (world.connections.items, world.attempts.items, world.retrievals.items)
    return [item for table in tables for item in table.values() if item.owner == owner]


def test_nothing_of_the_user_is_left_and_the_receipt_counts_it(world: World) -> None:
    lived_in(world, ALICE)
    world.clock.advance(60)
    receipt = eraser(world).erase(ALICE, FOREVER)
    assert receipt.as_json() == {
        "owner": ALICE,
        "complete": True,
        "connections": 2,
        "retrievals": 2,
        "files": 2,
        "attempts": 2,
        "startedAt": "2026-11-24T09:31:00Z",
        "finishedAt": "2026-11-24T09:31:00Z",
    }
    assert of(world, ALICE) == []
    assert world.attempts.rolls == {}
    assert (world.results.objects, world.workflow.running, world.keep_alive.scheduled) == ({}, set(), set())


def test_each_connection_leaves_a_tombstone(world: World) -> None:
    lived_in(world, ALICE)
    ids = set(world.connections.items)
    eraser(world).erase(ALICE, FOREVER)
    assert world.tombstones.left == dict.fromkeys(ids, START)


def test_other_users_keep_everything(world: World) -> None:
    lived_in(world, BOB)
    before, files = of(world, BOB), dict(world.results.objects)
    lived_in(world, ALICE)
    eraser(world).erase(ALICE, FOREVER)
    assert of(world, BOB) == before
    assert world.results.objects == files
    assert BOB in world.attempts.rolls


def test_erasing_again_finds_nothing_and_says_so(world: World) -> None:
    lived_in(world, ALICE)
    eraser(world).erase(ALICE, FOREVER)
    again = eraser(world).erase(ALICE, FOREVER)
    assert again.complete
    assert (again.connections, again.discarded.retrievals, again.discarded.files, again.attempts) == (
        0,
        0,
        0,
        0,
    )


def test_more_than_a_page_of_connections_goes(world: World) -> None:
    one = world.connect()
    for _ in range(2 * PAGE):
        copy = replace(one, id=new_id(world.random))
        world.connections.items[copy.id] = copy
    assert eraser(world).erase(ALICE, FOREVER).connections == 2 * PAGE + 1
    assert of(world, ALICE) == []


def test_when_the_time_runs_out_the_next_run_goes_on(world: World) -> None:
    one = world.connect()
    for _ in range(4):
        copy = replace(one, id=new_id(world.random))
        world.connections.items[copy.id] = copy
    for _ in range(5):
        world.effects.on("connections.delete done", lambda: world.clock.advance(10))
    receipts = [eraser(world).erase(ALICE, world.clock() + 20) for _ in range(3)]
    assert [(r.complete, r.connections, r.attempts) for r in receipts] == [
        (False, 2, 0),
        (False, 2, 0),
        (True, 1, 1),
    ]
    assert of(world, ALICE) == []


def test_an_aws_failure_is_told_and_the_next_run_goes_on(world: World) -> None:
    lived_in(world, ALICE)
    world.effects.fail("results.delete", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        eraser(world).erase(ALICE, FOREVER)
    assert eraser(world).erase(ALICE, FOREVER).complete
    assert of(world, ALICE) == []


def test_wherever_the_function_dies_the_next_run_leaves_nothing() -> None:
    died, step = True, 0
    while died:
        world = World([portal("portal"), portal("other")])
        lived_in(world, ALICE)
        ids = set(world.connections.items)
        world.effects.at(step, raising(Crash()))
        try:
            eraser(world).erase(ALICE, FOREVER)
            died = False
        except Crash:
            eraser(world).erase(ALICE, FOREVER)
        assert of(world, ALICE) == [], f"after step {step}"
        assert (world.results.objects, world.keep_alive.scheduled) == ({}, set()), f"after step {step}"
        assert set(world.tombstones.left) == ids
        step += 1
    assert step > 40


def test_a_login_under_way_comes_to_nothing(world: World) -> None:
    login = world.come_back(world.start(ALICE))
    eraser(world).erase(ALICE, FOREVER)
    with pytest.raises(NotFound):
        world.exchange(login)
    assert of(world, ALICE) == []


def test_records_that_arrive_while_their_connection_is_deleted_leave_no_file(world: World) -> None:
    connection = world.connect()
    scan = {"resourceType": "DocumentReference", "content": "x" * 3_100_000}
    world.vendor.answers["records"] = [(200, {}, envelope([scan]))]

    def erased() -> None:
        eraser(world).erase(ALICE, FOREVER)

    world.effects.on("file.close done", erased)
    with pytest.raises(NotFound):
        world.requester.now(connection.id, ALICE, RecordsRequest())
    assert (of(world, ALICE), world.results.objects) == ([], {})


def test_the_owner_is_named_by_issuer_and_subject() -> None:
    assert owner_in({"issuer": "https://id.example", "subject": "alice"}) == ALICE


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "issuer"),
        ({"issuer": "https://id.example"}, "subject"),
        ({"issuer": "", "subject": "alice"}, "issuer"),
        ({"issuer": "https://id.example", "subject": 7}, "subject"),
        ({"issuer": "https://id.example", "subject": "alice", "sub": "alice"}, "sub"),
    ],
)
def test_whoever_is_not_named_properly_is_not_erased(event: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        owner_in(event)
    assert refused.value.field == field
