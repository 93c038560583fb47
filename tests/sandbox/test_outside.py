"""The sandbox as a whole: its control API, identity provider, webhook receiver, and where it listens."""

import ast
import asyncio
import re
from pathlib import Path

import httpx
import jwt
import pytest

import sandbox
from sandbox.clock import Clock
from sandbox.outside import Outside, OutsideSettings, start
from tests.sandbox.client import Client


def test_every_server_has_an_address_of_its_own_on_loopback(outside: Outside) -> None:
    urls = list(vars(outside.urls).values())
    assert len(set(urls)) == 7
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+", url) for url in urls)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_it_refuses_to_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        asyncio.run(start(OutsideSettings(host=host)))


def test_it_listens_on_the_ports_given_and_stops_twice_without_harm() -> None:
    async def scenario() -> None:
        async with await start() as first:
            port = int(first.urls.control.rpartition(":")[2])
        async with await start(OutsideSettings(ports={"control": port})) as second:
            assert second.urls.control.endswith(f":{port}")
            await second.stop()

    asyncio.run(scenario())


def test_the_sandbox_knows_nothing_of_the_product() -> None:
    root = Path(sandbox.__file__).parent
    ours = [*root.glob("*.py"), *root.glob("onerecord/*.py"), *root.glob("portals/*.py")]
    for path in ours:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] == "portico" for name in names), path


def test_the_clock_only_moves_forward() -> None:
    clock = Clock()
    before = clock.now()
    clock.advance(3600)
    assert clock.now() >= before + 3600
    with pytest.raises(ValueError, match="advance"):
        clock.advance(-1)


# --- control ---


