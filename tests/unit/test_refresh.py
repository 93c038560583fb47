"""The refresh protocol: who refreshes, what is stored, what the patient is asked for, and what is never lost."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest

from portico.connection import Connection, Status
from portico.errors import (
    ConnectionHeld,
    DeviceTokenRefused,
    NotAuthorizedYet,
    NotFound,
    PortalBusy,
    PortalRejected,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
    ReauthorizationRequired,
    RefreshInProgress,
    Retryable,
    SealBroken,
    StorageUnavailable,
)
from portico.refresh import (
    FUNCTION_SECONDS,
    LEASE_SECONDS,
    PERSIST_SECONDS,
    RETRY_SECONDS,
    UPSTREAM_SECONDS,
    is_stale,
)
from portico.tokens import Tokens
from tests.unit.fakes import START, Crash, raising
from tests.unit.samples import ALICE, BOB, PATIENT, World

HOUR = 3600
STALE, EXPIRED = 0.9 * HOUR, 1.5 * HOUR


def connected(rotation: str = "static", age: float = 0.0, **vendor: object) -> tuple[World, str]:
    """A world with one active connection whose access token is `age` seconds old and lives an hour."""
    world = World()
    world.vendor.rotation = rotation
    for name, value in vendor.items():
        setattr(world.vendor, name, value)
    connection = world.connect()
    world.clock.advance(age)
    return world, connection.id


def used(world: World, connection_id: str) -> str | None:
    """Records over the connection: whose they are."""
    return world.refresher.using(connection_id, lambda _, tokens: world.vendor.use(tokens))


def deliver(world: World) -> list[str]:
    """The delayed messages come; what came of each."""
    world.clock.advance(RETRY_SECONDS)
    messages, world.retries.delayed = world.retries.delayed, []
    parked, world.retries.parked = world.retries.parked, []
    return [world.refresher.unpark(*message) for message in parked] + [
        world.refresher.retry(*message) for message in messages
    ]


# --- when to refresh -------------------------------------------------------------------------------


def test_a_fresh_access_token_is_used_as_it_is() -> None:
    world, connection_id = connected()
    connection, tokens = world.refresher.fresh(connection_id)
    assert connection == world.stored(connection_id)
    assert (tokens.access.reveal(), connection.generation) == ("access-2", 1)
    assert world.effects.count("vendor.refresh") == 0


def test_an_access_token_about_to_expire_is_refreshed_first() -> None:
    world, connection_id = connected(age=STALE)
    connection, tokens = world.refresher.fresh(connection_id)
    assert connection == world.stored(connection_id)
    assert (tokens.access.reveal(), connection.generation) == ("access-3", 2)
    assert connection.token_expires_at == START + STALE + HOUR
    assert world.tokens(connection_id) == ("access-3", "refresh-1", PATIENT)


def test_a_token_of_unknown_life_is_used_until_it_is_refused() -> None:
    world, connection_id = connected(lifetime=None, age=90 * 86_400)
    assert world.refresher.fresh(connection_id)[1].access.reveal() == "access-2"


def test_without_a_refresh_token_the_old_access_token_is_all_there_is() -> None:
    world, connection_id = connected(refreshable=False, age=EXPIRED)
    assert world.refresher.fresh(connection_id)[1].access.reveal() == "access-1"
    assert world.effects.count("vendor.refresh") == 0


@pytest.mark.parametrize(
    ("lifetime", "left", "stale"),
    [
        (None, None, False),
        (36_000, 7_201, False),
        (36_000, 7_200, True),
        (1_800, 601, False),
        (1_800, 600, True),
        (570, 286, False),
        (570, 285, True),
        (570, -1, True),
    ],
)
def test_a_token_is_stale_within_ten_minutes_or_its_last_fifth_or_half_of_a_short_life(
    lifetime: float | None, left: float | None, stale: bool
) -> None:
    world, connection_id = connected()
    connection = replace(
        world.stored(connection_id),
        token_lifetime=lifetime,
        token_expires_at=None if left is None else START + left,
    )
    assert is_stale(connection, START) is stale


# --- what is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rotation", "kept"), [("static", "refresh-1"), ("grace", "refresh-3"), ("strict", "refresh-3")]
)
def test_a_refresh_token_is_replaced_only_by_another(rotation: str, kept: str) -> None:
    world, connection_id = connected(rotation, age=STALE)
    world.refresher.fresh(connection_id)
    assert world.tokens(connection_id)[1:] == (kept, PATIENT)


@pytest.mark.parametrize("rotation", ["static", "grace", "strict"])
def test_refreshing_works_again_and_again(rotation: str) -> None:
    world, connection_id = connected(rotation)
    for generation in range(2, 12):
        world.clock.advance(STALE)
        assert world.refresher.fresh(connection_id)[0].generation == generation
        assert used(world, connection_id) == PATIENT


def test_t19_tokens_of_another_generation_do_not_open() -> None:
    world, connection_id = connected(age=STALE)
    old = world.stored(connection_id).tokens
    world.refresher.fresh(connection_id)
    world.connections.items[connection_id] = replace(world.stored(connection_id), tokens=old)
    with pytest.raises(SealBroken):
        world.refresher.fresh(connection_id)
    assert (world.stored(connection_id).status, world.stored(connection_id).reason) == (
        Status.HELD,
        "seal_broken",
    )
    with pytest.raises(ConnectionHeld):
        world.refresher.fresh(connection_id)


def test_t19_tokens_of_another_connection_do_not_open() -> None:
    world, connection_id = connected()
    other = world.connect(BOB)
    world.connections.items[connection_id] = replace(
        world.stored(connection_id), tokens=other.tokens, generation=other.generation
    )
    with pytest.raises(SealBroken):
        world.refresher.fresh(connection_id)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.PENDING, NotAuthorizedYet),
        (Status.CLOSED, NotAuthorizedYet),
        (Status.HELD, ConnectionHeld),
        (Status.REAUTHORIZATION_REQUIRED, ReauthorizationRequired),
    ],
)
def test_a_connection_that_is_not_active_gives_no_tokens(status: Status, error: type[PorticoError]) -> None:
    world, connection_id = connected()
    world.connections.items[connection_id] = replace(world.stored(connection_id), status=status)
    with pytest.raises(error):
        world.refresher.fresh(connection_id)


def test_an_unknown_connection_is_not_found() -> None:
    with pytest.raises(NotFound):
        World().refresher.fresh("nothing")


# --- the fault matrix ------------------------------------------------------------------------------

PASSING = [
    pytest.param(PortalUnreachable, id="N"),
    pytest.param(lambda: PortalBusy(90), id="B"),
    pytest.param(PortalUnclear, id="A"),
    pytest.param(PortalTimeout, id="A-timeout"),
    pytest.param(PortalUnusable, id="S"),
]
EXPLICIT = [
    pytest.param(lambda: PortalRejected(400, explicit=True), id="R-400"),
    pytest.param(lambda: PortalRejected(401), id="R-401"),
    pytest.param(lambda: PortalRejected(500, explicit=True), id="R-invalid_grant"),
]
OTHER = [pytest.param(partial(PortalRejected, status), id=f"U-{status}") for status in (403, 404, 405, 415)]
Making = Callable[[], PorticoError]


@pytest.mark.parametrize("error", [*PASSING, *OTHER])
def test_a_failed_refresh_leaves_a_living_access_token_in_use(error: Making) -> None:
    world, connection_id = connected(age=STALE)
    world.effects.fail("vendor.refresh", error())
    assert world.refresher.fresh(connection_id)[1].access.reveal() == "access-2"
    assert world.tokens(connection_id) == ("access-2", "refresh-1", PATIENT)


@pytest.mark.parametrize("error", PASSING)
def test_a_failed_refresh_of_an_expired_token_is_told_and_costs_nothing(error: Making) -> None:
    world, connection_id = connected(age=EXPIRED)
    expected = error()
    world.effects.fail("vendor.refresh", expected)
    with pytest.raises(type(expected)):
        world.refresher.fresh(connection_id)
    stored = world.stored(connection_id)
    assert (stored.status, stored.generation, stored.lease_until) == (Status.ACTIVE, 1, 0)
    assert world.tokens(connection_id) == ("access-2", "refresh-1", PATIENT)
    world.clock.advance(stored.next_refresh_at - world.clock())
    assert used(world, connection_id) == PATIENT


def test_a_busy_portal_is_left_alone_for_as_long_as_it_asks() -> None:
    world, connection_id = connected(age=EXPIRED)
    world.effects.fail("vendor.refresh", PortalBusy(90))
    with pytest.raises(PortalBusy):
        world.refresher.fresh(connection_id)
    asked_again = world.clock() + 90
    for left in (90, 45, 1):
        world.clock.seconds = asked_again - left
        with pytest.raises(RefreshInProgress) as told:
            world.refresher.fresh(connection_id)
        assert told.value.retry_after == left
    assert world.effects.count("vendor.refresh") == 1
    world.clock.seconds = asked_again
    world.refresher.fresh(connection_id)
    assert world.effects.count("vendor.refresh") == 2


@pytest.mark.parametrize("error", EXPLICIT)
def test_an_explicit_refusal_asks_the_patient_to_log_in_again_and_deletes_nothing(error: Making) -> None:
    world, connection_id = connected(age=STALE)
    world.effects.fail("vendor.refresh", error(), error())
    with pytest.raises(ReauthorizationRequired):
        world.refresher.fresh(connection_id)
    stored = world.stored(connection_id)
    assert (stored.status, stored.reason) == (Status.REAUTHORIZATION_REQUIRED, "portal_refused")
    assert world.tokens(connection_id) == ("access-2", "refresh-1", PATIENT)


def test_a_401_without_a_word_on_the_grant_is_asked_once_more_before_it_is_believed() -> None:
    world, connection_id = connected(age=STALE)
    world.effects.fail("vendor.refresh", PortalRejected(401))
    assert world.refresher.fresh(connection_id)[0].generation == 2


@pytest.mark.parametrize("error", OTHER)
def test_t25_a_refusal_that_does_not_name_the_grant_is_believed_after_four_days(error: Making) -> None:
    world, connection_id = connected(age=EXPIRED)
    begun = world.clock()
    for _ in range(100):
        if world.clock() - begun >= 4 * 86_400:
            break
        world.effects.fail("vendor.refresh", error())
        with pytest.raises(PortalUnusable):
            world.refresher.fresh(connection_id)
        world.clock.advance(world.stored(connection_id).next_refresh_at - world.clock())
    assert world.stored(connection_id).status is Status.ACTIVE
    world.effects.fail("vendor.refresh", error())
    with pytest.raises(ReauthorizationRequired):
        world.refresher.fresh(connection_id)


@pytest.mark.parametrize("error", EXPLICIT)
def test_t25_a_dead_device_token_marks_no_connection(error: Making) -> None:
    world, connection_id = connected(age=EXPIRED)
    world.vendor.device_token_good = False
    world.effects.fail("vendor.refresh", error())
    with pytest.raises(DeviceTokenRefused):
        world.refresher.fresh(connection_id)
    assert world.stored(connection_id).status is Status.ACTIVE
    world.vendor.device_token_good = True
    world.clock.advance(60)
    assert used(world, connection_id) == PATIENT


@pytest.mark.parametrize("step", ["sealer.prepare", "connections.lease", "retries.later"])
def test_when_aws_fails_before_the_request_nothing_is_sent(step: str) -> None:
    world, connection_id = connected(age=EXPIRED)
    world.effects.fail(step, StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        world.refresher.fresh(connection_id)
    assert world.effects.count("vendor.refresh") == 0
    world.clock.advance(LEASE_SECONDS)
    assert used(world, connection_id) == PATIENT


@pytest.mark.parametrize("rotation", ["static", "grace", "strict"])
def test_tokens_that_the_database_would_not_take_at_first_are_stored_at_last(rotation: str) -> None:
    world, connection_id = connected(rotation, age=EXPIRED)
    world.effects.fail("connections.renew", *(StorageUnavailable() for _ in range(10)))
    connection, tokens = world.refresher.fresh(connection_id)
    assert connection.generation == 2
    assert tokens.access.reveal() == world.tokens(connection_id)[0]


@pytest.mark.parametrize("rotation", ["static", "grace", "strict"])
def test_tokens_that_the_database_would_not_take_are_parked_and_come_back(rotation: str) -> None:
    world, connection_id = connected(rotation, age=EXPIRED)
    world.effects.fail("connections.renew", *(StorageUnavailable() for _ in range(1000)))
    begun = world.clock()
    assert world.vendor.use(world.refresher.fresh(connection_id)[1]) == PATIENT
    assert world.clock() - begun <= PERSIST_SECONDS
    assert world.stored(connection_id).generation == 1
    world.effects.clear()
    assert deliver(world) == ["stored", "settled"]
    assert world.stored(connection_id).generation == 2
    world.clock.advance(STALE)
    assert used(world, connection_id) == PATIENT


def test_the_numbers_keep_the_order_that_makes_the_protocol_safe() -> None:
    assert UPSTREAM_SECONDS + PERSIST_SECONDS < FUNCTION_SECONDS < LEASE_SECONDS < RETRY_SECONDS


# --- refused at the fetch --------------------------------------------------------------------------


def test_a_refused_access_token_is_refreshed_once_and_the_call_repeated() -> None:
    world, connection_id = connected()
    world.vendor.access.clear()
    assert used(world, connection_id) == PATIENT
    assert (world.effects.count("vendor.refresh"), world.effects.count("vendor.use")) == (1, 2)


def test_a_refused_access_token_without_a_refresh_token_needs_the_patient() -> None:
    world, connection_id = connected(refreshable=False)
    world.vendor.access.clear()
    with pytest.raises(ReauthorizationRequired):
        used(world, connection_id)
    assert world.stored(connection_id).status is Status.REAUTHORIZATION_REQUIRED


def test_new_tokens_that_are_refused_too_need_the_patient() -> None:
    world, connection_id = connected()
    world.effects.fail("vendor.use", *[PortalRejected(401)] * 3)
    with pytest.raises(ReauthorizationRequired):
        used(world, connection_id)


def test_t25_everything_refused_while_the_device_token_is_dead_marks_no_connection() -> None:
    world, connection_id = connected()
    world.vendor.device_token_good = False
    with pytest.raises(DeviceTokenRefused):
        used(world, connection_id)
    assert world.stored(connection_id).status is Status.ACTIVE


def test_a_refusal_is_answered_with_the_tokens_that_a_peer_has_stored_meanwhile() -> None:
    world, connection_id = connected()

    def expire() -> None:
        world.clock.advance(STALE)
        world.refresher.fresh(connection_id)
        world.vendor.access.pop("access-2")

    world.effects.on("vendor.use", expire)
    assert used(world, connection_id) == PATIENT
    assert world.effects.count("vendor.refresh") == 1


@pytest.mark.parametrize("error", [PortalRejected(403), PortalUnclear(), PortalBusy()])
def test_any_other_failure_of_the_call_is_its_callers(error: PorticoError) -> None:
    world, connection_id = connected()
    world.effects.fail("vendor.use", error)
    with pytest.raises(type(error)):
        used(world, connection_id)
    assert world.effects.count("vendor.refresh") == 0


# --- in the background -----------------------------------------------------------------------------


@pytest.mark.parametrize("rotation", ["static", "grace"])
@pytest.mark.parametrize("lost", ["vendor.refresh", "vendor.refresh done"])
def test_an_unknown_outcome_is_tried_again_by_itself_within_a_minute(rotation: str, lost: str) -> None:
    world, connection_id = connected(rotation, age=EXPIRED)
    world.effects.fail(lost, PortalUnclear())
    with pytest.raises(PortalUnclear):
        world.refresher.fresh(connection_id)
    assert deliver(world) == ["refreshed"]
    assert world.stored(connection_id).generation == 2


def test_a_strictly_rotating_portal_whose_reply_was_lost_shows_it_within_a_minute() -> None:
    world, connection_id = connected("strict", age=EXPIRED)
    world.effects.fail("vendor.refresh done", PortalUnclear())
    with pytest.raises(PortalUnclear):
        world.refresher.fresh(connection_id)
    world.clock.advance(RETRY_SECONDS)
    assert world.refresher.retry(*world.retries.delayed[0]) == "reauthorization_required"


def test_a_delayed_message_after_success_does_nothing() -> None:
    world, connection_id = connected("strict", age=STALE)
    world.refresher.fresh(connection_id)
    assert deliver(world) == ["settled"]
    assert world.effects.count("vendor.refresh") == 1


def test_the_same_refresh_token_is_presented_three_times_at_most_by_itself() -> None:
    world, connection_id = connected(age=EXPIRED)
    world.effects.fail("vendor.refresh", *(PortalUnclear() for _ in range(10)))
    with pytest.raises(PortalUnclear):
        world.refresher.fresh(connection_id)
    told = []
    for _ in range(5):
        told += deliver(world)
    assert told[-1] == "left to the next use"
    assert world.effects.count("vendor.refresh") == 3
    assert world.stored(connection_id).status is Status.ACTIVE


def test_a_message_for_a_deleted_connection_does_nothing() -> None:
    world, connection_id = connected(age=STALE)
    world.refresher.fresh(connection_id)
    world.disconnector.delete(connection_id, ALICE)
    assert deliver(world) == ["over"]
    assert world.connections.items == {}


def test_t26_parked_tokens_do_not_resurrect_a_deleted_connection() -> None:
    world, connection_id = connected(age=EXPIRED)
    world.effects.fail("connections.renew", *(StorageUnavailable() for _ in range(1000)))
    world.refresher.fresh(connection_id)
    world.effects.clear()
    world.disconnector.delete(connection_id, ALICE)
    assert deliver(world) == ["superseded", "over"]
    assert world.connections.items == {}


def test_an_idle_connection_is_kept_alive_once_a_day() -> None:
    world, connection_id = connected("strict")
    world.clock.advance(86_400)
    assert world.refresher.keep_alive(connection_id) == "refreshed"
    assert world.refresher.keep_alive(connection_id) == "fresh"
    assert world.stored(connection_id).generation == 2


def test_there_is_nothing_to_keep_alive_without_a_refresh_token_or_a_connection() -> None:
    world, connection_id = connected(refreshable=False)
    world.clock.advance(86_400)
    assert world.refresher.keep_alive(connection_id) == "over"
    assert world.refresher.keep_alive("nothing") == "over"


# --- killed at any point, raced at any point -------------------------------------------------------


def steps_of(rotation: str) -> int:
    world, connection_id = connected(rotation, age=EXPIRED)
    before = len(world.effects.seen)
    world.refresher.fresh(connection_id)
    return len(world.effects.seen) - before


STEPS = steps_of("static")
ANY_STEP = pytest.mark.parametrize("step", range(STEPS))


@ANY_STEP
@pytest.mark.parametrize("rotation", ["static", "grace", "strict"])
def test_killed_at_any_point_a_connection_is_lost_only_between_answer_and_commit_of_a_strict_portal(
    rotation: str, step: int
) -> None:
    world, connection_id = connected(rotation, age=EXPIRED)
    world.effects.at(step, raising(Crash()))
    with pytest.raises(Crash):
        world.refresher.fresh(connection_id)
    answered = world.effects.count("vendor.refresh done") == 1
    stored = world.effects.count("connections.renew done") == 1
    deliver(world)
    world.clock.advance(LEASE_SECONDS)
    if rotation == "strict" and answered and not stored:
        with pytest.raises(ReauthorizationRequired):
            used(world, connection_id)
    else:
        assert used(world, connection_id) == PATIENT
        assert world.stored(connection_id).status is Status.ACTIVE


@ANY_STEP
@pytest.mark.parametrize("rotation", ["static", "grace", "strict"])
def test_t24_two_workers_refresh_once_and_both_have_good_tokens(rotation: str, step: int) -> None:
    world, connection_id = connected(rotation, age=EXPIRED)
    peers: list[tuple[Connection, Tokens] | None] = []

    def other() -> None:
        try:
            peers.append(world.refresher.fresh(connection_id))
        except RefreshInProgress:
            peers.append(None)

    world.effects.at(step, other)
    _, mine = world.refresher.fresh(connection_id)
    assert world.effects.count("vendor.refresh") == 1
    assert world.vendor.use(mine) == PATIENT
    assert all(world.vendor.use(peer[1]) == PATIENT for peer in peers if peer)
    assert world.stored(connection_id).generation == 2
    assert world.tokens(connection_id)[1] in world.vendor.refreshing


@ANY_STEP
@pytest.mark.parametrize("rotation", ["static", "grace", "strict"])
def test_t25_a_worker_so_slow_that_its_lease_ran_out_never_breaks_the_connection(
    rotation: str, step: int
) -> None:
    world, connection_id = connected(rotation, age=EXPIRED)

    def overtaken() -> None:
        world.clock.advance(LEASE_SECONDS + 1)
        with suppress(Retryable, PortalUnusable, ReauthorizationRequired):
            world.refresher.fresh(connection_id)

    world.effects.at(step, overtaken)
    with suppress(Retryable, PortalUnusable):
        world.refresher.fresh(connection_id)
    assert world.tokens(connection_id)[1] in world.vendor.refreshing
    assert world.stored(connection_id).status is Status.ACTIVE
    world.clock.advance(300)
    assert used(world, connection_id) == PATIENT


@ANY_STEP
def test_t26_deleted_at_any_point_stays_deleted(step: int) -> None:
    world, connection_id = connected(age=EXPIRED)
    world.effects.at(step, lambda: world.disconnector.delete(connection_id, ALICE))
    with suppress(NotFound, RefreshInProgress):
        world.refresher.fresh(connection_id)
    deliver(world)
    assert world.connections.items == {}
