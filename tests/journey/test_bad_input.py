"""Input that is wrong: 400 naming the field, nothing repeated, nothing changed."""

import json
from typing import Any

import httpx
import pytest

from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey.app import App, Link, refused

NUL = "a" + chr(0) + "b"


def names(answer: httpx.Response, field: str) -> bool:
    """Whether the answer is a refusal that tells which field is wrong."""
    return refused(answer) == (400, "invalid-request") and answer.json()["detail"].startswith(f"{field} ")


def raw(app: App, path: str, body: str | bytes, **headers: str) -> httpx.Response:
    return app.http.post(path, content=body, headers={"Content-Type": "application/json", **headers})


def start_of(outside: Outside, app: App, **changes: Any) -> dict[str, Any]:
    portal = outside.portal("epic")
    body = {"portalId": portal.id, "dataType": portal.data_type, "returnUrl": app.return_url} | changes
    return {name: value for name, value in body.items() if value is not ...}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"q": "x" * 101}, "q"),
        ({"q": NUL}, "q"),
        ({"cursor": "not a cursor"}, "cursor"),
        ({"cursor": "e30"}, "cursor"),
        ({"cursor": "WzEsMl0"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "x" * 5000}, "cursor"),
        ({"cursor": "ü"}, "cursor"),
    ],
    ids=str,
)
def test_a_wrong_parameter_of_a_search_is_named(
    parameters: dict[str, str], field: str, app: App, outside: Outside
) -> None:
    assert names(app.search("clinical", **parameters), field)
    assert outside.count("search") == 0


@pytest.mark.parametrize("data_type", ["dental", "CLINICAL", "%20clinical", "clinical%00"])
def test_another_kind_of_data_is_refused(data_type: str, app: App, outside: Outside) -> None:
    answer = app.search(data_type)
    assert names(answer, "dataType") or refused(answer) == (404, "not-found")
    assert outside.count("search") == 0


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"cursor": "not a cursor"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "x" * 5000}, "cursor"),
        ({"cursor": "WyIxIiwiMiJd"}, "cursor"),
        ({"cursor": "WyJuYW4iLCJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIl0"}, "cursor"),
        ({"cursor": "ü"}, "cursor"),
    ],
    ids=str,
)
def test_a_wrong_parameter_of_the_list_is_named(parameters: dict[str, str], field: str, app: App) -> None:
    assert names(app.get("/v1/connections", **parameters), field)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"portalId": ...}, "portalId"),
        ({"dataType": ...}, "dataType"),
        ({"returnUrl": ...}, "returnUrl"),
        ({"portalId": 7}, "portalId"),
        ({"portalId": None}, "portalId"),
        ({"portalId": ["a"]}, "portalId"),
        ({"portalId": "no-such-portal"}, "portalId"),
        ({"portalId": ""}, "portalId"),
        ({"portalId": NUL}, "portalId"),
        ({"portalId": "../../secret"}, "portalId"),
        ({"portalId": "x" * 2000}, "portalId"),
        ({"dataType": "dental"}, "dataType"),
        ({"dataType": "payer"}, "portalId"),
        ({"dataType": True}, "dataType"),
        ({"returnUrl": "https://evil.example/"}, "returnUrl"),
        ({"returnUrl": "javascript:alert(1)"}, "returnUrl"),
        ({"returnUrl": ""}, "returnUrl"),
        ({"extra": 1}, "extra"),
        ({"owner": "somebody"}, "owner"),
        ({"<script>": 1}, "body"),
    ],
    ids=str,
)
def test_a_wrong_field_of_a_start_is_named_and_nothing_begins(
    changes: dict[str, Any], field: str, app: App, outside: Outside
) -> None:
    answer = app.post("/v1/connections", start_of(outside, app, **changes))
    assert names(answer, field), answer.text
    assert "evil" not in answer.text and "script" not in answer.text and "secret" not in answer.text
    assert app.get("/v1/connections").json()["connections"] == []


@pytest.mark.parametrize("tail", ["?x=1", "#x", "x", "../app/", "%2e%2e/"])
def test_a_return_url_is_compared_whole(tail: str, app: App, outside: Outside) -> None:
    body = start_of(outside, app, returnUrl=app.return_url + tail)
    assert names(app.post("/v1/connections", body), "returnUrl")


@pytest.mark.parametrize("status", ["inactive", "unsupported"])
def test_a_portal_that_cannot_be_connected_to_is_refused(status: str, app: App, outside: Outside) -> None:
    found = [p for p in app.search("clinical", limit="100").json()["portals"] if p["status"] == status]
    assert found, "the directory has one"
    answer = app.post("/v1/connections", start_of(outside, app, portalId=found[0]["id"]))
    assert names(answer, "portalId") and status in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "7",
        "NaN",
        '{"portalId": NaN}',
        "[" * 50_000,
        b"\xff\xfe{}",
        '{"a": ' * 30_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_object_is_refused(body: str | bytes, app: App) -> None:
    answer = raw(app, "/v1/connections", body)
    assert refused(answer) == (400, "invalid-request"), answer.text


