"""The redirector: its memory is one cookie, and what it forwards is a choice."""

import httpx
import pytest

from sandbox.browser import Browser
from sandbox.outside import Outside
from tests.sandbox.client import CLIENT_URL, Client, query_of


@pytest.mark.parametrize("query", ["", "portalURL=http%3A%2F%2F127.0.0.1%2F", "portalURL=/x&clientURL=/y"])
def test_an_outbound_hop_needs_two_complete_addresses(outside: Outside, query: str) -> None:
    reply = httpx.get(f"{outside.urls.redirector}/outbound/?{query}")
    assert reply.status_code == 400
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "Set-Cookie" not in reply.headers


def test_it_sends_the_browser_to_the_portal_address_byte_for_byte(client: Client, outside: Outside) -> None:
    portal = outside.portal(name="Ridgeline Orthopedics / Sports Medicine")
    url, _ = client.authorization_url(client.row(portal))
    reply = httpx.get(url)
    endpoint = outside.catalog.get(portal.id)
    assert endpoint is not None
    assert reply.status_code == 302
    assert reply.headers["Location"] == outside.catalog.portal_url(endpoint)
    assert "HttpOnly" in reply.headers["Set-Cookie"]
    assert "SameSite=Lax" in reply.headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/inbound/", "/fhir/inbound"])
def test_an_inbound_hop_without_the_cookie_goes_nowhere(outside: Outside, path: str) -> None:
    reply = httpx.get(f"{outside.urls.redirector}{path}?code=c0de&state=s")
    assert reply.status_code == 400
    assert "c0de" not in reply.text


def test_the_last_outbound_hop_of_a_browser_wins(client: Client, outside: Outside) -> None:
    row = client.row(outside.portal("epic"))
    first, _ = client.authorization_url(row, client_url="http://127.0.0.1:9/first")
    second, _ = client.authorization_url(row, client_url="http://127.0.0.1:9/second?keep=1")
    with Browser() as browser:
        page = browser.open(first)
        browser.open(second)
        filled = {"username": "james.okafor", "password": "broad-street-92"}
        page = browser.submit(page, filled)
        arrived = browser.submit(page, {"decision": "allow"}, until="http://127.0.0.1:9/").url
    assert arrived.startswith("http://127.0.0.1:9/second?keep=1&code=")


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("forward-all", ["code", "state"]),
        ("code-and-state-only", ["code", "state"]),
        ("strip-state", ["code"]),
        ("extra-parameters", ["code", "state", "iss", "scope", "session_state", "status"]),
        ("scanned", ["code", "state"]),
    ],
)
def test_it_forwards_what_its_mode_says(
    client: Client, outside: Outside, mode: str, names: list[str]
) -> None:
    portal = outside.portal("cerner")
    outside.set_scenario(portal.id, redirector=mode)
    url, verifier = client.authorization_url(
        client.row(portal), client_url=f"{outside.urls.webhooks}/received"
    )
    with Browser() as browser:
        arrived = browser.sign_in(url, "james.okafor", until=outside.urls.webhooks)
    callback = query_of(arrived)
    assert list(callback) == names
    assert client.exchange(portal.id, callback, verifier).status_code == 200


def test_it_may_drop_the_portals_errors(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, redirector="code-and-state-only")
    callback, _ = client.authorize(portal, decision="deny")
    assert callback == {}


def test_it_may_lose_the_cookie(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, redirector="cookie-lost")
    with pytest.raises(Exception, match="no sign-in under way"):
        client.authorize(portal)


def test_it_may_make_the_browser_call_twice(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, redirector="twice")
    url, _ = client.authorization_url(client.row(portal))
    with Browser() as browser:
        page = browser.submit(browser.open(url), {"username": "james.okafor", "password": "broad-street-92"})
        page = browser.submit(page, {"decision": "allow"})
    assert page.text.count(f"{CLIENT_URL}?code=") == 3
