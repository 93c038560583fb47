"""T01 to T06 and T12 to T16: what browsers bring, are sent, and could be made to bring."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from portico.browser import cookie
from portico.ids import digest
from sandbox.browser import Browser
from sandbox.outside import Outside
from sandbox.records import ACCOUNTS
from sandbox.world.world import World
from tests.journey.app import (
    App,
    BoundBrowser,
    Returned,
    problem_fragment,
    refused,
    signed_in_up_to_the_callback,
)
from tests.journey.leaks import found_in, log_lines
from tests.journey.test_browser_routes import told
from tests.threats import swaps
from tests.threats.conftest import NewApp, Settings
from tests.threats.swaps import ATTACKER, SWAPS, VICTIM, Stage


def family_of(answer: httpx.Response) -> str:
    return str(answer.json()["entry"][0]["resource"]["name"][0]["family"])


def actives(app: App) -> list[str]:
    return [c["id"] for c in app.get("/v1/connections").json()["connections"] if c["status"] == "active"]


@pytest.fixture
def stage(new_app: NewApp, outside: Outside) -> Stage:
    return Stage(new_app(), new_app(), outside.portal("cerner"), outside)


# --- T01 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SWAPS)
def test_t01_a_swapped_browser_brings_nobody_anybody_elses_records(name: str, stage: Stage) -> None:
    """All nine scenarios; the one that is open is shown to be so, and docs/security.md says why."""
    swap = SWAPS[name]
    assert swap.play(stage) == (swap.to_a, swap.to_b)
    theirs = {ATTACKER: ACCOUNTS[ATTACKER].patient.family, VICTIM: ACCOUNTS[VICTIM].patient.family}
    got = {family_of(stage.a.records(connection, "Patient")) for connection in actives(stage.a)}
    assert got <= ({theirs[VICTIM]} if swap.open else {theirs[ATTACKER]})
    assert {family_of(stage.b.records(c, "Patient")) for c in actives(stage.b)} <= {theirs[VICTIM]}


def test_t01_where_a_swap_is_open_the_identity_check_holds_the_connection_back(
    known_app: Callable[[str, str], App], new_app: NewApp, outside: Outside, setting: Settings
) -> None:
    attacker = ACCOUNTS[ATTACKER].patient
    stage = Stage(
        known_app(attacker.family, attacker.birth_date), new_app(), outside.portal("cerner"), outside
    )
    with setting("exchange_token", IDENTITY_CHECK="match"):
        SWAPS["redirector link forwarded and B's answer handed over"].play(stage)
    connection = stage.a.get("/v1/connections").json()["connections"][0]
    assert (connection["status"], connection["reason"]) == ("held", "identity_mismatch")
    assert refused(stage.a.records(connection["id"], "Patient")) == (403, "forbidden")


def test_t01_the_matrix_in_the_documents_is_the_one_that_was_played() -> None:
    assert len(SWAPS) == 9
    assert swaps.documented() == swaps.table(), "python -m tests.threats.swaps"


# --- T02 to T06 -----------------------------------------------------------------------------------


def test_t02_a_leaked_authorization_response_is_of_no_use_to_whoever_finds_it(stage: Stage) -> None:
    """In another browser it changes nothing; its code in one's own login is refused; its owner goes on."""
    link = stage.b.started(stage.portal)
    browser, callback = signed_in_up_to_the_callback(link, VICTIM)
    assert problem_fragment(httpx.get(callback, trust_env=False)) == "wrong_browser"
    mine = stage.a.started(stage.portal)
    back = Returned.parse(BoundBrowser(mine).comes_back(urlsplit(callback).query).headers["location"])
    assert refused(mine.exchange(back.handle)) == (422, "authorization-rejected")
    home = Returned.parse(browser.open(callback, until=stage.b.return_url).url)
    assert link.exchange(home.handle).status_code == 200
    assert actives(stage.a) == []


def test_t03_login_csrf_neither_binds_a_victims_browser_nor_its_app_to_the_attackers_records(
    stage: Stage,
) -> None:
    for name in ("finished callback forwarded (login CSRF)", "return URL forwarded"):
        SWAPS[name].play(stage)
    assert actives(stage.b) == []
    assert stage.b.get("/v1/connections").json() == {"connections": [], "next": None}


