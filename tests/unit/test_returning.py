"""A browser on its way out to the portal and back home to the app."""

import re
from urllib.parse import urlencode

import pytest

from portico.attempt import BrowserProblem, Fragment, State
from portico.connection import Status
from portico.errors import AuthorizationRejected, Conflict, StorageUnavailable
from portico.ids import digest
from tests.unit.samples import ALICE, API, BOB, RETURN_URL, Login, World, portal


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def login(world: World) -> Login:
    return world.go(world.start())


def refused(fragment: Fragment) -> pytest.RaisesExc[BrowserProblem]:
    return pytest.raises(BrowserProblem, match=f"^{fragment.value}$")


# --- launch ----------------------------------------------------------------------------------------


def test_a_launch_sends_the_browser_to_the_redirector_with_our_callback(world: World) -> None:
    login = world.go(world.start())
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", login.session)
    assert login.url == (
        f"{portal().redirect_uri}&clientURL=https%3A%2F%2Fapi.portico.example%2Foauth%2Fcallback%2F{login.session}"
    )
    assert world.attempt(login).state is State.LAUNCHED
    assert world.attempt(login).cookie == digest(login.cookie or "")


def test_a_reload_in_the_same_browser_goes_the_same_way(world: World, login: Login) -> None:
    before = world.attempt(login)
    assert world.launch.go(login.started.ticket, login.cookie, API) == (login.url, login.cookie)
    assert world.attempt(login) == before


def test_t01_a_launch_link_forwarded_after_its_launch_is_of_no_use(world: World, login: Login) -> None:
    with refused(Fragment.WRONG_BROWSER):
        world.launch.go(login.started.ticket, None, API)


def test_two_browsers_that_launch_at_once_are_not_both_bound(world: World) -> None:
    login, other = world.start(), []
    world.effects.on(
        "attempts.get done", lambda: other.append(world.launch.go(login.started.ticket, None, API))
    )
    with refused(Fragment.WRONG_BROWSER):
        world.launch.go(login.started.ticket, None, API)
    assert world.attempt(login).cookie == digest(other[0][1])


@pytest.mark.parametrize(
    "ticket", ["", "short", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "é", "../" * 14]
)
def test_t28_a_malformed_ticket_costs_no_read(world: World, ticket: str) -> None:
    with refused(Fragment.INVALID):
        world.launch.go(ticket, None, API)
    assert world.effects.seen == []


def test_t04_an_unknown_ticket_is_invalid(world: World) -> None:
    with refused(Fragment.INVALID):
        world.launch.go("x" * 43, None, API)


def test_a_ticket_lives_ten_minutes(world: World) -> None:
    login = world.start()
    world.clock.advance(600)
    with refused(Fragment.INVALID):
        world.go(login)


def test_a_launch_that_keeps_losing_says_so(world: World) -> None:
    login = world.start()
    world.effects.fail("attempts.replace", Conflict(), Conflict(), Conflict())
    with pytest.raises(Conflict):
        world.go(login)


# --- back with a code ------------------------------------------------------------------------------


def test_a_code_brings_the_browser_home_with_a_handle_in_the_fragment(world: World, login: Login) -> None:
    url = world.back(login, "code=abc&state=xyz")
    assert url == f"{RETURN_URL}?connection={login.id}&status=authorized#handle={login.handle}"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", login.handle)
    attempt = world.attempt(login)
    assert (attempt.state, attempt.handle) == (State.CODE_HELD, digest(login.handle))
    assert b"abc" not in (attempt.code or b"")
    assert login.handle not in repr(attempt)


def test_the_callback_never_exchanges_the_code(world: World, login: Login) -> None:
    world.back(login, "code=abc")
    assert world.vendor.given == []


@pytest.mark.parametrize("state", [None, "a b+c/d==", "ü" * 1024])
def test_code_and_state_reach_the_vendor_verbatim(world: World, login: Login, state: str | None) -> None:
    code = "eyJ.x+/=" * 100
    world.back(login, urlencode({"code": code} | ({"state": state} if state else {})))
    with pytest.raises(AuthorizationRejected):
        world.exchange(login)
    assert world.vendor.given[0][:3] == ("portal", code, state)


def test_t13_a_callback_twice_gives_a_fresh_handle_and_keeps_the_first_seal(
    world: World, login: Login
) -> None:
    first = world.back(login, "code=abc")
    sealed = world.attempt(login).code
    second = world.back(login, "code=abc")
    assert first != second
    assert world.attempt(login).code == sealed
    assert world.attempt(login).codes == 1
    assert world.effects.count("sealer.prepare") == 1


def test_another_code_replaces_the_one_before(world: World, login: Login) -> None:
    world.back(login, "code=abandoned")
    world.back(login, f"code={world.code()}")
    assert world.exchange(login).status is Status.ACTIVE


