"""Token exchange and refresh: what is checked, how a refusal is told, what a reply may lack."""

from typing import Any

import pytest

from sandbox.outside import Outside
from tests.sandbox.client import Client


@pytest.mark.parametrize(
    ("seconds", "form", "expected"),
    [
        (570, "string", "570"),
        (36000.52, "string", "36000.52"),
        (570, "integer", 570),
        (16768, "float", 16768.523842),
        (570, "zero", "0"),
        (570, "negative", "-1"),
        (570, "garbage", "soon"),
        (570, "absent", None),
    ],
)
def test_an_expiry_comes_in_every_form(
    client: Client, outside: Outside, seconds: float, form: str, expected: object
) -> None:
    outside.set_scenario(token_seconds=seconds, token_expires=form)
    assert client.connect(outside.portal("epic")).reply.get("tokenExpires") == expected


@pytest.mark.parametrize(
    ("choice", "kind"),
    [("given", str), ("number", int), ("absent", type(None)), ("null", type(None)), ("empty", str)],
)
def test_a_patient_id_comes_in_every_form(client: Client, outside: Outside, choice: str, kind: type) -> None:
    outside.set_scenario(patient_id=choice, profile="tiny")
    connected = client.connect(outside.portal("epic"))
    assert ("patId" in connected.reply) == (choice != "absent")
    assert isinstance(connected.reply.get("patId"), kind)
    assert client.fetch(connected, resources=["Patient"]).status_code == 200


@pytest.mark.parametrize(
    ("choice", "first", "second"),
    [
        ("static", "token", "same"),
        ("not-reissued", "token", "absent"),
        ("rotating", "token", "new"),
        ("empty", "token", "empty"),
        ("none", "absent", "absent"),
    ],
)
def test_a_refresh_token_is_kept_rotated_or_never_given(
    client: Client, outside: Outside, choice: str, first: str, second: str
) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, refresh=choice)
    reply = client.connect(portal).reply
    assert ("refreshToken" in reply) == (first == "token")
    if first == "token":
        again = client.refresh(portal.id, reply["refreshToken"]).json()
        told = again.get("refreshToken")
        described = {None: "absent", "": "empty", reply["refreshToken"]: "same"}.get(told, "new")
        assert described == second


@pytest.mark.parametrize(("form", "status"), [("500", 500), ("400", 400), ("401", 401), ("error-data", 200)])
def test_a_rejected_grant_is_told_in_every_form(
    client: Client, outside: Outside, form: str, status: int
) -> None:
    portal = outside.portal("bluebutton")
    reply = client.connect(portal).reply
    outside.set_scenario(portal.id, token_failure=form)
    client.refresh(portal.id, reply["refreshToken"])
    spent = client.refresh(portal.id, reply["refreshToken"])
    assert spent.status_code == status
    assert "invalid_grant" in spent.text
    assert "token" not in spent.json()
    assert ("errorData" in spent.json()) == (form == "error-data")


def test_a_code_is_good_once_at_its_own_endpoint_with_its_own_verifier(
    client: Client, outside: Outside
) -> None:
    portal, other = outside.portal("cerner"), outside.portal(name="Copperfield Regional Hospital")
    callback, verifier = client.authorize(portal)
    assert client.exchange(other.id, callback, verifier).status_code == 500
    assert client.exchange(portal.id, callback, None).status_code == 500
    assert client.exchange(portal.id, callback, "v" * 43).status_code == 500
    assert client.exchange(portal.id, {"code": callback["code"]}, verifier).status_code == 500
    assert client.exchange(portal.id, {**callback, "state": "other"}, verifier).status_code == 500
    assert client.exchange(portal.id, callback, verifier).status_code == 200
    again = client.exchange(portal.id, callback, verifier)
    assert (again.status_code, "already used" in again.text) == (500, True)


def test_a_code_dies_with_the_clock(client: Client, outside: Outside) -> None:
    callback, verifier = client.authorize(outside.portal("epic"))
    outside.clock.advance(301)
    assert "expired" in client.exchange(outside.portal("epic").id, callback, verifier).text


