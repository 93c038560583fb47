"""T07 to T11, T22 and T30: what the directory, the portals and the vendor say, read without trust."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import pytest

from portico import pkce
from portico.authorization_url import Redirectors, UnusableUrl, outbound
from sandbox.onerecord import charts
from sandbox.outside import Outside, PortalInfo
from sandbox.world.world import World
from tests.journey.app import App, BoundBrowser, refused
from tests.journey.test_vendor_faults import fault

type Unseen = Callable[..., PortalInfo]


def asked_of_the_portal(browser: BoundBrowser) -> str:
    """The address that the redirector sends the browser to."""
    query = urlsplit(browser.launched.headers["location"]).query
    return unquote(next(part for part in query.split("&") if part.startswith("portalURL=")).partition("=")[2])


def row_with(outside: Outside, **changes: str) -> dict[str, str]:
    """A directory row's redirectUri with parameters added to the portal's address."""
    base = f"{outside.urls.portals}/portal/somewhere/authorize?client_id=1&response_type=code"
    nested = base + "".join(f"&{name}={value}" for name, value in changes.items())
    return {"redirectUri": f"{outside.urls.redirector}/outbound/?portalURL={quote(nested, safe='')}"}


def not_connectable(app: App, portal: PortalInfo) -> bool:
    """Shown as unsupported, and refused; nothing was begun."""
    answer = app.start(portal)
    shown = [p for p in app.search(portal.data_type, q=portal.id).json()["portals"] if p["id"] == portal.id]
    assert refused(answer) == (400, "invalid-request") and "unsupported" in answer.json()["detail"]
    assert app.get("/v1/connections").json()["connections"] == []
    return [p["status"] for p in shown] == ["unsupported"]


# --- T07, T08 -------------------------------------------------------------------------------------


def test_t07_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert pkce.challenge(verifier, pkce.Method.S256) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_t07_urls_that_disagree_cannot_talk_us_down_to_plain(
    app: App, outside: Outside, unseen: Unseen
) -> None:
    derived = {"derivedAuthUri": f"{outside.urls.portals}/x?code_challenge_method=S256"}
    portal = unseen(**row_with(outside, code_challenge_method="plain"), **derived)
    asked = parse_qs(urlsplit(asked_of_the_portal(BoundBrowser(app.started(portal)))).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) == 43


@pytest.mark.parametrize("method", ["S512", "none", "S256+plain"])
def test_t07_an_unknown_method_is_never_taken_for_no_method(
    method: str, app: App, outside: Outside, unseen: Unseen
) -> None:
    assert not_connectable(app, unseen(**row_with(outside, code_challenge_method=method), derivedAuthUri=""))


def test_t07_a_verifier_is_new_for_each_attempt_and_where_it_is_said_aloud_it_is_not_stored(
    world: World, app: App, outside: Outside
) -> None:
    """A portal whose method is `plain` is told the verifier itself: in the browser's address, in no table."""
    table = world.stack.outputs["AttemptsTableName"]
    challenges = set()
    for _ in range(2):
        asked = parse_qs(
            urlsplit(asked_of_the_portal(BoundBrowser(app.started(outside.portal("plain-pkce"))))).query
        )
        challenges.add(asked["code_challenge"][0])
    assert len(challenges) == 2 and all(43 <= len(challenge) <= 128 for challenge in challenges)
    rows = repr(world.aws("dynamodb").scan(TableName=table)["Items"])
    assert not [challenge for challenge in challenges if challenge in rows]
    assert app.connected(outside.portal("plain-pkce")).status == ("active", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"response_mode": "fragment"},
        {"response_mode": "form_post"},
        {"response_mode": "web_message"},
        {"response_mode": "query.jwt"},
        {"response%5Fmode": "fragment"},
        {"response_mode": "query", "Response_mode": "x", "response%5fmode": "form_post"},
        {"response_type": "token"},
        {"response_type": "code%20id_token"},
    ],
    ids=str,
)
def test_t08_a_portal_that_would_answer_in_a_fragment_or_a_form_is_unsupported(
    changes: dict[str, str], app: App, outside: Outside, unseen: Unseen
) -> None:
    """Such an answer would pass through a page's script or a form, or would not come at all."""
    assert not_connectable(app, unseen(**row_with(outside, **changes), derivedAuthUri=""))


