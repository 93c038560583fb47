"""The portals: each persona the whole browser way, PKCE, and requests that are wrong."""

import base64
import json
import re

import httpx
import pytest

from sandbox.browser import Browser, Stuck
from sandbox.outside import Outside
from tests.sandbox.client import CLIENT_URL, Client, query_of, resources_of


def test_the_epic_like_portal_needs_no_pkce_and_keeps_its_refresh_token(
    client: Client, outside: Outside
) -> None:
    portal = outside.portal("epic")
    connected = client.connect(portal)
    assert connected.callback["code"].count(".") == 2
    assert "state" not in connected.callback
    assert connected.reply["tokenExpires"] == "3600"
    for _ in range(2):
        refreshed = client.refresh(portal.id, connected.reply["refreshToken"]).json()
        assert refreshed["refreshToken"] == connected.reply["refreshToken"]
        assert refreshed["token"] != connected.reply["token"]


def test_the_cerner_like_portal_presets_state_and_never_reissues_its_refresh_token(
    client: Client, outside: Outside
) -> None:
    portal = outside.portal("cerner")
    connected = client.connect(portal)
    preset = query_of(client.row(portal)["derivedAuthUri"])["state"]
    assert connected.callback["state"] == preset
    assert connected.reply["tokenExpires"] == "570"
    for _ in range(2):
        refreshed = client.refresh(portal.id, connected.reply["refreshToken"]).json()
        assert refreshed["token"]
        assert "refreshToken" not in refreshed


def test_the_bluebutton_like_payer_rotates_and_has_negative_ids_and_odd_expiry(
    client: Client, outside: Outside
) -> None:
    portal = outside.portal("bluebutton")
    connected = client.connect(portal)
    assert len(connected.callback["code"]) == 1500
    assert re.fullmatch(r"-2014\d{10}", connected.reply["patId"])
    assert connected.reply["tokenExpires"] == "36000.52"
    refreshed = client.refresh(portal.id, connected.reply["refreshToken"]).json()
    assert refreshed["refreshToken"] != connected.reply["refreshToken"]
    assert client.refresh(portal.id, connected.reply["refreshToken"]).status_code == 500
    assert client.refresh(portal.id, refreshed["refreshToken"]).status_code == 200


def test_the_payer_without_refresh_tokens_says_nothing_about_expiry(client: Client, outside: Outside) -> None:
    reply = client.connect(outside.portal("no-refresh")).reply
    assert reply.keys() == {"patId", "token", "endpointId"}


