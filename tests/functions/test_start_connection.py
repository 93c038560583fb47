from io import StringIO
from urllib.parse import urlsplit

import pytest

from portico.attempt import State
from portico.connection import Status
from portico.ids import digest, session_of
from sandbox.outside import Outside
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import (
    CONNECTION,
    Json,
    bad_bodies,
    by_another,
    invalid,
    problem,
    told,
    with_body,
)
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import OWNER, active, pending

BASE = "http://127.0.0.1:8080"
RETURN_URL = "https://app.example.com/return"


@pytest.fixture
def asked(outside: Outside) -> Json:
    """A start at a portal that the sandbox has."""
    portal = next(one for one in outside.portals() if one.status == "active" and one.data_type == "clinical")
    body = {"portalId": portal.id, "dataType": portal.data_type, "returnUrl": RETURN_URL}
    return with_body(event("start_connection", "start"), body)


@pytest.fixture
def nobody_has_started(stores: Stores) -> None:
    """The user of the events has no attempts from other tests."""
    key = {"key": {"S": f"owner.{OWNER}"}}
    stores.backend.client("dynamodb").delete_item(TableName=stores.backend.attempts, Key=key)


@pytest.mark.usefixtures("nobody_has_started")
def test_a_start_gives_a_pending_connection_and_a_link(
    load: Load, vendor: dict[str, str], stores: Stores, clock: HeldClock, asked: Json, log: StringIO
) -> None:
    answer = told(load("start_connection", **vendor)(asked))
    body = answer["body"]
    link, expires = body.pop("authorizationUrl"), body.pop("expiresAt")
    stored = stores.connections.get(body["id"])
    assert stored is not None
    assert (answer["status"], answer["cookies"]) == (201, [])
    assert answer["headers"] == {
        "Content-Type": "application/json",
        "Location": f"{BASE}/v1/connections/{stored.id}",
    }
    assert body == stored.as_json(clock.now)
    assert (stored.owner, stored.status) == (OWNER, Status.PENDING)
    assert expires == "2026-11-25T10:10:00Z"
    ticket = urlsplit(link).path.removeprefix("/connect/")
    attempt = stores.attempts.get(digest(session_of(ticket)))
    assert attempt is not None
    assert (attempt.state, attempt.connection_id, attempt.return_url) == (
        State.CREATED,
        stored.id,
        RETURN_URL,
    )
    assert ticket not in log.getvalue()
    assert session_of(ticket) not in log.getvalue()


@pytest.mark.usefixtures("nobody_has_started", "clock")
def test_a_reconnect_gives_a_link_for_the_same_connection(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, asked: Json
) -> None:
    portal = next(one for one in outside.portals() if one.status == "active" and one.data_type == "clinical")
    stores.put(active(OWNER, id=CONNECTION, portal_id=portal.id))
    answer = told(load("start_connection", **vendor)(event("start_connection", "reconnect")))
    assert (answer["status"], answer["body"]["id"], answer["body"]["status"]) == (201, CONNECTION, "active")
    assert answer["headers"]["Location"] == f"{BASE}/v1/connections/{CONNECTION}"
    assert answer["body"]["authorizationUrl"].startswith(f"{BASE}/connect/")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("whose", ["nobody's", "another's"])
def test_a_reconnect_of_what_is_not_ones_own_is_not_found(
    load: Load, vendor: dict[str, str], stores: Stores, whose: str
) -> None:
    connection = active(OWNER, id=CONNECTION)
    stores.put(connection)
    if whose == "nobody's":
        stores.connections.delete(connection)
    request = event("start_connection", "reconnect")
    answer = load("start_connection", **vendor)(by_another(request) if whose == "another's" else request)
    detail = "There is no such thing for this user."
    assert told(answer) == problem(404, "not-found", "Not found", detail, base=BASE)


@pytest.mark.usefixtures("clock")
def test_a_reconnect_before_the_first_login_has_to_wait(
    load: Load, vendor: dict[str, str], stores: Stores
) -> None:
    stores.put(pending(OWNER, id=CONNECTION))
    answer = told(load("start_connection", **vendor)(event("start_connection", "reconnect")))
    assert (answer["status"], answer["body"]["type"]) == (409, f"{BASE}/problems/not-authorized-yet")


@pytest.mark.usefixtures("nobody_has_started", "clock")
def test_a_fourth_open_attempt_has_to_wait(
    load: Load, vendor: dict[str, str], outside: Outside, asked: Json
) -> None:
    start = load("start_connection", **vendor)
    portals = [one for one in outside.portals() if one.status == "active" and one.data_type == "clinical"][:4]
    answers = []
    for portal in portals:
        body = {"portalId": portal.id, "dataType": "clinical", "returnUrl": RETURN_URL}
        answers.append(told(start(with_body(asked, body))))
    assert [answer["status"] for answer in answers] == [201, 201, 201, 429]
    assert answers[3] == problem(
        429,
        "too-many-requests",
        "Too many requests",
        "Nothing was lost. Try again after 600 seconds.",
        600,
        base=BASE,
    )


BODIES = bad_bodies("portalId") | {
    "missing field": ('{"portalId": "x", "dataType": "clinical"}', "returnUrl is required."),
    "another return URL": (
        '{"portalId": "x", "dataType": "clinical", "returnUrl": "https://evil.example/"}',
        "returnUrl must be one of the return URLs that this deployment allows.",
    ),
    "return URL with more": (
        '{"portalId": "x", "dataType": "clinical", "returnUrl": "https://app.example.com/return?x"}',
        "returnUrl must be one of the return URLs that this deployment allows.",
    ),
    "another kind": (
        f'{{"portalId": "x", "dataType": "dental", "returnUrl": "{RETURN_URL}"}}',
        "dataType must be clinical or payer.",
    ),
    "an unknown portal": (
        f'{{"portalId": "x", "dataType": "clinical", "returnUrl": "{RETURN_URL}"}}',
        "portalId names no portal of this kind that this deployment is linked to.",
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_is_refused_and_starts_nothing(
    load: Load, vendor: dict[str, str], stores: Stores, case: str
) -> None:
    text, detail = BODIES[case]
    before = stores.connections.owned_by(OWNER, 100, None)
    answer = load("start_connection", **vendor)(with_body(event("start_connection", "start"), text))
    assert told(answer) == invalid(detail, BASE)
    assert stores.connections.owned_by(OWNER, 100, None) == before


@pytest.mark.usefixtures("nobody_has_started", "clock")
def test_a_portal_that_is_not_active_cannot_be_connected(
    load: Load, vendor: dict[str, str], outside: Outside
) -> None:
    portal = next(one for one in outside.portals() if one.status != "active")
    body = {"portalId": portal.id, "dataType": portal.data_type, "returnUrl": RETURN_URL}
    answer = told(load("start_connection", **vendor)(with_body(event("start_connection", "start"), body)))
    assert answer["status"] == 400
    assert answer["body"]["detail"].startswith("portalId names a portal that cannot be connected to: it is ")