def test_t04_sessions_and_tickets_cannot_be_guessed_and_guesses_are_answered_alike(
    world: World, app: App, outside: Outside
) -> None:
    """256 bits each, of which the table has digests only; unknown, malformed and finished look the same."""
    links = [app.started(outside.portal(p)) for p in ("epic", "cerner")]
    over = BoundBrowser(links[1])
    over.comes_back("error=access_denied")
    tickets = [link.authorization_url.rpartition("/")[2] for link in links]
    sessions = [over.callback.rpartition("/")[2]]
    assert all(re.fullmatch(r"[\w-]{43}", secret) for secret in tickets + sessions)
    assert len(set(tickets + sessions)) == 3
    guesses = ["A" * 43, "A" * 42, "A" * 44, "%00" * 43, digest(tickets[0]), digest(sessions[0])]
    for path, finished in (("oauth/callback", sessions[0]), ("connect", tickets[1])):
        answers = [over.http.get(f"{world.api}/{path}/{guess}?code=abc") for guess in [*guesses, finished]]
        assert {problem_fragment(answer) for answer in answers} == {"invalid"}
        assert len({str(told(answer)) for answer in answers}) == 1


@pytest.mark.parametrize("persona", ["cerner", "bluebutton", "patient-in-token", "plain-pkce"])
def test_t05_a_code_of_somebody_else_put_into_ones_own_attempt_is_refused_by_its_verifier(
    persona: str, new_app: NewApp, outside: Outside
) -> None:
    """Every portal with PKCE. Without it a code fits any attempt at the same portal (docs/security.md, open)."""
    portal = outside.portal(persona)
    _, callback = signed_in_up_to_the_callback(new_app().started(portal), VICTIM)
    mine = new_app().started(portal)
    code = parse_qs(urlsplit(callback).query)["code"][0]
    back = BoundBrowser(mine).brings_code(code)
    assert refused(mine.exchange(back.handle)) == (422, "authorization-rejected")
    assert mine.status == ("closed", "rejected")


def test_t05_a_state_of_another_login_does_not_pass_where_the_portal_has_one_of_its_own(
    app: App, outside: Outside
) -> None:
    browser = BoundBrowser(app.started(outside.portal("cerner")))
    assert problem_fragment(browser.comes_back("code=abc&state=of-another-login")) == "incomplete"


def test_t06_two_portals_in_two_tabs_are_never_mixed_up(app: App, outside: Outside) -> None:
    """The browser's cookies are of the second tab. What the first brings goes to the second's portal or nowhere:
    a code is sent to its own session's endpoint alone, and there a foreign one is refused."""
    first, second = app.started(outside.portal("epic")), app.started(outside.portal("cerner"))
    filled = {"username": VICTIM, "password": ACCOUNTS[VICTIM].password}
    with Browser() as browser:
        tabs = [browser.open(link.authorization_url) for link in (first, second)]
        backs = []
        for tab in tabs:
            page = browser.submit(tab, filled, until=app.return_url)
            backs.append(
                Returned.parse(browser.submit(page, {"decision": "allow"}, until=app.return_url).url)
            )
            if len(backs) == 1:
                assert backs[0].connection == second.id
    assert backs[1].connection == second.id
    assert refused(second.exchange(backs[0].handle)) == (400, "invalid-handle")
    assert second.exchange(backs[1].handle).status_code == 200
    assert outside.count("token", first.portal.id) == 0
    assert first.status == ("pending", None)
    assert second.fetch("Patient").status_code == 200


def test_t06_a_code_that_came_to_another_portals_session_is_refused_there(app: App, outside: Outside) -> None:
    first, second = app.started(outside.portal("epic")), app.started(outside.portal("patient-in-token"))
    _, callback = signed_in_up_to_the_callback(first, VICTIM)
    back = BoundBrowser(second).comes_back(urlsplit(callback).query)
    assert refused(second.exchange(Returned.parse(back.headers["location"]).handle)) == (
        422,
        "authorization-rejected",
    )
    assert outside.count("token", first.portal.id) == 0


