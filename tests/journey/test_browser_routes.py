"""Launch and callback: what a browser may bring, and that nothing which it should not bring changes anything."""

import secrets
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import httpx
import pytest

from portico.ids import session_of
from sandbox.browser import Browser
from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import (
    App,
    BoundBrowser,
    Link,
    Returned,
    problem_fragment,
    signed_in_up_to_the_callback,
)

UNKNOWN = "A" * 43
PREFETCH = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X-Purpose": "preview"},
    {"X-Moz": "prefetch"},
]


@pytest.fixture
def browser(app: App, outside: Outside) -> Iterator[BoundBrowser]:
    """A browser that stands before the login of a portal that has a state of its own."""
    yield BoundBrowser(app.started(outside.portal("cerner")))


def get(url: str, **headers: str) -> httpx.Response:
    """A browser without any cookie."""
    return httpx.get(url, headers=headers, timeout=30, trust_env=False)


def told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of an answer but what is of the moment."""
    moment = {"date", "apigw-requestid", "x-amzn-requestid", "x-amzn-trace-id"}
    return (
        answer.status_code,
        answer.content,
        sorted((n, v) for n, v in answer.headers.items() if n not in moment),
    )


# --- the launch -----------------------------------------------------------------------------------


def test_the_launch_binds_the_browser_and_sends_it_on(browser: BoundBrowser, outside: Outside) -> None:
    headers = browser.launched.headers
    assert headers["location"].startswith(f"{outside.urls.redirector}/outbound/?portalURL=")
    cookie = [part.strip() for part in headers["set-cookie"].split(";")]
    assert cookie[0].startswith("portico-connect=") and len(cookie[0].partition("=")[2]) == 43
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie)
    assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert browser.launched.content == b""


def test_the_same_browser_may_open_its_link_again(browser: BoundBrowser) -> None:
    again = browser.http.get(browser.launched.request.url)
    assert again.headers["location"] == browser.launched.headers["location"]
    assert again.cookies.get("portico-connect") == browser.cookies["portico-connect"]


def test_a_second_browser_cannot_take_over_a_link(browser: BoundBrowser) -> None:
    other = get(str(browser.launched.request.url))
    assert problem_fragment(other) == "wrong_browser"
    assert "set-cookie" not in other.headers
    assert browser.brings_code().status == "authorized"


@pytest.mark.parametrize("headers", PREFETCH, ids=str)
def test_a_browser_that_only_looks_ahead_does_not_take_the_link(
    headers: dict[str, str], app: App, outside: Outside
) -> None:
    link = app.started(outside.portal("epic"))
    ahead = get(link.authorization_url, **headers)
    assert (ahead.status_code, ahead.content) == (204, b"")
    assert "set-cookie" not in ahead.headers and ahead.headers["cache-control"] == "no-store"
    assert BoundBrowser(link).brings_code().status == "authorized"


def test_a_link_that_is_not_ours_or_is_over_leads_to_one_and_the_same_page(
    world: World, app: App, outside: Outside
) -> None:
    over = app.started(outside.portal("epic"))
    elapsed.attempt(world, over.id, expires_at=1)
    used = app.authorized(outside.portal("cerner"))
    links = [over.authorization_url, used.authorization_url]
    links += [f"{app.api}/connect/{ticket}" for ticket in (UNKNOWN, "short", "x" * 44, quote("ü" * 43))]
    answers = [get(url) for url in links]
    assert {problem_fragment(answer) for answer in answers} == {"invalid"}
    assert len({str(told(answer)) for answer in answers}) == 1


def test_the_problem_page_needs_no_script_and_repeats_nothing(app: App) -> None:
    page = get(f"{app.api}/connect/problem?code=reflected&error=reflected")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "reflected" not in page.text and "<script" not in page.text
    for fragment in ("invalid", "wrong_browser", "incomplete"):
        assert f'id="{fragment}"' in page.text


# --- the callback ---------------------------------------------------------------------------------


def test_the_callback_goes_to_the_return_url_with_the_handle_in_the_fragment(
    app: App, outside: Outside
) -> None:
    link = app.started(outside.portal("cerner"))
    browser, url = signed_in_up_to_the_callback(link)
    home = browser.open(url, until=app.return_url).url
    parts = urlsplit(home)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == app.return_url
    assert parts.query == f"connection={link.id}&status=authorized"
    assert parts.fragment.startswith("handle=") and len(parts.fragment) == len("handle=") + 43
    assert link.status == ("pending", None), "nothing is exchanged by the browser"
    assert outside.count("token", link.portal.id) == 0


def test_every_way_home_carries_a_fragment_of_its_own(browser: BoundBrowser) -> None:
    answer = browser.comes_back("error=access_denied")
    assert answer.headers["location"].endswith("status=declined#declined")
    assert answer.content == b"" and answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_sessions_that_are_malformed_unknown_expired_or_over_answer_alike_to_the_byte(
    world: World, app: App, outside: Outside
) -> None:
    first = app.started(outside.portal("epic"))
    expired = BoundBrowser(first)
    declined = BoundBrowser(app.started(outside.portal("cerner")))
    declined.comes_back("error=access_denied")
    connected = app.started(outside.portal("patient-in-token"))
    browser, url = signed_in_up_to_the_callback(connected)
    connected.handle = Returned.parse(browser.open(url, until=app.return_url).url).handle
    assert connected.exchange().status_code == 200
    elapsed.attempt(world, first.id, expires_at=1)

    answers = [expired.comes_back("code=abc"), declined.comes_back("code=abc")]
    answers.append(httpx.get(url, cookies={"portico-connect": cookie_of(browser)}, trust_env=False))
    for session in (UNKNOWN, "short", "x" * 44, quote("ü" * 43), quote(UNKNOWN[:-1] + "\0")):
        answers.append(declined.http.get(f"{app.api}/oauth/callback/{session}?code=abc"))
    assert {problem_fragment(answer) for answer in answers} == {"invalid"}
    assert len({str(told(answer)) for answer in answers}) == 1


def test_a_malformed_session_costs_no_read(world: World, app: App) -> None:
    world.forget_aws_calls()
    get(f"{app.api}/oauth/callback/{'x' * 44}?code=abc")
    assert not [call for call in world.aws_calls() if call.function == "receive_callback"]


def test_another_browser_changes_nothing(browser: BoundBrowser) -> None:
    wrong = [
        get(f"{browser.callback}?code=abc"),
        get(f"{browser.callback}?error=access_denied"),
        get(f"{browser.callback}?code=abc", Cookie=f"portico-connect={UNKNOWN}"),
        get(f"{browser.callback}?code=abc", Cookie="portico-connect=short"),
        get(
            f"{browser.callback}?code=abc",
            Cookie=f"portico-connect={browser.cookies['portico-connect']}; portico-connect={UNKNOWN}",
        ),
    ]
    assert {problem_fragment(answer) for answer in wrong} == {"wrong_browser"}
    assert browser.brings_code().status == "authorized"


def test_a_callback_before_any_launch_is_another_browsers(app: App, outside: Outside) -> None:
    bound = BoundBrowser(app.started(outside.portal("epic")))
    early = app.started(outside.portal("cerner"))
    session = session_of_unopened(early)
    answer = bound.http.get(f"{app.api}/oauth/callback/{session}?code=abc")
    assert problem_fragment(answer) == "wrong_browser"
    assert BoundBrowser(early).brings_code().status == "authorized"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "state=abc",
        "code=",
        "error=",
        "code=abc&error=access_denied",
        "code=abc&code=def",
        "code=abc&state=a&state=b",
        "error=a&error=b",
        f"code={'c' * 2049}",
        "code=a%00b",
        "code=a%0D%0ASet-Cookie:x",
        f"code=abc&state={'s' * 1025}",
        "code=abc&state=a%07b",
        "&".join(f"p{n}=1" for n in range(60)) + "&code=abc",
    ],
    ids=lambda query: query[:40] or "nothing",
)
def test_an_incomplete_callback_changes_nothing(query: str, app: App, outside: Outside) -> None:
    browser = BoundBrowser(app.started(outside.portal("epic")))
    answer = browser.comes_back(query)
    assert answer.status_code == 303, answer.text
    assert problem_fragment(answer) == "incomplete"
    assert browser.brings_code().status == "authorized"


def test_the_longest_code_and_unknown_parameters_are_fine(app: App, outside: Outside) -> None:
    browser = BoundBrowser(app.started(outside.portal("epic")))
    query = f"code={'c' * 2048}&state={'s' * 1024}&iss=https%3A%2F%2Fportal.example&session_state=1&status=ok"
    assert Returned.parse(browser.comes_back(query).headers["location"]).status == "authorized"


@pytest.mark.parametrize("headers", PREFETCH, ids=str)
def test_a_callback_that_is_only_looked_at_ahead_changes_nothing(
    headers: dict[str, str], browser: BoundBrowser
) -> None:
    ahead = browser.comes_back("error=access_denied", **headers)
    assert (ahead.status_code, ahead.content) == (204, b"")
    assert ahead.headers["cache-control"] == "no-store"
    assert browser.brings_code().status == "authorized"


def test_a_callback_that_comes_twice_renews_the_handle(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    browser, url = signed_in_up_to_the_callback(link)
    first, second = (Returned.parse(browser.open(url, until=app.return_url).url) for _ in range(2))
    assert first.handle and second.handle and first.handle != second.handle
    assert link.exchange(first.handle).status_code == 400
    assert link.exchange(second.handle).status_code == 200
    assert outside.count("token", link.portal.id) == 1


@pytest.mark.parametrize("mode", ["forward-all", "code-and-state-only", "extra-parameters", "scanned"])
def test_whatever_the_redirector_does_on_the_way_the_connection_comes_about(
    mode: str, app: App, outside: Outside
) -> None:
    portal = outside.portal("cerner")
    outside.set_scenario(portal.id, redirector=mode)
    assert app.connected(portal).status == ("active", None)


def test_another_code_replaces_the_first_at_most_three_times(browser: BoundBrowser) -> None:
    codes = [secrets.token_urlsafe(24) for _ in range(5)]
    assert len({browser.brings_code(code).handle for code in codes[:4]}) == 4
    assert problem_fragment(browser.comes_back(f"code={codes[4]}")) == "incomplete"
    assert browser.brings_code(codes[3]).status == "authorized", "the one that is held still stands"


def test_an_error_cannot_undo_a_code_that_is_held(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    browser, url = signed_in_up_to_the_callback(link)
    handle = Returned.parse(browser.open(url, until=app.return_url).url).handle
    denied = browser.open(f"{url.partition('?')[0]}?error=access_denied")
    assert problem_fragment(denied) == "incomplete"
    assert link.exchange(handle).status_code == 200


def test_a_state_that_differs_from_the_portals_own_is_refused(
    browser: BoundBrowser, app: App, outside: Outside
) -> None:
    assert problem_fragment(browser.comes_back("code=abc&state=somebody-elses")) == "incomplete"
    assert problem_fragment(browser.comes_back("error=access_denied&state=somebody-elses")) == "incomplete"
    assert browser.brings_code().status == "authorized", "a state that does not come back is let pass"


@pytest.mark.parametrize(("persona", "mode"), [("epic", "added"), ("cerner", "echo")])
def test_a_state_goes_to_the_vendor_as_it_came(persona: str, mode: str, app: App, outside: Outside) -> None:
    portal = outside.portal(persona)
    outside.set_scenario(portal.id, portal_state=mode)
    app.connected(portal)
    fields = {kind.fields for kind, _ in outside.requests() if kind.operation == "token"}
    assert all("state" in names for names in fields), fields


def test_without_a_state_none_is_sent(app: App, outside: Outside) -> None:
    app.connected(outside.portal("epic"))
    assert {kind.fields for kind, _ in outside.requests() if kind.operation == "token"} == {
        ("authorizationCode",)
    }


def test_a_redirector_that_forgot_the_browser_costs_the_attempt_nothing(app: App, outside: Outside) -> None:
    portal = outside.portal("cerner")
    link = app.started(portal)
    outside.set_scenario(portal.id, redirector="cookie-lost")
    with pytest.raises(Exception, match="no sign-in under way"):
        app.come_back(link)
    outside.set_scenario(portal.id, redirector="forward-all")
    assert link.status == ("pending", None)


# --- what only a test may know --------------------------------------------------------------------


def cookie_of(browser: Browser) -> str:
    """The cookie that binds a headless browser."""
    return str(next(c.value for c in browser._client.cookies.jar if c.name == "portico-connect"))


def session_of_unopened(link: Link) -> str:
    """The session of a link that nobody has opened: no browser has seen it yet."""
    return session_of(link.authorization_url.rpartition("/")[2])