def test_an_access_token_dies_with_the_clock_and_a_refresh_revives_it(
    client: Client, outside: Outside
) -> None:
    outside.set_scenario(profile="tiny")
    portal = outside.portal("cerner")
    connected = client.connect(portal)
    assert client.fetch(connected).status_code == 200
    outside.clock.advance(571)
    assert client.fetch(connected).status_code == 401
    connected.reply |= client.refresh(portal.id, connected.reply["refreshToken"]).json()
    assert client.fetch(connected).status_code == 200


def test_tokens_can_be_ended_and_grants_withdrawn_at_once(client: Client, outside: Outside) -> None:
    outside.set_scenario(profile="tiny")
    portal = outside.portal("epic")
    connected = client.connect(portal)
    assert outside.expire_tokens(portal.id) >= 1
    assert client.fetch(connected).status_code == 401
    assert client.refresh(portal.id, connected.reply["refreshToken"]).status_code == 200
    outside.revoke_grants(portal.id)
    assert client.refresh(portal.id, connected.reply["refreshToken"]).status_code == 500


def test_a_rotated_token_can_be_lost_with_the_reply(client: Client, outside: Outside) -> None:
    portal = outside.portal("bluebutton")
    reply = client.connect(portal).reply
    outside.set_scenario(portal.id, faults=[{"operation": "refresh", "answer": "reset", "after": True}])
    with pytest.raises(Exception, match=r"(?i)reset|disconnected|closed"):
        client.refresh(portal.id, reply["refreshToken"])
    assert client.refresh(portal.id, reply["refreshToken"]).status_code == 500, "it was rotated"


def test_a_spent_token_may_have_a_time_of_grace(client: Client, outside: Outside) -> None:
    portal = outside.portal("bluebutton")
    outside.set_scenario(portal.id, refresh_grace_seconds=60)
    spent = client.connect(portal).reply["refreshToken"]
    client.refresh(portal.id, spent)
    assert client.refresh(portal.id, spent).status_code == 200
    outside.clock.advance(61)
    assert client.refresh(portal.id, spent).status_code == 500


def test_reuse_may_revoke_the_whole_family(client: Client, outside: Outside) -> None:
    portal = outside.portal("bluebutton")
    outside.set_scenario(portal.id, reuse_revokes_family=True, profile="tiny")
    connected = client.connect(portal)
    spent = connected.reply["refreshToken"]
    connected.reply |= client.refresh(portal.id, spent).json()
    assert client.refresh(portal.id, spent).status_code == 500
    assert client.refresh(portal.id, connected.reply["refreshToken"]).status_code == 500
    assert client.fetch(connected).status_code == 401


@pytest.mark.parametrize(
    ("choice", "member", "expected"),
    [("empty-token", "token", ""), ("other-endpoint", "endpointId", "another")],
)
def test_a_token_reply_may_be_unusable(
    client: Client, outside: Outside, choice: str, member: str, expected: str
) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, token_reply=choice)
    reply = client.connect(portal).reply
    assert reply[member] == expected or (expected == "another" and reply[member] != portal.id)


@pytest.mark.parametrize("body", [{}, {"authorizationCode": "c", "refreshToken": "r"}, [], "text", 7])
def test_a_body_without_exactly_one_grant_is_400(client: Client, outside: Outside, body: Any) -> None:
    url = f"{outside.urls.integrator}/integrator/v1/fhir/auth/{outside.portal('epic').id}/token"
    reply = client.http.post(url, json=body)
    assert (reply.status_code, reply.json()["path"]) == (400, url.removeprefix(outside.urls.integrator))


def test_bad_json_is_400_another_type_415_another_method_405_and_a_stranger_404(
    client: Client, outside: Outside
) -> None:
    base = f"{outside.urls.integrator}/integrator/v1/fhir/auth"
    url = f"{base}/{outside.portal('epic').id}/token"
    headers = {"Content-Type": "application/json"}
    assert client.http.post(url, content=b"{", headers=headers).status_code == 400
    assert client.http.post(url, data={"refreshToken": "r"}).status_code == 415
    assert client.http.get(url).status_code == 405
    assert client.http.post(f"{base}/00000000-0000-0000-0000-000000000000/token", json={}).status_code == 404
    assert client.http.post(url, json={}, headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_device_that_is_not_linked_is_403(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, linked=False)
    assert client.refresh(portal.id, "r").status_code == 403