def test_scenarios_are_set_and_reset_over_http(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    url = outside.urls.control
    reply = httpx.post(f"{url}/scenario", json={"endpointId": portal.id, "set": {"pending": "202"}})
    assert reply.status_code == 200
    assert outside.scenario(portal.id).pending == "202"
    faults = [{"operation": "search", "answer": "503", "calls": 1}]
    assert (
        httpx.post(f"{url}/scenario", json={"endpointId": "*", "set": {"faults": faults}}).status_code == 200
    )
    base = f"{outside.urls.directory}/directory/v1/client/endpoint/clinical/search/epic"
    assert [client.http.get(base).status_code for _ in range(2)] == [503, 200]
    assert httpx.post(f"{url}/reset").status_code == 200
    assert outside.scenario(portal.id).pending == "404"
    schema = httpx.get(f"{url}/scenario").json()
    assert "pending" in schema["$defs"]["Scenario"]["properties"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/scenario", '{"endpointId": "*", "set": {"pending": "maybe"}}'),
        ("/scenario", '{"endpointId": "nowhere", "set": {}}'),
        ("/scenario", '{"endpoint": "*"}'),
        ("/scenario", "{"),
        ("/scenario", "[]"),
        ("/clock", '{"advance": -1}'),
        ("/clock", '{"advance": "1"}'),
        ("/grants", '{"action": "dance"}'),
    ],
)
def test_a_wrong_control_request_is_400_and_says_why(outside: Outside, path: str, body: str) -> None:
    reply = httpx.post(outside.urls.control + path, content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_requests_are_counted_without_their_secrets(client: Client, outside: Outside) -> None:
    outside.set_scenario(profile="tiny")
    connected = client.connect(outside.portal("cerner"))
    client.fetch(connected, resources=["Patient"])
    client.fetch(connected, resources=["Patient"])
    seen = httpx.get(f"{outside.urls.control}/requests")
    assert outside.count("fetch", connected.portal.id, 200) == 2
    assert outside.most_at_once("fetch", connected.portal.id) == 1
    (fetched,) = [one for one in seen.json()["requests"] if one["operation"] == "fetch"]
    assert fetched == {
        "service": "integrator",
        "operation": "fetch",
        "endpoint": connected.portal.id,
        "method": "POST",
        "path": "/integrator/v1/fhir/resources/{endpoint}",
        "status": 200,
        "fields": ["oauthToken", "patientId", "resources"],
        "count": 2,
    }
    secrets = {connected.reply["token"], connected.reply["refreshToken"], connected.callback["code"]}
    assert not any(secret in seen.text for secret in secrets)
    assert connected.reply["patId"] not in seen.text


def test_the_clock_is_moved_and_grants_are_ended_over_http(client: Client, outside: Outside) -> None:
    outside.set_scenario(profile="tiny")
    connected = client.connect(outside.portal("epic"))
    before = outside.clock.now()
    assert httpx.post(f"{outside.urls.control}/clock", json={"advance": 90}).json()["now"] >= before + 90
    ended = httpx.post(
        f"{outside.urls.control}/grants", json={"endpointId": connected.portal.id, "action": "expire"}
    )
    assert ended.json()["grants"] >= 1
    assert client.fetch(connected).status_code == 401


def test_the_portals_are_listed_with_who_can_sign_in(outside: Outside) -> None:
    portals = httpx.get(f"{outside.urls.control}/portals").json()["portals"]
    assert portals[0] == {
        "id": "8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f",
        "name": "Epic New",
        "dataType": "clinical",
        "status": "active",
        "persona": "epic",
        "usernames": portals[0]["usernames"],
    }
    assert "maria.alvarez" in portals[0]["usernames"]
    assert len({one["persona"] for one in portals}) == 8


# --- identity provider ---


def verified(outside: Outside, token: str) -> dict[str, object]:
    discovery = httpx.get(f"{outside.urls.issuer}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == outside.urls.issuer
    (key,) = httpx.get(discovery["jwks_uri"]).json()["keys"]
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    claims: dict[str, object] = jwt.decode(
        token, jwt.PyJWK(key).key, algorithms=["RS256"], audience="portico", issuer=outside.urls.issuer
    )
    return claims


def test_its_tokens_verify_by_discovery_alone(outside: Outside) -> None:
    claims = verified(outside, outside.mint_token("alice"))
    assert claims.keys() >= {"iss", "sub", "aud", "scope", "iat", "nbf", "exp", "jti"}
    assert (claims["sub"], claims["scope"]) == ("alice", "portico/app")


def test_tokens_come_over_http_too(outside: Outside) -> None:
    asked = {"sub": "bob", "scope": "other", "expiresIn": 60, "claims": {"family_name": "Okafor"}}
    reply = httpx.post(f"{outside.urls.issuer}/token", json=asked).json()
    claims = verified(outside, reply["access_token"])
    assert (claims["sub"], claims["scope"], claims["family_name"]) == ("bob", "other", "Okafor")
    assert httpx.post(f"{outside.urls.issuer}/token", json={"scope": "x"}).status_code == 400
    assert httpx.post(f"{outside.urls.issuer}/token", content=b"[]").status_code == 400


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"aud": "someone-else"}, jwt.InvalidAudienceError),
        ({"iss": "https://issuer.example"}, jwt.InvalidIssuerError),
        ({"exp": 1}, jwt.ExpiredSignatureError),
        ({"nbf": 4_102_444_800}, jwt.ImmatureSignatureError),
        ({"aud": None}, jwt.MissingRequiredClaimError),
    ],
)
def test_bad_tokens_can_be_made(outside: Outside, claims: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        verified(outside, outside.mint_token("mallory", claims=claims))


# --- webhook receiver ---


def test_the_webhook_receiver_keeps_what_came(outside: Outside) -> None:
    url = outside.urls.webhooks
    reply = httpx.post(f"{url}/hooks/portico", content=b'{"type":"x"}', headers={"webhook-id": "msg_1"})
    assert reply.status_code == 204
    (received,) = httpx.get(f"{url}/received").json()["received"]
    assert (received["path"], received["body"]) == ("/hooks/portico", '{"type":"x"}')
    assert received["headers"]["webhook-id"] == "msg_1"
    assert outside.webhooks.received[0].path == "/hooks/portico"
