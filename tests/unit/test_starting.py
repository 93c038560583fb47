"""Starting an attempt: what is stored, who may, how many at a time."""

import re
from dataclasses import replace

import pytest

from portico import pkce
from portico.attempt import LONGEST_SECONDS, Attempt, State, state_mark
from portico.connection import Status
from portico.directory import Portal
from portico.errors import (
    AuthorizationRejected,
    Conflict,
    Gone,
    InvalidRequest,
    NotAuthorizedYet,
    NotFound,
    StorageUnavailable,
    TooManyRequests,
)
from portico.ids import digest, session_of
from tests.unit.fakes import START
from tests.unit.samples import ALICE, BOB, RETURN_URL, World, portal


@pytest.fixture
def world() -> World:
    return World([portal("portal"), *(portal(name) for name in ("one", "two", "three", "four"))])


def test_a_start_stores_a_pending_connection_and_its_attempt(world: World) -> None:
    started = world.starter.start(ALICE, "portal", "clinical", RETURN_URL)
    key = digest(session_of(started.ticket))
    connection = world.connections.items[started.connection.id]
    assert connection == started.connection
    assert (connection.owner, connection.status, connection.portal) == (
        ALICE,
        Status.PENDING,
        portal().as_json(),
    )
    assert (connection.created_at, connection.pending_until, connection.attempt) == (
        START,
        START + LONGEST_SECONDS,
        key,
    )
    assert world.attempts.items == {
        key: Attempt(
            key=key,
            connection_id=connection.id,
            owner=ALICE,
            portal_id="portal",
            return_url=RETURN_URL,
            outbound=portal().redirect_uri,
            reconnect=False,
            state=State.CREATED,
            created_at=START,
            expires_at=START + 600,
        )
    }
    assert started.expires_at == START + 600


def test_ids_are_opaque_and_the_ticket_is_stored_nowhere(world: World) -> None:
    started = world.starter.start(ALICE, "portal", "clinical", RETURN_URL)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", started.connection.id)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", started.ticket)
    stored = repr((world.attempts.items, world.connections.items))
    assert started.ticket not in stored
    assert session_of(started.ticket) not in stored


def test_a_portal_with_pkce_gets_a_challenge_whose_verifier_is_sealed(world: World) -> None:
    world.portals[:] = [portal(query="client_id=1&code_challenge_method=S256&state=7f3a")]
    login = world.start()
    attempt = world.attempt(login)
    assert attempt.verifier is not None
    assert attempt.preset_state == state_mark("7f3a")
    world.go(login)
    world.back(login, "code=c&state=7f3a")
    with pytest.raises(AuthorizationRejected):
        world.exchange(login)
    verifier = world.vendor.given[0][3]
    assert f"code_challenge%3D{pkce.challenge(verifier, pkce.Method.S256)}" in attempt.outbound
    assert verifier not in repr(attempt)