def test_t08_the_other_reading_of_the_vendors_guide_is_held_to_the_same() -> None:
    literal = Redirectors(frozenset({"redirector.onerecord.com"}), derived_replaces_portal_url=True)
    nested = quote("https://portal.example/authorize", safe="")
    derived = "https://portal.example/authorize?code_challenge_method=S256&response_mode=fragment"
    with pytest.raises(UnusableUrl, match="response mode"):
        outbound(f"https://redirector.onerecord.com/?portalURL={nested}", derived, "challenge", literal)


def test_t08_a_portal_that_names_the_usual_mode_is_fine(app: App, outside: Outside, unseen: Unseen) -> None:
    portal = unseen(**row_with(outside, response_mode="query"), derivedAuthUri="")
    assert asked_of_the_portal(BoundBrowser(app.started(portal))).endswith("&response_mode=query")


# --- T09 to T11 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        "https://evil.example/", "//evil.example/app/", "javascript:alert(1)", "{}@evil.example/", "{}/../../evil",
        "{}?next=//evil.example", "{}#@evil.example", "{}%2f", " {}", "{}\r\nLocation: //evil.example", "evil:{}",
    ],
)  # fmt: skip
def test_t09_a_browser_is_sent_to_no_return_url_but_the_deployed_ones(
    forged: str, app: App, outside: Outside
) -> None:
    portal = outside.portal("epic")
    body = {"portalId": portal.id, "dataType": portal.data_type, "returnUrl": forged.format(app.return_url)}
    answer = app.post("/v1/connections", body)
    assert refused(answer) == (400, "invalid-request") and answer.json()["detail"].startswith("returnUrl")
    assert "evil" not in answer.text


def test_t09_headers_that_name_another_host_change_no_address_of_ours(app: App, outside: Outside) -> None:
    evil = dict.fromkeys(
        ("X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Forwarded-Server"), "evil.example"
    )
    evil |= {
        "Forwarded": "host=evil.example;proto=https",
        "X-Forwarded-Prefix": "/evil",
        "Origin": "https://evil.example",
    }
    portal = outside.portal("epic")
    body = {"portalId": portal.id, "dataType": portal.data_type, "returnUrl": app.return_url}
    started = app.post("/v1/connections", body, **evil)
    launched = httpx.get(started.json()["authorizationUrl"], headers=evil, trust_env=False)
    wrong = httpx.get(f"{app.api}/connect/{'A' * 43}", headers=evil, trust_env=False)
    missing = app.http.get("/v1/connections/" + "A" * 22, headers=evil)
    told = started.text + str(launched.headers) + str(wrong.headers) + missing.text
    assert started.status_code == 201 and launched.status_code == 303
    assert "evil" not in told
    named = httpx.get(f"{app.api}/connect/{'A' * 43}", headers={"Host": "evil.example"}, trust_env=False)
    assert "evil" not in named.headers.get("location", "")


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/outbound/?portalURL={nested}",
        "http://{host}.evil.example/outbound/?portalURL={nested}",
        "http://{host}@evil.example/outbound/?portalURL={nested}",
        "http://user@{host}/outbound/?portalURL={nested}",
        "javascript:alert(1)//{host}/?portalURL={nested}",
        "http://{host}/outbound/?portalURL={nested}&clientURL=https%3A%2F%2Fevil.example",
        "http://{host}/outbound/?portalURL={nested}#",
        "http://{host}/outbound/?portalURL=javascript%3Aalert(1)",
        "http://{host}/outbound/?portalURL=ftp%3A%2F%2Fevil.example",
        "http://{host}/outbound/",
    ],
)
def test_t10_a_poisoned_directory_sends_no_browser_anywhere(
    redirect: str, app: App, outside: Outside, unseen: Unseen
) -> None:
    """The local world lets a portal be on loopback; what a deployment refuses besides is in the unit tests."""
    host, nested = (
        urlsplit(outside.urls.redirector).netloc,
        quote("https://portal.example/authorize", safe=""),
    )
    assert not_connectable(app, unseen(redirectUri=redirect.format(host=host, nested=nested)))