def test_the_patient_id_may_be_inside_the_token_alone(client: Client, outside: Outside) -> None:
    connected = client.connect(outside.portal("patient-in-token"))
    assert "patId" not in connected.reply
    claims = connected.reply["token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["patient"]
    assert client.fetch(connected, resources=["Patient"]).json()["payload"]["entry"]


def test_the_plain_pkce_portal_takes_its_own_word(client: Client, outside: Outside) -> None:
    assert client.connect(outside.portal("plain-pkce")).reply["token"]


def test_the_failing_portal_returns_an_error_after_the_login(client: Client, outside: Outside) -> None:
    callback, _ = client.authorize(outside.portal("always-failing"))
    assert callback["error"] == "server_error"
    assert "code" not in callback


def test_the_payer_that_refuses_demographics_still_gives_claims(client: Client, outside: Outside) -> None:
    connected = client.connect(outside.portal("refuses-patient"))
    result = client.fetch(connected, resources=["Patient", "Coverage", "ExplanationOfBenefit"]).json()
    kinds = {entry["resource"]["resourceType"] for entry in result["payload"]["entry"]}
    assert "Patient" not in kinds
    assert "ExplanationOfBenefit" in kinds
    assert [error["status"] for error in result["errorData"]["errors"]] == [403]


@pytest.mark.parametrize(
    "name", ["Brightwater Eye Associates", "Foxglove Primary Care", "Granite Pass Hospital",
             "Ridgeline Orthopedics / Sports Medicine", "Tidewater Women's Health"],
)  # fmt: skip
def test_portals_with_odd_entries_can_be_connected(client: Client, outside: Outside, name: str) -> None:
    assert client.connect(outside.portal(name=name)).reply["token"]


def test_the_login_decides_whose_records_come(client: Client, outside: Outside) -> None:
    outside.set_scenario(profile="tiny")
    portal = outside.portal("epic")
    families = set()
    for username in ("james.okafor", "noah.lindqvist"):
        connected = client.connect(portal, username)
        payload = client.fetch(connected, resources=["Patient"]).json()["payload"]
        (patient,) = [one for one in resources_of(payload) if one["resourceType"] == "Patient"]
        assert patient["id"] == connected.reply["patId"]
        families.add(patient["name"][0]["family"])
    assert families == {"Okafor", "Lindqvist-Ødegård"}


def test_a_person_has_another_id_at_another_portal(client: Client, outside: Outside) -> None:
    ids = {
        client.connect(outside.portal(persona)).reply["patId"] for persona in ("epic", "cerner", "bluebutton")
    }
    assert len(ids) == 3


def test_denying_sends_access_denied_and_the_state_back(client: Client, outside: Outside) -> None:
    callback, _ = client.authorize(outside.portal("cerner"), decision="deny")
    assert callback["error"] == "access_denied"
    assert callback["error_description"]
    assert callback["state"]
    assert "code" not in callback


def test_a_wrong_password_shows_the_login_again(client: Client, outside: Outside) -> None:
    with pytest.raises(Stuck, match="not right"):
        client.authorize(outside.portal("epic"), password="guess")


def test_the_pages_have_stable_ids_and_no_script(client: Client, outside: Outside) -> None:
    url, _ = client.authorization_url(client.row(outside.portal("bluebutton")))
    with Browser() as browser:
        login = browser.open(url)
        consent = browser.submit(login, {"username": "james.okafor", "password": "broad-street-92"})
    assert all(f'id="{name}"' in login.text for name in ("username", "password", "login"))
    assert all(f'id="{name}"' in consent.text for name in ("allow", "deny", "withhold", "patient"))
    assert "James Chukwuemeka Okafor" in consent.text
    assert "<script" not in login.text + consent.text


def test_a_sign_in_page_is_over_after_its_decision(client: Client, outside: Outside) -> None:
    url, _ = client.authorization_url(client.row(outside.portal("epic")))
    with Browser() as browser:
        consent = browser.submit(
            browser.open(url), {"username": "james.okafor", "password": "broad-street-92"}
        )
        browser.submit(consent, {"decision": "allow"}, until=CLIENT_URL)
        assert "start again" in browser.submit(consent, {"decision": "allow"}).text


def authorize_url(outside: Outside, name: str, **changes: str | None) -> str:
    endpoint = next(one for one in outside.catalog if one.name == name)
    query = dict(part.split("=", 1) for part in outside.catalog.authorize_query(endpoint).split("&"))
    query |= {key: value for key, value in changes.items() if value is not None}
    for key in [key for key, value in changes.items() if value is None]:
        query.pop(key, None)
    base = outside.catalog.portal_url(endpoint).partition("?")[0]
    return f"{base}?{'&'.join(f'{key}={value}' for key, value in query.items())}"


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "someone-else"},
        {"redirect_uri": "https%3A%2F%2Fattacker.example%2F"},
        {"redirect_uri": None},
        {"client_id": None},
    ],
)
@pytest.mark.parametrize("name", ["Epic New", "Juniper Valley Clinic"])
def test_a_request_of_a_stranger_is_told_on_the_portals_own_page(
    outside: Outside, name: str, change: dict[str, str | None]
) -> None:
    reply = httpx.get(authorize_url(outside, name, **change))
    assert reply.status_code == 200
    assert "OAuth2 Error" in reply.text


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"code_challenge": "a" * 43, "code_challenge_method": None},
        {"code_challenge": "a" * 43, "code_challenge_method": "plain"},
        {"code_challenge": "too-short", "code_challenge_method": "S256"},
        {"code_challenge": "a" * 43, "code_challenge_method": "S256", "response_type": "token"},
    ],
)
def test_pkce_is_enforced_where_it_is_declared(outside: Outside, change: dict[str, str | None]) -> None:
    reply = httpx.get(authorize_url(outside, "Juniper Valley Clinic", **change))
    returned = query_of(reply.headers["Location"])
    assert returned["error"] == "invalid_request"
    assert returned["error_uri"]
    assert returned["state"]


def test_an_unknown_challenge_method_satisfies_nobody(client: Client, outside: Outside) -> None:
    with pytest.raises(Stuck, match="method is not available"):
        client.authorize(outside.portal(name="Mirador Heart & Vascular"))


def test_a_portal_that_signs_its_requests_notices_a_changed_byte(client: Client, outside: Outside) -> None:
    row = client.row(outside.portal(name="Ridgeline Orthopedics / Sports Medicine"))
    url, _ = client.authorization_url({**row, "redirectUri": row["redirectUri"].replace("%252f", "%252F")})
    with Browser() as browser:
        assert "altered on its way" in browser.open(url).text


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("missing", None), ("changed", "different"), ("echo", "same")],
)
def test_the_state_that_returns_is_a_choice(
    client: Client, outside: Outside, choice: str, expected: str | None
) -> None:
    portal = outside.portal("cerner")
    outside.set_scenario(portal.id, portal_state=choice)
    callback, verifier = client.authorize(portal)
    preset = query_of(client.row(portal)["derivedAuthUri"])["state"]
    returned = callback.get("state")
    assert expected == (None if returned is None else "same" if returned == preset else "different")
    assert client.exchange(portal.id, callback, verifier).status_code == 200


def test_a_state_may_come_that_nobody_sent(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, portal_state="added")
    assert client.connect(portal).callback["state"]


def test_a_portal_may_never_send_the_patient_back(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, consent="abandon")
    with pytest.raises(Stuck, match="close this window"):
        client.authorize(portal)


def test_a_portal_may_be_temporarily_unavailable(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, consent="temporarily-unavailable")
    assert client.authorize(portal)[0]["error"] == "temporarily_unavailable"