def test_a_fifth_code_is_refused_and_changes_nothing(world: World, login: Login) -> None:
    for code in range(4):
        world.back(login, f"code={code}")
    before = world.attempt(login)
    with refused(Fragment.INCOMPLETE):
        world.back(login, "code=5")
    assert world.attempt(login) == before


def test_t02_two_callbacks_at_once_leave_one_usable_handle(world: World, login: Login) -> None:
    code = world.code()
    other: list[str] = []
    world.effects.on("attempts.get done", lambda: other.append(world.back(login, f"code={code}")))
    world.back(login, f"code={code}")
    assert world.exchange(login).status is Status.ACTIVE


# --- back with an error ----------------------------------------------------------------------------


def test_a_patient_who_declines_comes_home_declined(world: World, login: Login) -> None:
    url = world.back(login, "error=access_denied&error_description=%3Cscript%3E")
    assert url == f"{RETURN_URL}?connection={login.id}&status=declined#declined"
    assert (world.stored(login.id).status, world.stored(login.id).reason) == (Status.CLOSED, "declined")


def test_any_other_error_comes_home_failed_and_without_the_portals_words(world: World, login: Login) -> None:
    url = world.back(login, "error=server_error&error_description=stack+trace&error_uri=https://evil.example")
    assert url == f"{RETURN_URL}?connection={login.id}&status=failed#failed"
    assert (world.stored(login.id).status, world.stored(login.id).reason) == (Status.CLOSED, "portal_error")


def test_a_declined_reconnect_leaves_the_connection_active(world: World) -> None:
    connection = world.connect()
    login = world.go(world.reconnect(connection.id))
    world.back(login, "error=access_denied")
    assert world.stored(connection.id).status is Status.ACTIVE


def test_an_error_after_a_code_changes_nothing(world: World, login: Login) -> None:
    world.back(login, f"code={world.code()}")
    with refused(Fragment.INCOMPLETE):
        world.back(login, "error=access_denied")
    assert world.exchange(login).status is Status.ACTIVE


# --- bad callbacks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("session", ["", "x", "x" * 44, "x" * 42 + "%", "x" * 42 + "\n"])
def test_t28_a_malformed_session_costs_no_read(world: World, session: str) -> None:
    with refused(Fragment.INVALID):
        world.returning.receive(session, None, "code=abc")
    assert world.effects.seen == []


@pytest.mark.parametrize("cookie", [None, "x" * 43])
def test_t12_another_browser_changes_nothing_whatever_it_brings(
    world: World, login: Login, cookie: str | None
) -> None:
    before = world.attempt(login)
    for query in ("code=abc", "error=access_denied", ""):
        with refused(Fragment.WRONG_BROWSER):
            world.returning.receive(login.session, cookie, query)
    assert world.attempt(login) == before


def test_t01_the_redirectors_link_forwarded_brings_nobody_elses_code_in(world: World) -> None:
    mine, victims = world.go(world.start(ALICE)), world.go(world.start(BOB))
    with refused(Fragment.WRONG_BROWSER):
        world.returning.receive(mine.session, victims.cookie, f"code={world.code()}")
    assert world.attempt(mine).state is State.LAUNCHED


@pytest.mark.parametrize("query", ["", "state=1", "code=a&code=a", "code=a&error=b", "code=" + "x" * 3000])
def test_an_incomplete_callback_changes_nothing(world: World, login: Login, query: str) -> None:
    before = world.attempt(login)
    with refused(Fragment.INCOMPLETE):
        world.back(login, query)
    assert world.attempt(login) == before


def test_a_preset_state_must_come_back_the_same(world: World) -> None:
    world.portals[:] = [portal(query="client_id=1&state=ab%2Bc%3D")]
    login = world.go(world.start())
    with refused(Fragment.INCOMPLETE):
        world.back(login, "code=abc&state=other")
    assert world.attempt(login).state is State.LAUNCHED
    for echoed in ("ab%2Bc%3D", "ab+c=", "ab%20c%3D"):
        world.back(login, f"code=abc&state={echoed}")


def test_the_login_takes_fifteen_minutes_at_most(world: World, login: Login) -> None:
    world.clock.advance(900)
    with refused(Fragment.INVALID):
        world.back(login, "code=abc")


def test_without_a_key_the_code_is_not_taken_and_may_come_again(world: World, login: Login) -> None:
    world.effects.fail("sealer.prepare", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        world.back(login, "code=abc")
    assert world.attempt(login).state is State.LAUNCHED
    world.back(login, "code=abc")


def test_a_callback_that_keeps_losing_says_so(world: World, login: Login) -> None:
    world.effects.fail("attempts.replace", Conflict(), Conflict(), Conflict())
    with pytest.raises(Conflict):
        world.back(login, "code=abc")
