"""The front: the API at a clean root path, the local routes, the patient app."""

import http.client
import json
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.world.world import World


def client(world: World) -> httpx.Client:
    return httpx.Client(base_url=world.api, trust_env=False)


def bearer(world: World, **changes: object) -> dict[str, str]:
    token = world.token("alice", **changes)  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {token}"}


def raw(world: World, target: str) -> dict[str, str]:
    """The event that a request with exactly this target becomes."""
    connection = http.client.HTTPConnection(urlsplit(world.api).netloc, timeout=10)
    try:
        connection.putrequest("GET", target, skip_accept_encoding=True)
        connection.endheaders()
        event: dict[str, str] = json.loads(connection.getresponse().read())
        return event
    finally:
        connection.close()


# --- the API


def test_a_route_with_the_authorizer_wants_a_token_with_the_scope(world: World) -> None:
    with client(world) as api:
        assert api.get("/guarded/x").status_code == 401
        assert api.get("/guarded/x", headers={"Authorization": "Bearer nonsense"}).status_code == 401
        assert api.get("/guarded/x", headers=bearer(world, scope="other/scope")).status_code == 403
        assert api.get("/guarded/x", headers=bearer(world, claims={"aud": "another"})).status_code == 401
        assert api.get("/guarded/x", headers=bearer(world, expires_in=-60)).status_code == 401
        assert api.get("/guarded/x", headers=bearer(world)).status_code == 200


def test_a_401_says_how_to_authenticate(world: World) -> None:
    with client(world) as api:
        assert api.get("/guarded/x").headers["WWW-Authenticate"] == "Bearer"
        refused = api.get("/guarded/x", headers={"Authorization": "Bearer nonsense"})
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_public_route_needs_no_token(world: World) -> None:
    with client(world) as api:
        assert api.get("/open/x").status_code == 200


def test_what_is_no_route_is_404(world: World) -> None:
    with client(world) as api:
        assert (api.get("/nowhere").status_code, api.get("/").status_code) == (404, 404)


@pytest.mark.parametrize(
    "target",
    [
        "/open/a%2Fb?x=%2F&x=2&&y=a+b%20c&z",
        "/open/a/../b/./c?redirect=https://a.example/?q=1#2"[:-2],
        "/open//twice?",
        "/open/%C3%BC?name=%E4%F6&=&==",
        "/open/q?code=a%0Ab&state=%00",
    ],
)
def test_path_and_query_arrive_byte_for_byte(world: World, target: str) -> None:
    path, _, query = target.partition("?")
    event = raw(world, target)
    assert event["rawQueryString"] == query
    assert "%" in path or event["rawPath"] == path


@settings(max_examples=40, deadline=None)
@given(query=st.text(alphabet="abz019-._~!$&'()*+,;=:@/?%20E4", max_size=60))
def test_any_query_arrives_byte_for_byte(world: World, query: str) -> None:
    assert raw(world, f"/open/x?{query}")["rawQueryString"] == query


def test_headers_go_both_ways_several_cookies_included(world: World) -> None:
    with client(world) as api:
        answer = api.get("/open/x", headers={"X-Mine": "1", "Cookie": "a=1; b=2", "Prefer": "respond-async"})
    event = answer.json()
    assert event["headers"]["x-mine"] == "1"
    assert event["headers"]["prefer"] == "respond-async"
    assert event["cookies"] == ["a=1", "b=2"]
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; HttpOnly"]
    assert answer.headers["x-probe"] == "yes"


def test_the_headers_of_the_edge_cannot_be_forged(world: World) -> None:
    forged = {"X-Forwarded-Proto": "http", "X-Forwarded-Port": "1", "X-Forwarded-For": "6.6.6.6"}
    with client(world) as api:
        event = api.get("/open/x", headers=forged).json()
    assert event["headers"]["x-forwarded-proto"] == "https"
    assert event["headers"]["x-forwarded-port"] == "443"
    assert event["headers"]["x-forwarded-for"] == "6.6.6.6, 127.0.0.1"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_a_body_arrives_as_it_was_sent(world: World) -> None:
    with client(world) as api:
        event = api.post(
            "/open/x", content=b'{"a": "\xc3\xbc"}', headers={"Content-Type": "application/json"}
        ).json()
        assert (event["body"], event["isBase64Encoded"]) == ('{"a": "ü"}', False)
        event = api.post("/open/x", content=b"\x00\xff", headers={"Content-Type": "application/pdf"}).json()
        assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)


