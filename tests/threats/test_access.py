"""T17, T18, T20, T23, T27 to T29, T31 and T32: who may do what, how often, and what they leave behind."""

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey.app import App, BoundBrowser, Link, refused, tables, wait_for
from tests.journey.leaks import log_lines
from tests.journey.test_access import UNACCEPTABLE
from tests.threats.conftest import NewApp
from tests.threats.swaps import VICTIM

WRITES = (
    "Put",
    "Update",
    "Delete",
    "Transact",
    "BatchWrite",
    "Send",
    "Start",
    "Generate",
    "Encrypt",
    "Create",
)
ROUNDS = 3
PUBLIC = {"GET /connect/{ticket}", "GET /connect/problem", "GET /oauth/callback/{session}"}


def routes(world: World) -> list[dict[str, Any]]:
    """The routes of the deployed API, as API Gateway has them."""
    found: list[dict[str, Any]] = world.aws("apigatewayv2").get_routes(ApiId=world.stack.api_id)["Items"]
    return found


def writes(world: World) -> list[str]:
    """What has been changed in AWS since `forget_aws_calls`, but by the keeping alive of other connections."""
    return [
        f"{call.function} {call.action}"
        for call in world.aws_calls()
        if call.action.startswith(WRITES) and call.function not in ("refresh_connection", "KeepAlive")
    ]


@pytest.fixture
def link(app: App, outside: Outside) -> Link:
    return app.connected(outside.portal("epic"))


# --- T17, T18, T20 --------------------------------------------------------------------------------


def test_t17_another_users_things_are_not_found_and_asking_for_them_writes_nothing(
    world: World, link: Link, new_app: NewApp
) -> None:
    done, other = link.retrieve("Patient"), new_app()
    file = done.json()["output"][0]["url"].removeprefix(link.app.api)
    body: dict[str, Any] = {
        "records": {},
        "token": {"handle": "H" * 43},
        "reconnect": {"returnUrl": other.return_url},
    }
    world.forget_aws_calls()
    asked = [(m, f"/v1/connections/{link.id}", None) for m in ("GET", "DELETE")]
    asked += [("POST", f"/v1/connections/{link.id}/{action}", given) for action, given in body.items()]
    asked += [("GET", done.url.path, None), ("DELETE", done.url.path, None), ("GET", file, None)]
    for method, path, given in asked:
        assert refused(other.http.request(method, path, json=given)) == (404, "not-found"), (method, path)
    assert refused(other.records(link.id, later=True)) == (404, "not-found")
    assert writes(world) == []
    assert link.fetch("Patient").status_code == 200


def test_t18_every_deployed_route_but_the_browsers_own_needs_a_token_with_the_scope(world: World) -> None:
    open_to_all = {r["RouteKey"] for r in routes(world) if r.get("AuthorizationType") != "JWT"}
    assert open_to_all == PUBLIC
    assert all(
        r["AuthorizationScopes"] == ["portico/app"] for r in routes(world) if r["RouteKey"] not in PUBLIC
    )


@pytest.mark.parametrize("kind", UNACCEPTABLE)
def test_t18_a_weak_token_is_refused_on_every_route_before_anything_runs(kind: str, world: World) -> None:
    """ID tokens too: their audience is the app's client and they have no scope."""
    make, status = UNACCEPTABLE[kind]
    token = make(world)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    world.forget_aws_calls()
    for route in routes(world):
        method, _, path = route["RouteKey"].partition(" ")
        if route["RouteKey"] not in PUBLIC:
            url = world.api + path.format_map(dict.fromkeys(("dataType", "id", "rid", "name"), "A" * 22))
            assert httpx.request(method, url, headers=headers, trust_env=False).status_code == status, route
    assert {call.function for call in world.aws_calls()} <= {"refresh_connection"}


READ_THE_SECRET = {
    "search_portals", "start_connection", "exchange_token", "refresh_connection", "retrieve_records",
    "begin_retrieval", "poll_retrieval",
}  # fmt: skip
OPEN_TOKENS = {"exchange_token", "refresh_connection", "retrieve_records", "begin_retrieval", "rewrap_tokens"}


def test_t20_a_function_without_business_with_a_secret_or_a_seal_cannot_read_it(
    world: World, link: Link
) -> None:
    """Tried with each role that is deployed, against the device's secret and a sealed token."""
    item = world.aws("dynamodb").get_item(
        TableName=world.stack.outputs["ConnectionsTableName"], Key={"id": {"S": link.id}}
    )["Item"]
    sealed, generation = bytes(item["tokens"]["B"]), item["generation"]["N"]
    wrapped = sealed[3 : 3 + int.from_bytes(sealed[1:3], "big")]
    context = {"table": "connections", "key": link.id, "attribute": "tokens", "generation": generation}
    readers, openers = set(), set()
    for name, owner in world.stack.role_names().items():
        role = world.aws("iam").get_role(RoleName=name)["Role"]["Arn"]
        if may(
            world,
            role,
            "secretsmanager",
            "get_secret_value",
            SecretId=world.stack.outputs["OneRecordSecretArn"],
        ):
            readers.add(owner)
        if may(world, role, "kms", "decrypt", CiphertextBlob=wrapped, EncryptionContext=context):
            openers.add(owner)
    assert readers == READ_THE_SECRET
    assert openers == OPEN_TOKENS