def test_a_field_given_twice_is_refused(app: App, outside: Outside) -> None:
    text = json.dumps(start_of(outside, app))[:-1] + ', "portalId": "another"}'
    assert names(raw(app, "/v1/connections", text), "portalId")
    assert names(raw(app, f"/v1/connections/{'A' * 22}/token", '{"handle": "a", "handle": "b"}'), "handle")


def test_a_body_over_64_kb_is_refused(app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    for path in ("/v1/connections", f"/v1/connections/{link.id}/token", f"/v1/connections/{link.id}/records"):
        assert names(raw(app, path, '{"handle": "' + "x" * 65_536 + '"}'), "body"), path
    assert names(raw(app, "/v1/connections", b" " * 65_537), "body")
    assert link.exchange().status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "handle"), ({"handle": 5}, "handle"), ({"handle": None}, "handle"), ({"handle": "a", "b": 1}, "b")],
    ids=str,
)
def test_a_wrong_field_of_an_exchange_is_named_and_counts_for_nothing(
    body: dict[str, Any], field: str, app: App, outside: Outside
) -> None:
    link = app.authorized(outside.portal("cerner"))
    for _ in range(7):
        assert names(app.post(f"/v1/connections/{link.id}/token", body), field)
    assert link.exchange().status_code == 200


def test_a_wrong_field_of_a_reconnect_is_named(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("cerner"))
    path = f"/v1/connections/{link.id}/reconnect"
    assert names(app.post(path, {}), "returnUrl")
    assert names(app.post(path, {"returnUrl": "https://evil.example/"}), "returnUrl")
    assert names(app.post(path, {"returnUrl": app.return_url, "portalId": "x"}), "portalId")


@pytest.fixture(scope="module")
def link(world: World) -> Link:
    """A connection that bad requests cannot change."""
    app = App(world.api, world.token("user-of-bad-filters"))
    return app.connected(world.outside.portal("epic"))


FROM, TO = "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"resources": []}, "resources"),
        ({"resources": "Patient"}, "resources"),
        ({"resources": ["Observation"]}, "resources"),
        ({"resources": ["patient"]}, "resources"),
        ({"resources": ["Patient", "Patient"]}, "resources"),
        ({"resources": [1]}, "resources"),
        ({"resources": [None]}, "resources"),
        ({"resources": [["Patient"]]}, "resources"),
        ({"resources": [{"a": 1}]}, "resources"),
        ({"resources": None}, "resources"),
        ({"params": []}, "params"),
        ({"params": {"since": FROM}}, "params"),
        ({"params": {"fromTime": 1735689600}}, "params.fromTime"),
        ({"params": {"fromTime": "yesterday"}}, "params.fromTime"),
        ({"params": {"fromTime": "2025-01-01"}}, "params.fromTime"),
        ({"params": {"fromTime": "2025-01-01T00:00:00"}}, "params.fromTime"),
        ({"params": {"toTime": "2025-13-01T00:00:00Z"}}, "params.toTime"),
        ({"params": {"fromTime": TO, "toTime": FROM}}, "params.fromTime"),
        ({"params": {"excludeUndatedEntries": "yes"}}, "params.excludeUndatedEntries"),
        ({"params": {"excludeUndatedEntries": 1}}, "params.excludeUndatedEntries"),
        ({"patientId": "7"}, "patientId"),
        ({"oauthToken": "t"}, "oauthToken"),
    ],
    ids=str,
)
def test_a_wrong_filter_is_named_and_nothing_is_asked_of_the_vendor(
    body: dict[str, Any], field: str, link: Link, outside: Outside
) -> None:
    path = f"/v1/connections/{link.id}/records"
    assert names(link.app.post(path, body), field)
    assert names(link.app.post(path, body, Prefer="respond-async"), field)
    assert outside.count("fetch") == outside.count("start") == 0
    assert link.read()["lastRetrieval"] is None


def test_times_are_only_for_retrievals(link: Link, outside: Outside) -> None:
    answer = link.app.records(link.id, "Labs", params={"fromTime": FROM, "toTime": TO})
    assert names(answer, "params") and "respond-async" in answer.json()["detail"]


def test_a_file_that_is_not_of_the_retrieval_is_not_found(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"))
    done = link.retrieve("Patient")
    for name in ("Nothing.ndjson", "Patient", "patient.ndjson", "%2e%2e", "Patient.ndjson%00"):
        assert refused(app.get(f"{done.url.path}/files/{name}")) == (404, "not-found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_other_methods_are_no_routes(method: str, app: App) -> None:
    answer = httpx.request(
        method, f"{app.api}/v1/connections/{'A' * 22}", headers=app.http.headers, trust_env=False
    )
    assert answer.status_code == 404