@pytest.mark.parametrize("persona", ["epic", "cerner", "bluebutton", "plain-pkce", "patient-in-token"])
def test_t11_the_portals_address_keeps_every_byte_but_the_challenge(
    persona: str, world: World, app: App
) -> None:
    portal = world.outside.portal(persona)
    endpoint = world.outside.catalog.get(portal.id)
    assert endpoint is not None
    given = world.outside.catalog.redirect_url(endpoint)
    location = BoundBrowser(app.started(portal)).launched.headers["location"]
    kept, _, client = location.rpartition("&clientURL=")
    assert unquote(client).startswith(f"{app.api}/oauth/callback/")
    assert kept.startswith(given) and "&" not in kept.removeprefix(given)
    names = set(parse_qs(unquote(kept.removeprefix(given))))
    assert names <= {"code_challenge", "code_challenge_method"}
    assert bool(names) is (endpoint.usable_method is not None)


# --- T22 ------------------------------------------------------------------------------------------


@pytest.fixture
def trap() -> Iterator[tuple[str, list[str]]]:
    """A server that nobody has a reason to call, and the paths that it was called with."""
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", called
        server.shutdown()
        thread.join()


def test_t22_no_address_that_the_vendor_or_a_portal_names_is_ever_called(
    trap: tuple[str, list[str]], app: App, outside: Outside
) -> None:
    """Documents by URL, next pages, redirects. Webhooks, which would call out, do not exist yet (T23)."""
    url, called = trap
    link = app.connected(outside.portal("epic"))

    def chart(_profile: str, patient: Any) -> list[dict[str, Any]]:
        attachment = {"contentType": "application/pdf", "url": f"{url}/document.pdf"}
        return [
            {"resourceType": "Patient", "id": patient.id, "photo": [{"url": f"{url}/photo"}]},
            {"resourceType": "DocumentReference", "id": "d", "content": [{"attachment": attachment}]},
            {"resourceType": "Bundle", "id": "b", "link": [{"relation": "next", "url": f"{url}/next"}]},
        ]

    charts._encoded.cache_clear()
    outside.set_scenario(link.portal.id, next_link=True, operation_outcome=True)
    with (
        mock.patch.object(charts, "chart", chart),
        mock.patch.object(charts, "select", lambda whole, *_: whole),
    ):
        at_once, later = link.fetch(), link.retrieve()
    charts._encoded.cache_clear()
    assert at_once.status_code == later.status_code == 200
    assert url in at_once.text, "the records are passed on as they are"
    outside.set_scenario(link.portal.id, faults=[fault("fetch", "redirect")])
    assert refused(link.fetch("Patient")) == (502, "portal-error")
    assert called == []


# --- T30 ------------------------------------------------------------------------------------------

HOSTILE = {
    "gzip-bomb": {"megabytes": 100},
    "flood": {"megabytes": 100},
    "deep": {},
    "not-a-number": {},
    "invalid-utf8": {},
    "duplicate-keys": {},
    "malformed": {},
    "wrong-type": {},
}


@pytest.mark.parametrize("answer", HOSTILE)
def test_t30_a_hostile_body_costs_its_request_and_nothing_else(
    answer: str, world: World, app: App, outside: Outside
) -> None:
    link = app.connected(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("fetch", answer, **HOSTILE[answer])])
    told = link.fetch("Patient")
    assert refused(told) == (502, "portal-error"), told.text
    assert len(told.content) < 1000
    assert link.status == ("active", None)
    assert link.fetch("Patient").status_code == 200
    assert world.peak_memory("retrieve_records") < 250 * 1024 * 1024


def test_t30_a_hostile_result_ends_its_retrieval_with_a_reason(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("cerner"))
    for answer in ("deep", "not-a-number", "invalid-utf8"):
        outside.set_scenario(link.portal.id, faults=[fault("retrieve", answer, calls=9)])
        over = link.retrieve("Patient")
        assert refused(over) == (502, "portal-error"), answer
        assert json.dumps(over.json()).isascii()
    outside.set_scenario(link.portal.id, faults=[])
    assert link.retrieve("Patient").status_code == 200