def may(world: World, role: str, service: str, action: str, **arguments: Any) -> bool:
    try:
        getattr(world.emulator.client_as(role, service), action)(**arguments)
    except ClientError as error:
        assert "AccessDenied" in str(error), error
        return False
    return True


# --- T23 ------------------------------------------------------------------------------------------


@pytest.fixture
def heard(world: World) -> Iterator[str]:
    """A queue that every event of the bus comes to."""
    sqs, events, name = world.aws("sqs"), world.aws("events"), f"heard-{secrets.token_hex(4)}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = world.stack.outputs["EventBusName"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["portico"]}))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    yield queue
    events.remove_targets(Rule=name, EventBusName=bus, Ids=["queue"])
    events.delete_rule(Name=name, EventBusName=bus)
    sqs.delete_queue(QueueUrl=queue)


def test_t23_nothing_takes_webhooks_in_none_are_sent_and_an_event_says_ids_and_counts_alone(
    world: World, heard: str, link: Link, outside: Outside
) -> None:
    """There is no webhook sender yet, so there is nothing to forge or replay: what leaves is an event on the
    deployment's own bus, which only its roles may write to. A sender has to bring signatures and their test here."""
    done = link.retrieve("Patient")

    def message() -> dict[str, Any] | None:
        for got in (
            world.aws("sqs").receive_message(QueueUrl=heard, MaxNumberOfMessages=10).get("Messages", [])
        ):
            event: dict[str, Any] = json.loads(got["Body"])
            if event["detail"]["connectionId"] == link.id:
                return event
        return None

    event = wait_for(message, what="no event came")
    assert event["detail-type"] == "retrieval.completed" and event["source"] == "portico"
    retrieval = done.url.path.rpartition("/")[2]
    counts = event["detail"].pop("counts")
    assert event["detail"] == {"retrievalId": retrieval, "connectionId": link.id}
    assert counts == {file["type"]: file["count"] for file in done.json()["output"]}
    for path in ("/v1/webhooks", "/v1/webhooks/x", "/v1/events", "/webhooks", "/v1/connections/events"):
        signed = {"Authorization": f"Bearer {link.app.token}", "webhook-id": "1", "webhook-signature": "v1,x"}
        answer = httpx.post(world.api + path, json=event, headers=signed, trust_env=False)
        assert answer.status_code == 404, path
    assert outside.webhooks.received == []
    assert not [r for r in routes(world) if "webhook" in r["RouteKey"] or "event" in r["RouteKey"]]


# --- T27 to T29 -----------------------------------------------------------------------------------


def test_t27_whatever_is_sent_twice_has_one_effect(app: App, outside: Outside) -> None:
    """The handle, the filter and the id are the idempotency keys: none is stored but as a digest or an id."""
    link = app.authorized(outside.portal("cerner"))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: link.exchange(), range(4)))
    assert {answer.status_code for answer in answers} <= {200, 409} and link.exchange().status_code == 200
    assert outside.count("token", link.portal.id) == 1
    outside.set_scenario(link.portal.id, async_outcome="never")
    with ThreadPoolExecutor(3) as threads:
        begun = list(threads.map(lambda _: link.begin("Patient"), range(3)))
    assert len({one.json()["id"] for one in begun}) == 1
    wait_for(lambda: outside.count("start", link.portal.id) or None)
    assert outside.count("start", link.portal.id) == 1
    assert [app.delete(f"/v1/connections/{link.id}").status_code for _ in range(2)] == [204, 404]


def test_t27_what_is_kept_to_know_a_repetition_by_is_no_secret(
    world: World, app: App, outside: Outside
) -> None:
    link = app.authorized(outside.portal("cerner"))
    link.exchange()
    stored = "".join(repr(world.aws("dynamodb").scan(TableName=table)["Items"]) for table in tables(world))
    assert link.handle and link.handle not in stored
    assert link.authorization_url.rpartition("/")[2] not in stored