def test_a_body_over_the_edges_limit_is_413(world: World) -> None:
    with client(world) as api:
        assert api.post("/open/x", content=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413


def test_a_redirect_is_passed_on_and_not_followed(world: World) -> None:
    with client(world) as api:
        answer = api.get("/open/elsewhere", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/open/nowhere")


def test_a_compressed_answer_is_passed_on_as_it_is(world: World) -> None:
    with client(world) as api, api.stream("GET", "/open/compressed") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert b"".join(answer.iter_raw()) == b"\x1f\x8b not really gzip"


# --- local routes


def test_the_status_tells_where_everything_is(world: World) -> None:
    with client(world) as api:
        status = api.get("/_local/status").json()
    assert status["ready"] is True
    assert status["api"] == world.api
    assert status["app"] == f"{world.api}/app/"
    assert {"issuer", "onerecord", "portals", "webhooks", "control"} <= status.keys()


def test_a_token_of_the_identity_provider_opens_the_api(world: World) -> None:
    with client(world) as api:
        token = api.post("/_local/token", json={"sub": "bob", "claims": {"birthdate": "1968-03-01"}}).json()
        event = api.get("/guarded/x", headers={"Authorization": f"Bearer {token['access_token']}"}).json()
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    assert (claims["sub"], claims["birthdate"]) == ("bob", "1968-03-01")


def test_an_event_reaches_the_bus_of_the_stack(world: World) -> None:
    with client(world) as api:
        answer = api.post(
            "/_local/events", json={"detailType": "retrieval.requested", "detail": {"connectionId": "c"}}
        )
    assert answer.status_code == 200
    assert answer.json()["eventId"]


def test_the_clock_moves_for_the_sandbox(world: World) -> None:
    before = world.outside.clock.now()
    with client(world) as api:
        assert api.post("/_local/clock", json={"advance": 7200}).status_code == 200
    assert 7200 <= world.outside.clock.now() - before < 7260


def test_the_log_has_what_a_function_wrote(world: World) -> None:
    world.aws("lambda").invoke(
        FunctionName=world.stack.physical_ids["ProbeFunction"],
        Payload=b'{"do": "log", "text": "written for a test"}',
    )
    with client(world) as api:
        for name in ("probe", "ProbeFunction"):
            lines = api.get("/_local/log", params={"function": name, "since": "2026-01-01T00:00:00Z"}).json()[
                "lines"
            ]
            mine = [line for line in lines if "written for a test" in line["message"]]
            assert mine[0]["function"] == "probe"
            assert mine[0]["time"].endswith("Z")
        assert api.get(
            "/_local/log", params={"function": "probe", "since": "2099-01-01T00:00:00Z"}
        ).json() == {"lines": []}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/_local/token", "{", "JSON"),
        ("/_local/token", "[]", "object"),
        ("/_local/token", "{}", "sub is missing"),
        ("/_local/token", '{"sub": 1}', "sub has the wrong type"),
        ("/_local/token", '{"sub": "a", "role": "b"}', "unknown field role"),
        ("/_local/events", '{"detailType": "x"}', "detail is missing"),
        ("/_local/clock", '{"advance": true}', "advance has the wrong type"),
        ("/_local/clock", '{"advance": -1}', "advance"),
    ],
)
def test_bad_input_to_a_local_route_is_400_and_says_what(
    world: World, path: str, body: str, told: str
) -> None:
    with client(world) as api:
        answer = api.post(path, content=body)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


@pytest.mark.parametrize("headers", [{"Host": "portico.evil.example"}, {"Origin": "https://evil.example"}])
def test_a_local_route_answers_this_machine_only(world: World, headers: dict[str, str]) -> None:
    with client(world) as api:
        assert api.post("/_local/token", json={"sub": "alice"}, headers=headers).status_code == 403


def test_an_unknown_local_route_never_reaches_the_api(world: World) -> None:
    with client(world) as api:
        assert api.get("/_local/nowhere").status_code == 404


# --- the patient app


def test_a_browser_at_the_root_is_sent_to_the_app(world: World) -> None:
    with client(world) as api:
        answer = api.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, f"{world.api}/app/")


@pytest.mark.parametrize(
    "path", ["/app/../world/run.py", "/app/%2e%2e/world/run.py", "/app/..%2fworld%2frun.py"]
)
def test_no_file_outside_the_app_is_served(world: World, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(world.api).netloc, timeout=10)
    connection.putrequest("GET", path)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status in (404, 302)
    assert b"asyncio" not in answer.read()
    connection.close()
