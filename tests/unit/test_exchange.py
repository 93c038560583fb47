"""The exchange of a code for tokens: what the app is told, what is stored, and that nothing is lost between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from portico import pkce
from portico.attempt import LEASE_SECONDS, State
from portico.connection import Connection, Status
from portico.errors import (
    AuthorizationRejected,
    Conflict,
    DeviceTokenRefused,
    DifferentPatient,
    ExchangeInProgress,
    Gone,
    InvalidHandle,
    NotAuthorizedYet,
    NotFound,
    PortalBusy,
    PortalRejected,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
    SealBroken,
    StorageUnavailable,
)
from portico.exchange import HeldCode
from portico.secret import Secret
from tests.unit.fakes import START, Crash, raising
from tests.unit.samples import ALICE, BOB, PATIENT, Login, World, portal


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def login(world: World) -> Login:
    return world.come_back(world.start())


# --- success ---------------------------------------------------------------------------------------


def test_an_exchange_makes_the_connection_active_with_its_tokens_sealed(world: World, login: Login) -> None:
    before = world.stored(login.id)
    connection = world.exchange(login)
    assert connection == world.stored(login.id)
    assert connection == replace(
        before,
        status=Status.ACTIVE,
        authorized_at=START,
        token_expires_at=START + 3600,
        token_lifetime=3600,
        refreshable=True,
        generation=1,
        tokens=connection.tokens,
    )
    assert world.tokens(login.id) == ("access-2", "refresh-1", PATIENT)
    assert b"access-2" not in (connection.tokens or b"")


def test_a_successful_exchange_leaves_no_secret_in_the_attempt(world: World, login: Login) -> None:
    world.exchange(login)
    attempt = world.attempt(login)
    assert attempt.state is State.CONNECTED
    assert (attempt.code, attempt.verifier, attempt.code_mark) == (None, None, None)


def test_code_state_and_verifier_go_to_the_portal_of_the_attempt_and_to_no_other(world: World) -> None:
    asking = "client_id=1&state=7f3a&code_challenge_method=S256"
    world.portals[:] = [portal("one", asking), portal("two", asking)]
    one, two = world.go(world.start(portal_id="one")), world.go(world.start(portal_id="two"))
    challenge = two.url.partition("code_challenge%3D")[2][:43]
    world.back(two, "code=code-of-two&state=7f3a")
    world.back(one, "code=code-of-one")
    for login in (one, two):
        with pytest.raises(AuthorizationRejected):
            world.exchange(login)
    (first, second) = world.vendor.given
    assert first[:3] == ("one", "code-of-one", None)
    assert second[:3] == ("two", "code-of-two", "7f3a")
    assert pkce.challenge(second[3], pkce.Method.S256) == challenge
    assert first[3] != second[3]


def test_a_portal_without_pkce_gets_no_verifier(world: World, login: Login) -> None:
    world.exchange(login)
    assert world.vendor.given == [("portal", "code-1", None, None)]


@pytest.mark.parametrize(
    ("lifetime", "expires_in"), [("28799", 28799), (16768.523842, 16768.523842), (None, None), ("0", None)]
)
def test_a_lifetime_is_kept_as_far_as_it_is_known(
    world: World, login: Login, lifetime: float | str | None, expires_in: float | None
) -> None:
    world.vendor.lifetime = lifetime
    connection = world.exchange(login)
    expires_at = START + expires_in if expires_in else None
    assert (connection.token_lifetime, connection.token_expires_at) == (expires_in, expires_at)


def test_a_grant_without_refresh_token_or_patient_id_is_good_too(world: World) -> None:
    world.vendor.refreshable = False
    connection = world.connect(patient=None)
    assert not connection.refreshable
    assert world.tokens(connection.id) == ("access-1", None, None)


def test_the_same_handle_again_gets_the_same_connection_and_sends_nothing(world: World, login: Login) -> None:
    first = world.exchange(login)
    assert world.exchange(login) == first
    assert world.effects.count("vendor.exchange") == 1


def test_a_repeated_exchange_sees_what_the_first_has_just_stored(world: World, login: Login) -> None:
    # The peer finishes between the repeated request's two reads.
    outcomes: list[Connection] = []
    world.effects.on("connections.get done", lambda: outcomes.append(world.exchange(login)))
    assert world.exchange(login).status is Status.ACTIVE
    assert outcomes[0].status is Status.ACTIVE


# --- refused ---------------------------------------------------------------------------------------


def test_an_unknown_connection_is_not_found(world: World, login: Login) -> None:
    with pytest.raises(NotFound):
        world.exchanger.exchange("another", ALICE, login.handle)


def test_t17_another_users_connection_is_not_found_and_unchanged(world: World, login: Login) -> None:
    before = world.attempt(login)
    with pytest.raises(NotFound):
        world.exchanger.exchange(login.id, BOB, "x" * 43)
    assert world.attempt(login) == before
    assert world.burnings == 0


def test_t14_a_stolen_handle_burns_attempt_and_connection_and_tells(world: World, login: Login) -> None:
    with pytest.raises(NotFound):
        world.exchange(login, owner=BOB)
    assert world.burnings == 1
    assert (world.attempt(login).state, world.attempt(login).code) == (State.BURNED, None)
    assert (world.stored(login.id).status, world.stored(login.id).reason) == (Status.CLOSED, "burned")
    with pytest.raises(Gone, match="burned"):
        world.exchange(login)
    assert world.burnings == 1
    assert world.vendor.given == []


def test_an_exchange_before_the_callback_comes_too_early(world: World) -> None:
    login = world.go(world.start())
    with pytest.raises(NotAuthorizedYet):
        world.exchange(login)


def test_the_sixth_wrong_handle_closes_the_connection(world: World, login: Login) -> None:
    for _ in range(6):
        with pytest.raises(InvalidHandle):
            world.exchanger.exchange(login.id, ALICE, "x" * 43)
    with pytest.raises(Gone, match="too_many_wrong_handles"):
        world.exchange(login)
    assert world.stored(login.id).status is Status.CLOSED


def test_a_handle_lives_five_minutes(world: World, login: Login) -> None:
    world.clock.advance(300)
    with pytest.raises(Gone, match="expired"):
        world.exchange(login)
    assert world.vendor.given == []


def test_only_the_newest_handle_of_a_reloaded_callback_counts(world: World, login: Login) -> None:
    earlier = login.handle
    world.back(login, "code=code-1")
    with pytest.raises(InvalidHandle):
        world.exchanger.exchange(login.id, ALICE, earlier)
    assert world.exchange(login).status is Status.ACTIVE


def test_an_attempt_that_the_table_has_forgotten_is_expired_to_its_owner_and_unknown_to_others(
    world: World, login: Login
) -> None:
    world.attempts.items.clear()
    with pytest.raises(Gone, match="expired"):
        world.exchange(login)
    with pytest.raises(NotFound):
        world.exchange(login, owner=BOB)


# --- the fault matrix ------------------------------------------------------------------------------

NOT_SENT = [
    pytest.param(PortalUnreachable(), id="N"),
    pytest.param(PortalBusy(17), id="B"),
]
AMBIGUOUS = [
    pytest.param(PortalUnclear(), id="A"),
    pytest.param(PortalTimeout(), id="A-timeout"),
    pytest.param(PortalUnusable(), id="S"),
]
REFUSED = [
    pytest.param(PortalRejected(400), id="R-400"),
    pytest.param(PortalRejected(401), id="R-401"),
    pytest.param(PortalRejected(403), id="R-403"),
    pytest.param(PortalRejected(500), id="R-invalid_grant"),
    pytest.param(PortalRejected(404), id="U"),
]


@pytest.mark.parametrize("error", NOT_SENT)
def test_a_code_that_was_not_sent_is_kept_for_another_try(
    world: World, login: Login, error: PorticoError
) -> None:
    world.effects.fail("vendor.exchange", error)
    with pytest.raises(type(error)) as told:
        world.exchange(login)
    assert told.value is error
    assert world.attempt(login).state is State.CODE_HELD
    world.clock.advance(30)
    assert world.exchange(login).status is Status.ACTIVE


@pytest.mark.parametrize("error", NOT_SENT)
def test_a_code_older_than_a_minute_that_was_not_sent_ends_the_attempt(
    world: World, login: Login, error: PorticoError
) -> None:
    world.clock.advance(60)
    world.effects.fail("vendor.exchange", error)
    with pytest.raises(type(error)):
        world.exchange(login)
    with pytest.raises(Gone, match="portal_unreachable"):
        world.exchange(login)
    assert world.stored(login.id).status is Status.CLOSED


def test_a_busy_portal_does_not_use_up_the_two_sendings(world: World, login: Login) -> None:
    world.effects.fail("vendor.exchange", *(PortalBusy(1) for _ in range(5)))
    for _ in range(5):
        with pytest.raises(PortalBusy):
            world.exchange(login)
    assert world.exchange(login).status is Status.ACTIVE


@pytest.mark.parametrize("error", AMBIGUOUS)
def test_after_an_unknown_outcome_the_code_is_sent_once_more_after_the_lease(
    world: World, login: Login, error: PorticoError
) -> None:
    world.effects.fail("vendor.exchange", error)
    with pytest.raises(type(error)):
        world.exchange(login)
    with pytest.raises(ExchangeInProgress) as busy:
        world.exchange(login)
    assert busy.value.retry_after == LEASE_SECONDS
    world.clock.advance(LEASE_SECONDS)
    assert world.exchange(login).status is Status.ACTIVE


@pytest.mark.parametrize("error", AMBIGUOUS)
def test_after_two_unknown_outcomes_the_user_starts_again(
    world: World, login: Login, error: PorticoError
) -> None:
    world.effects.fail("vendor.exchange", error, type(error)())
    with pytest.raises(type(error)):
        world.exchange(login)
    world.clock.advance(LEASE_SECONDS)
    with pytest.raises(Gone, match="outcome_unknown"):
        world.exchange(login)
    assert world.attempt(login).state is State.UNKNOWN
    assert (world.stored(login.id).status, world.stored(login.id).reason) == (
        Status.CLOSED,
        "outcome_unknown",
    )


@pytest.mark.parametrize("error", [PortalUnclear(), PortalTimeout()])
def test_an_unknown_outcome_says_when_the_code_can_be_sent_again(
    world: World, login: Login, error: PortalUnclear
) -> None:
    world.effects.fail("vendor.exchange", error)
    with pytest.raises(PortalUnclear) as told:
        world.exchange(login)
    assert told.value.retry_after == LEASE_SECONDS


def test_a_lost_reply_of_a_code_that_was_used_ends_in_a_visible_refusal(world: World, login: Login) -> None:
    world.effects.fail("vendor.exchange done", PortalUnclear())
    with pytest.raises(PortalUnclear):
        world.exchange(login)
    world.clock.advance(LEASE_SECONDS)
    with pytest.raises(AuthorizationRejected):
        world.exchange(login)
    assert (world.stored(login.id).status, world.stored(login.id).reason) == (Status.CLOSED, "rejected")


@pytest.mark.parametrize("error", REFUSED)
def test_a_refused_code_fails_the_attempt_and_is_never_sent_again(
    world: World, login: Login, error: PortalRejected
) -> None:
    world.effects.fail("vendor.exchange", error)
    with pytest.raises(AuthorizationRejected):
        world.exchange(login)
    with pytest.raises(Gone, match="rejected"):
        world.exchange(login)
    assert (world.attempt(login).state, world.attempt(login).code) == (State.FAILED, None)
    assert world.stored(login.id).status is Status.CLOSED
    assert world.effects.count("vendor.exchange") == 1


def test_a_dead_device_token_fails_no_attempt(world: World, login: Login) -> None:
    world.vendor.device_token_good = False
    world.effects.fail("vendor.exchange", PortalRejected(401))
    with pytest.raises(DeviceTokenRefused):
        world.exchange(login)
    assert world.attempt(login).state is State.CODE_HELD
    world.vendor.device_token_good = True
    assert world.exchange(login).status is Status.ACTIVE


# --- our own side ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["sealer.open", "sealer.prepare"])
def test_without_keys_nothing_is_sent_and_nothing_is_used_up(world: World, login: Login, step: str) -> None:
    world.effects.fail(step, StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        world.exchange(login)
    assert world.vendor.given == []
    assert world.attempt(login).state is State.CODE_HELD
    assert world.exchange(login).status is Status.ACTIVE


def test_t19_a_code_moved_from_another_attempt_does_not_open_and_ends_the_attempt(world: World) -> None:
    mine, other = world.come_back(world.start()), world.come_back(world.start(BOB))
    moved = replace(world.attempt(mine), code=world.attempt(other).code)
    world.attempts.items[moved.key] = moved
    with pytest.raises(SealBroken):
        world.exchange(mine)
    assert world.vendor.given == []
    with pytest.raises(Gone, match="seal_broken"):
        world.exchange(mine)


def test_a_write_that_keeps_losing_says_so_and_sends_nothing(world: World, login: Login) -> None:
    world.effects.fail("attempts.replace", Conflict(), Conflict(), Conflict())
    with pytest.raises(Conflict):
        world.exchange(login)
    assert world.vendor.given == []
    assert world.exchange(login).status is Status.ACTIVE


def test_t26_a_connection_deleted_during_the_exchange_stays_deleted(world: World, login: Login) -> None:
    world.effects.on("vendor.exchange done", lambda: world.disconnector.delete(login.id, ALICE))
    with pytest.raises(NotFound):
        world.exchange(login)
    assert world.connections.items == {}


def test_an_attempt_burned_during_the_exchange_brings_no_connection(world: World, login: Login) -> None:
    def steal() -> None:
        with pytest.raises(NotFound):
            world.exchange(login, owner=BOB)

    world.effects.on("vendor.exchange done", steal)
    with pytest.raises(Gone):
        world.exchange(login)
    assert (world.stored(login.id).status, world.stored(login.id).tokens) == (Status.CLOSED, None)


def test_a_wrong_handle_during_the_exchange_does_not_lose_its_tokens(world: World, login: Login) -> None:
    def mistake() -> None:
        with pytest.raises(InvalidHandle):
            world.exchanger.exchange(login.id, ALICE, "x" * 43)

    world.effects.on("vendor.exchange", mistake)
    assert world.exchange(login).status is Status.ACTIVE


# --- reconnecting ----------------------------------------------------------------------------------


def test_a_reconnect_of_the_same_patient_renews_the_tokens_in_place(world: World) -> None:
    before = world.connect()
    login = world.come_back(world.reconnect(before.id))
    after = world.exchange(login)
    assert (after.id, after.status, after.generation) == (before.id, Status.ACTIVE, 2)
    assert world.tokens(after.id) == ("access-4", "refresh-3", PATIENT)


def test_t05_a_reconnect_by_another_patient_changes_nothing(world: World) -> None:
    before = world.connect()
    login = world.come_back(world.reconnect(before.id), patient="eq081-VQEgP8drUUqCWzHfw3")
    with pytest.raises(DifferentPatient):
        world.exchange(login)
    stored = world.stored(before.id)
    assert replace(stored, attempt=before.attempt) == before
    assert world.tokens(before.id) == ("access-2", "refresh-1", PATIENT)
    with pytest.raises(Gone, match="different_patient"):
        world.exchange(login)


@pytest.mark.parametrize(
    ("before", "after"), [(PATIENT, None), (None, PATIENT), ("-20140000000001", "20140000000001")]
)
def test_a_patient_id_that_appears_vanishes_or_changes_its_sign_is_another_patient(
    world: World, before: str | None, after: str | None
) -> None:
    connection = world.connect(patient=before)
    login = world.come_back(world.reconnect(connection.id), patient=after)
    with pytest.raises(DifferentPatient):
        world.exchange(login)


def test_a_portal_that_never_gives_a_patient_id_can_be_reconnected(world: World) -> None:
    connection = world.connect(patient=None)
    assert world.exchange(world.come_back(world.reconnect(connection.id), patient=None)).generation == 2


def test_a_failed_reconnect_leaves_the_connection_active(world: World) -> None:
    connection = world.connect()
    login = world.come_back(world.reconnect(connection.id))
    world.effects.fail("vendor.exchange", PortalRejected(400))
    with pytest.raises(AuthorizationRejected):
        world.exchange(login)
    assert world.stored(connection.id).status is Status.ACTIVE


def test_a_reconnect_wins_over_a_refresh_that_was_faster(world: World) -> None:
    connection = world.connect()
    world.clock.advance(3600)
    login = world.come_back(world.reconnect(connection.id))
    world.effects.on("vendor.exchange done", lambda: world.refresher.fresh(connection.id))
    after = world.exchange(login)
    assert after.generation == 3
    access, refresh, _ = world.tokens(connection.id)
    assert (access, refresh) == ("access-4", "refresh-3")


def test_a_reconnect_brings_back_a_connection_that_the_portal_refused(world: World) -> None:
    connection = world.connect()
    world.connections.items[connection.id] = replace(
        connection, status=Status.REAUTHORIZATION_REQUIRED, reason="portal_refused"
    )
    after = world.exchange(world.come_back(world.reconnect(connection.id)))
    assert (after.status, after.reason) == (Status.ACTIVE, None)


# --- killed at any point, raced at any point -------------------------------------------------------


def steps_of(run: Callable[[World, Login], object]) -> int:
    world = World()
    login = world.come_back(world.start())
    before = len(world.effects.seen)
    run(world, login)
    return len(world.effects.seen) - before


STEPS = steps_of(lambda world, login: world.exchange(login))


def settle(world: World, login: Login) -> Connection | str:
    """Asks again as an app does, until there is an outcome."""
    for _ in range(6):
        try:
            return world.exchange(login)
        except (AuthorizationRejected, Gone) as error:
            return error.why if isinstance(error, Gone) else error.reason
        except ExchangeInProgress as error:
            world.clock.advance(error.retry_after)
    raise AssertionError("still in progress")


@pytest.mark.parametrize("step", range(STEPS))
def test_killed_at_any_point_and_asked_again_there_is_a_connection_or_a_reason(step: int) -> None:
    world = World()
    login = world.come_back(world.start())
    world.effects.at(step, raising(Crash()))
    with pytest.raises(Crash):
        world.exchange(login)
    outcome = settle(world, login)
    stored = world.stored(login.id)
    if isinstance(outcome, Connection):
        assert outcome == stored
        assert world.tokens(login.id) == ("access-2", "refresh-1", PATIENT)
    else:
        # Only the reply that was lost on its way into the table can be lost.
        assert (outcome, stored.status, stored.tokens) == ("authorization_rejected", Status.CLOSED, None)
        assert world.vendor.codes == {}


@pytest.mark.parametrize("step", range(STEPS))
def test_two_workers_make_one_connection_and_send_the_code_once(step: int) -> None:
    world = World()
    login = world.come_back(world.start())
    peer: list[Connection | None] = []

    def other() -> None:
        try:
            peer.append(world.exchange(login))
        except ExchangeInProgress:
            peer.append(None)

    world.effects.at(step, other)
    try:
        mine: Connection | None = world.exchange(login)
    except ExchangeInProgress:
        mine = None
    assert world.effects.count("vendor.exchange") == 1
    finished = [outcome for outcome in (mine, *peer) if outcome is not None]
    assert finished
    assert all(outcome.status is Status.ACTIVE for outcome in finished)
    assert world.tokens(login.id) == ("access-2", "refresh-1", PATIENT)


@pytest.mark.parametrize("step", range(STEPS))
def test_deleted_at_any_point_no_tokens_remain(step: int) -> None:
    world = World()
    login = world.come_back(world.start())
    world.effects.at(step, lambda: world.disconnector.delete(login.id, ALICE))
    with suppress(NotFound, Gone):
        world.exchange(login)
    assert world.connections.items == {}


@pytest.mark.parametrize("step", range(STEPS))
def test_with_storage_failing_once_at_any_point_nothing_is_left_undecided(step: int) -> None:
    world = World()
    login = world.come_back(world.start())
    world.effects.at(step, raising(StorageUnavailable()))
    try:
        outcome: Connection | str = world.exchange(login)
    except StorageUnavailable:
        outcome = settle(world, login)
    stored = world.stored(login.id)
    assert outcome == stored or (outcome, stored.tokens) == ("authorization_rejected", None)
    assert world.attempt(login).state in (State.CONNECTED, State.FAILED)


def test_storing_what_arrived_is_given_up_before_the_lease_is_over(world: World, login: Login) -> None:
    for error in (Conflict(), StorageUnavailable()):
        world.effects.fail("connections.activate", *(error for _ in range(1000)))
        begun = world.clock()
        with pytest.raises(type(error)):
            world.exchange(login)
        assert world.clock() - begun < LEASE_SECONDS
        world.effects.clear()
        world.clock.advance(LEASE_SECONDS)
        world.code()
        world.vendor.codes["code-1"] = world.vendor.codes.pop(f"code-{world.codes}")
    with pytest.raises(Gone, match="outcome_unknown"):
        world.exchange(login)


@pytest.mark.parametrize("step", ["connections.activate", "connections.activate done"])
def test_tokens_that_arrived_are_stored_although_the_database_fails_at_first(
    world: World, login: Login, step: str
) -> None:
    world.effects.fail(step, *(StorageUnavailable() for _ in range(4)))
    assert world.exchange(login) == world.stored(login.id)
    assert world.tokens(login.id) == ("access-2", "refresh-1", PATIENT)


# --- what is kept under seal -----------------------------------------------------------------------


@pytest.mark.parametrize("state", [None, "7f3a", 'a "b" é'])
def test_a_held_code_comes_out_of_its_seal_as_it_went_in(state: str | None) -> None:
    held = HeldCode(Secret('code "1" +/='), state)
    assert HeldCode.from_bytes(held.to_bytes()) == held
    assert "code" not in repr(held.code)


def test_a_code_is_exchanged_with_the_verifier_of_its_own_challenge(world: World) -> None:
    world.portals[:] = [portal(query="client_id=1&code_challenge_method=S256")]
    assert world.connect().status is Status.ACTIVE


def test_t05_a_code_of_another_login_does_not_fit_the_verifier(world: World) -> None:
    world.portals[:] = [portal(query="client_id=1&code_challenge_method=S256")]
    mine, victims = world.go(world.start()), world.go(world.start(BOB))
    world.back(mine, f"code={world.code(PATIENT, victims.url)}")
    with pytest.raises(AuthorizationRejected):
        world.exchange(mine)