def test_t28_a_flood_of_strangers_writes_nothing(world: World, app: App, outside: Outside) -> None:
    browser = BoundBrowser(app.started(outside.portal("epic")))
    unknown, strangers = secrets.token_urlsafe(32), httpx.Client(base_url=world.api, trust_env=False)
    world.forget_aws_calls()
    for _ in range(ROUNDS):
        for path in (
            f"/connect/{unknown}", "/connect/x", "/connect/problem", f"/oauth/callback/{unknown}?code=abc",
            "/oauth/callback/x?code=abc", f"/oauth/callback/{unknown}?error=access_denied", "/v1/portals/clinical",
            browser.launched.request.url.path, f"{httpx.URL(browser.callback).path}?code=abc",
            f"{httpx.URL(browser.callback).path}?error=access_denied", "/v1/connections", "/nothing",
        ):  # fmt: skip
            strangers.get(path)
            strangers.post(path, json={"handle": unknown})
    assert writes(world) == []
    reads = sum(count for call, count in world.aws_calls().items() if call.function != "refresh_connection")
    assert reads == ROUNDS * 6, "one read for each well-formed session or ticket, none for the rest"
    assert browser.brings_code().status == "authorized"


def test_t29_one_connection_runs_one_retrieval_a_filter_and_one_user_opens_three_attempts(
    new_app: NewApp, outside: Outside
) -> None:
    """What bounds the vendor's bill today. A budget of retrievals a user and day is not built: docs/security.md."""
    app = new_app()
    link = app.connected(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, async_outcome="never")
    begun = {link.begin("Patient").json()["id"] for _ in range(5)}
    assert len(begun) == 1
    wait_for(lambda: outside.count("start", link.portal.id) or None)
    assert outside.count("start", link.portal.id) == 1
    app.delete(f"/v1/retrievals/{begun.pop()}")
    other = new_app()
    for persona in ("epic", "plain-pkce", "patient-in-token"):
        other.started(outside.portal(persona))
    assert refused(other.start(outside.portal("cerner"))) == (429, "too-many-requests")


# --- T31, T32 -------------------------------------------------------------------------------------

FIELDS = {
    "level", "location", "message", "timestamp", "service", "cold_start", "function_name", "function_memory_size",
    "function_arn", "function_request_id", "correlation_id", "matches", "connection", "retrieval", "state", "slug",
    "reason", "status", "places", "code", "complete", "receipt", "applied", "moved", "xray_trace_id", "stale", "age",
    "exchanged", "refreshed", "requestId", "time", "type", "record", "rewrapped", "counts",
}  # fmt: skip


def test_t31_nothing_that_a_caller_sends_becomes_a_log_line_or_a_part_of_one(
    world: World, app: App, outside: Outside
) -> None:
    mark = f"mark{secrets.token_hex(6)}"
    forged = f'{mark}\r\n{{"level":"CRITICAL","message":"{mark}"}}\x1b[31m\u2028%0d%0a'
    link = app.authorized(outside.portal("cerner"))
    app.search("clinical", q=forged)
    app.search("clinical", q=mark)
    app.search(quote(forged, safe=""))
    app.get(f"/v1/connections/{quote(forged, safe='')}")
    app.get("/v1/connections", cursor=forged)
    app.exchange(link.id, forged)
    app.post("/v1/connections", {"portalId": forged, "dataType": forged, "returnUrl": forged, mark: 1})
    app.records(link.id, forged)
    app.http.get(
        "/v1/connections", headers={"User-Agent": mark, "X-Request-Id": mark, "X-Amzn-Trace-Id": mark}
    )
    httpx.get(f"{world.api}/oauth/callback/{'A' * 43}?code={quote(forged)}", trust_env=False)
    httpx.get(f"{world.api}/connect/{quote(forged, safe='')}", trust_env=False)
    time.sleep(0.3)
    lines = log_lines(world)
    assert [line for line in lines if mark in line] == []
    ours = [line for line in lines if not line.startswith(("START ", "END ", "REPORT ", "INIT_START "))]
    assert all(line.count("\n") == 0 or line.endswith("\n") for line in ours)
    names = {name for line in ours for name in json.loads(line)}
    assert names <= FIELDS, names - FIELDS


def test_t32_the_same_patient_in_two_accounts_is_two_connections_that_know_nothing_of_each_other(
    new_app: NewApp, outside: Outside
) -> None:
    """A parent and a grown child may both have a right to a record, so it is not refused; it is not flagged either,
    as no fingerprint of a patient is kept (docs/security.md, *What is open*). What holds: each sees its own alone."""
    first, second = (new_app().connected(outside.portal("epic"), VICTIM) for _ in range(2))
    assert first.id != second.id
    for mine, other in ((first, second), (second, first)):
        assert mine.fetch("Patient").status_code == 200
        assert [c["id"] for c in mine.app.get("/v1/connections").json()["connections"]] == [mine.id]
        assert refused(mine.app.get(f"/v1/connections/{other.id}")) == (404, "not-found")
    assert first.app.delete(f"/v1/connections/{first.id}").status_code == 204
    assert second.fetch("Patient").status_code == 200