@pytest.mark.parametrize(
    ("portal_id", "data_type", "url", "field"),
    [
        ("portal", "clinical", "https://evil.example/", "returnUrl"),
        ("portal", "clinical", RETURN_URL + "/", "returnUrl"),
        ("portal", "clinical", RETURN_URL.upper(), "returnUrl"),
        ("portal", "clinical", RETURN_URL + "?x=1", "returnUrl"),
        ("portal", "dental", RETURN_URL, "dataType"),
        ("portal", "payer", RETURN_URL, "portalId"),
        ("unknown", "clinical", RETURN_URL, "portalId"),
    ],
)
def test_what_cannot_be_started_is_refused_by_its_field_and_stores_nothing(
    world: World, portal_id: str, data_type: str, url: str, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        world.starter.start(ALICE, portal_id, data_type, url)
    assert refused.value.field == field
    assert (world.connections.items, world.attempts.items) == ({}, {})


@pytest.mark.parametrize("status", ["inactive", "unsupported"])
def test_t07_a_portal_that_is_not_active_is_refused(world: World, status: str) -> None:
    world.portals[0] = replace(portal(), status=status)
    with pytest.raises(InvalidRequest, match=status):
        world.start()


def test_a_fourth_open_attempt_is_one_too_many(world: World) -> None:
    for portal_id in ("one", "two", "three"):
        world.start(portal_id=portal_id)
        world.clock.advance(60)
    with pytest.raises(TooManyRequests) as refused:
        world.start(portal_id="four")
    assert refused.value.retry_after == 600 - 180
    world.start(BOB, "four")
    world.clock.advance(420)
    world.start(portal_id="four")


def test_a_start_at_the_same_portal_supersedes_the_open_attempt_there(world: World) -> None:
    first = world.come_back(world.start())
    second = world.start()
    assert world.attempt(first).state is State.SUPERSEDED
    assert world.attempt(first).code is None
    assert (world.stored(first.id).status, world.stored(first.id).reason) == (Status.CLOSED, "superseded")
    assert world.attempt(second).state is State.CREATED
    with pytest.raises(Gone, match="superseded"):
        world.exchange(first)


def test_superseding_makes_room_for_itself(world: World) -> None:
    for portal_id in ("one", "two", "three"):
        world.start(portal_id=portal_id)
    world.start(portal_id="two")
    with pytest.raises(TooManyRequests):
        world.start(portal_id="four")


def test_another_users_attempt_is_never_superseded(world: World) -> None:
    bobs = world.start(BOB)
    world.start(ALICE)
    assert world.attempt(bobs).state is State.CREATED


def test_a_finished_attempt_takes_no_place(world: World) -> None:
    for portal_id in ("one", "two", "three", "four"):
        login = world.go(world.start(portal_id=portal_id))
        world.back(login, "error=access_denied")


def test_two_starts_at_once_keep_the_limit(world: World) -> None:
    for portal_id in ("one", "two"):
        world.start(portal_id=portal_id)
    world.effects.on("attempts.open_of done", lambda: world.start(portal_id="three"))
    with pytest.raises(TooManyRequests):
        world.start(portal_id="four")


def test_a_start_that_keeps_losing_says_so_and_stores_nothing(world: World) -> None:
    world.effects.fail("connections.start", Conflict(), Conflict(), Conflict())
    with pytest.raises(Conflict):
        world.start()
    assert world.connections.items == {}


def test_without_a_key_nothing_is_started(world: World) -> None:
    world.portals[:] = [portal(query="code_challenge_method=S256")]
    world.effects.fail("sealer.prepare", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        world.start()
    assert (world.connections.items, world.attempts.items) == ({}, {})


# --- reconnecting ----------------------------------------------------------------------------------


def test_a_reconnect_keeps_the_connection_and_points_to_a_new_attempt(world: World) -> None:
    before = world.connect()
    login = world.reconnect(before.id)
    assert world.stored(before.id) == replace(before, attempt=digest(session_of(login.started.ticket)))
    assert world.attempt(login).reconnect


@pytest.mark.parametrize("owner", [BOB, ""])
def test_t17_nobody_reconnects_anothers_connection(world: World, owner: str) -> None:
    connection = world.connect()
    with pytest.raises(NotFound):
        world.reconnect(connection.id, owner)


def test_a_reconnect_of_what_does_not_exist_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.reconnect("nothing")


def test_t09_a_reconnect_comes_back_to_an_allowed_url_only(world: World) -> None:
    connection = world.connect()
    with pytest.raises(InvalidRequest, match="returnUrl"):
        world.starter.reconnect(ALICE, connection.id, "https://evil.example/")


def test_a_connection_whose_first_login_is_open_cannot_be_reconnected_yet(world: World) -> None:
    with pytest.raises(NotAuthorizedYet):
        world.reconnect(world.start().id)


def test_a_connection_that_came_to_nothing_cannot_be_reconnected(world: World) -> None:
    login = world.go(world.start())
    world.back(login, "error=access_denied")
    with pytest.raises(Gone, match="declined"):
        world.reconnect(login.id)


def test_an_abandoned_connection_cannot_be_reconnected(world: World) -> None:
    login = world.start()
    world.clock.advance(LONGEST_SECONDS)
    with pytest.raises(Gone, match="abandoned"):
        world.reconnect(login.id)


def test_a_portal_that_left_the_directory_cannot_be_reconnected(world: World) -> None:
    connection = world.connect()
    gone: list[Portal] = []
    world.portals[:] = gone
    with pytest.raises(InvalidRequest, match=r"^id: "):
        world.reconnect(connection.id)


def test_superseding_a_reconnect_leaves_its_connection_active(world: World) -> None:
    connection = world.connect()
    world.reconnect(connection.id)
    world.start()
    assert world.stored(connection.id).status is Status.ACTIVE
