from io import StringIO

import pytest

from portico import problem_page
from portico.attempt import LAUNCH_SECONDS, LOGIN_SECONDS, Attempt, State
from portico.ids import digest, session_of
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import HOST, Json, told
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import NOW, attempt_of, pending

LAUNCH = event("launch_connection", "launch")
TICKET = LAUNCH["pathParameters"]["ticket"]
COOKIE = event("launch_connection", "again")["cookies"][1].partition("=")[2]
AWAY = {
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@pytest.fixture
def attempt(stores: Stores, clock: HeldClock) -> Attempt:
    clock.now = NOW
    return stores.put_attempt(attempt_of(pending(), key=digest(session_of(TICKET))))


def problem_at(fragment: str) -> Json:
    location = f"{HOST}/connect/problem#{fragment}"
    return {"status": 303, "headers": {"Location": location, **AWAY}, "body": "", "cookies": []}


def test_the_first_browser_is_bound_and_sent_to_the_portal(
    load: Load, stores: Stores, attempt: Attempt, log: StringIO
) -> None:
    answer = told(load("launch_connection")(LAUNCH))
    (cookie,) = answer.pop("cookies")
    session = session_of(TICKET)
    target = f"{attempt.outbound}&clientURL=https%3A%2F%2Fk3xv7q2n1b.execute-api.us-east-1.amazonaws.com"
    target += f"%2Foauth%2Fcallback%2F{session}"
    assert answer == {"status": 303, "headers": {"Location": target, **AWAY}, "body": ""}
    name, _, rest = cookie.partition("=")
    value, *attributes = rest.split("; ")
    assert name == "__Host-portico-connect"
    assert set(attributes) == {
        "Path=/",
        "Secure",
        "HttpOnly",
        "SameSite=Lax",
        f"Max-Age={LAUNCH_SECONDS + LOGIN_SECONDS}",
    }
    bound = stores.attempts.get(attempt.key)
    assert bound is not None
    assert (bound.state, bound.cookie) == (State.LAUNCHED, digest(value))
    for secret in (TICKET, session, value, attempt.key):
        assert secret not in log.getvalue()


def test_the_same_browser_may_come_again(load: Load, stores: Stores, attempt: Attempt) -> None:
    launched = stores.put_attempt(attempt.becomes(State.LAUNCHED, cookie=digest(COOKIE)))
    answer = told(load("launch_connection")(event("launch_connection", "again")))
    assert answer["status"] == 303
    assert answer["headers"]["Location"].startswith(attempt.outbound)
    assert COOKIE in answer["cookies"][0]
    assert stores.attempts.get(attempt.key) == launched


def test_another_browser_is_told_so_and_changes_nothing(load: Load, stores: Stores, attempt: Attempt) -> None:
    launched = stores.put_attempt(attempt.becomes(State.LAUNCHED, cookie=digest("another")))
    for case in ("again", "launch"):
        answer = load("launch_connection")(event("launch_connection", case))
        assert told(answer) == problem_at("wrong_browser")
    assert stores.attempts.get(attempt.key) == launched


@pytest.mark.parametrize("why", ["unknown", "expired", "finished", "burned", "malformed"])
def test_a_link_that_is_no_longer_good_is_always_answered_alike(
    load: Load, stores: Stores, attempt: Attempt, clock: HeldClock, why: str
) -> None:
    request = event("launch_connection", "launch")
    if why == "expired":
        clock.now = attempt.expires_at
    elif why == "malformed":
        request["rawPath"] = request["requestContext"]["http"]["path"] = "/connect/%2e%2e"
    elif why == "unknown":
        key = {"key": {"S": attempt.key}}
        stores.backend.client("dynamodb").delete_item(TableName=stores.backend.attempts, Key=key)
    else:
        stores.put_attempt(attempt.over(State.FAILED if why == "finished" else State.BURNED, "over"))
    assert told(load("launch_connection")(request)) == problem_at("invalid")


@pytest.mark.parametrize("header", ["sec-purpose", "purpose", "x-purpose", "x-moz"])
def test_a_browser_that_only_looks_ahead_binds_nothing(
    load: Load, stores: Stores, attempt: Attempt, header: str
) -> None:
    request = event("launch_connection", "prefetch")
    request["headers"] = {header: "prefetch"}
    answer = told(load("launch_connection")(request))
    assert (answer["status"], answer["cookies"], answer["body"]) == (204, [], "")
    assert stores.attempts.get(attempt.key) == attempt


def test_the_problem_page_is_static_and_allows_nothing(load: Load) -> None:
    request = event("launch_connection", "problem") | {"rawQueryString": "x=<script>"}
    answer = told(load("launch_connection")(request))
    assert answer == {
        "status": 200,
        "headers": {"Content-Type": "text/html; charset=utf-8", **problem_page.HEADERS},
        "body": problem_page.HTML,
        "cookies": [],
    }
    assert "<script" not in answer["body"]


def test_where_the_api_is_comes_from_the_deployment_and_never_from_a_header(
    load: Load, attempt: Attempt
) -> None:
    request = event("launch_connection", "launch")
    request["headers"] |= {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "forwarded": "host=evil",
    }
    assert "evil" not in str(told(load("launch_connection")(request)))