# --- T12 to T16 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "preview"},
        {"X-Moz": "prefetch"},
        {"User-Agent": "Scanner"},
    ],
    ids=str,
)
def test_t12_prefetches_previews_and_scanners_cannot_end_a_live_login(
    headers: dict[str, str], app: App, outside: Outside
) -> None:
    browser = BoundBrowser(app.started(outside.portal("epic")))
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        for url in (str(browser.launched.request.url), f"{browser.callback}?error=access_denied"):
            httpx.request(method, url, headers=headers, trust_env=False)
    assert browser.brings_code().status == "authorized"


def test_t13_a_duplicate_callback_leaves_one_good_handle_and_one_exchange(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    browser, url = signed_in_up_to_the_callback(link)
    handles = [Returned.parse(browser.open(url, until=app.return_url).url).handle for _ in range(4)]
    assert len(set(handles)) == 4
    assert [link.exchange(handle).status_code for handle in handles] == [400, 400, 400, 200]
    assert outside.count("token", link.portal.id) == 1


def test_t14_an_app_link_that_another_app_takes_over_gives_it_nothing_and_burns(
    new_app: NewApp, outside: Outside
) -> None:
    link = new_app().authorized(outside.portal("cerner"), VICTIM)
    thief = new_app()
    assert refused(thief.exchange(link.id, link.handle or "")) == (404, "not-found")
    anonymous = httpx.post(
        f"{thief.api}/v1/connections/{link.id}/token", json={"handle": link.handle}, trust_env=False
    )
    assert anonymous.status_code == 401
    assert refused(link.exchange()) == (410, "gone")
    assert link.status == ("closed", "burned")
    assert outside.count("token", link.portal.id) == 0


def test_t15_a_handle_travels_in_the_fragment_alone_and_is_in_no_log(
    world: World, app: App, outside: Outside
) -> None:
    """A fragment reaches no server, proxy or Referer; the browser is told to send no Referer at all."""
    browser = BoundBrowser(app.started(outside.portal("epic")))
    answer = browser.comes_back("code=abc")
    home = urlsplit(answer.headers["location"])
    handle = parse_qs(home.fragment)["handle"][0]
    assert handle not in home.query + home.path
    assert (
        answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
    )
    assert answer.content == b"", "nothing is shown at the address that has the code"
    connection = parse_qs(home.query)["connection"][0]
    shown = [
        app.get(f"/v1/connections/{connection}"),
        app.exchange(connection, handle),
        app.get("/v1/connections"),
    ]
    assert all(handle not in one.text and handle not in str(one.headers) for one in shown)
    assert found_in(log_lines(world), [handle]) == []


def test_t16_our_pages_cannot_be_framed_and_reflect_nothing(app: App, outside: Outside) -> None:
    attack = "<script>alert(1)<script>"
    browser = BoundBrowser(app.started(outside.portal("epic")))
    page = httpx.get(f"{app.api}/connect/problem?error={attack}&code={attack}", trust_env=False)
    pages = [
        page,
        browser.comes_back(f"error={attack}&error_description={attack}"),
        httpx.get(f"{app.api}/connect/{quote(attack, safe='')}", trust_env=False),
        httpx.get(f"{app.api}/oauth/callback/{quote(attack, safe='')}?code={attack}", trust_env=False),
    ]
    for one in pages:
        assert "frame-ancestors 'none'" in one.headers["content-security-policy"]
        assert "default-src 'none'" in one.headers["content-security-policy"]
        assert one.headers["x-content-type-options"] == "nosniff"
        assert "script" not in one.text and "alert" not in one.text + one.headers.get("location", "")
    assert page.headers["x-frame-options"] == "DENY"


def test_t16_a_deployed_stack_binds_browsers_by_a_host_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other host of the domain can plant it, no script can read it, no request of another site carries it along."""
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://api.example.com")
    written = str(cookie("value"))
    assert written.startswith("__Host-portico-connect=value;")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in written.split(";")}
    assert "Domain" not in written
