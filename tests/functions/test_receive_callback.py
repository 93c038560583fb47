import json
from io import StringIO
from urllib.parse import parse_qsl, urlsplit

import pytest

from portico.adapters.kms_sealer import KmsSealer
from portico.attempt import Attempt, State
from portico.connection import Connection, Status
from portico.ids import digest
from portico.sealing import code_of
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import HOST, Json, told
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import NOW, attempt_of, pending

CODE = event("receive_callback", "code")
SESSION = CODE["pathParameters"]["session"]
COOKIE = CODE["cookies"][0].partition("=")[2]
AWAY = {
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@pytest.fixture
def connection(stores: Stores, clock: HeldClock) -> Connection:
    clock.now = NOW
    return stores.put(pending(attempt=digest(SESSION)))


@pytest.fixture
def attempt(stores: Stores, connection: Connection) -> Attempt:
    """An attempt whose browser is at the portal."""
    launched = attempt_of(
        connection, key=digest(SESSION), state=State.LAUNCHED, cookie=digest(COOKIE), expires_at=NOW + 900
    )
    return stores.put_attempt(launched)


def with_query(query: str, **changes: object) -> Json:
    request: Json = json.loads(json.dumps(CODE))
    return request | {"rawQueryString": query} | changes


def problem_at(fragment: str) -> Json:
    location = f"{HOST}/connect/problem#{fragment}"
    return {"status": 303, "headers": {"Location": location, **AWAY}, "body": "", "cookies": []}


def test_a_code_is_kept_under_seal_and_the_browser_goes_home_with_a_handle(
    load: Load, stores: Stores, attempt: Attempt, connection: Connection, log: StringIO
) -> None:
    answer = told(load("receive_callback")(CODE))
    location = urlsplit(answer["headers"].pop("Location"))
    assert answer == {"status": 303, "headers": AWAY, "body": "", "cookies": []}
    assert location._replace(query="", fragment="").geturl() == attempt.return_url
    assert dict(parse_qsl(location.query)) == {"connection": connection.id, "status": "authorized"}
    ((name, handle),) = parse_qsl(location.fragment)
    held = stores.attempts.get(attempt.key)
    assert held is not None
    assert held.code is not None
    assert (name, held.state, held.handle) == ("handle", State.CODE_HELD, digest(handle))
    opened = KmsSealer(stores.backend.key).open(code_of(attempt.key, 1), held.code)
    assert json.loads(opened) == {"code": "fake-code-1", "state": "fake+state"}
    for secret in ("fake-code-1", "fake+state", SESSION, COOKIE, handle):
        assert secret not in log.getvalue()


def test_a_reloaded_callback_gives_a_new_handle_for_the_same_code(
    load: Load, stores: Stores, attempt: Attempt
) -> None:
    receive = load("receive_callback")
    first, second = (told(receive(CODE))["headers"]["Location"] for _ in range(2))
    held = stores.attempts.get(attempt.key)
    assert held is not None
    assert first != second
    assert (held.codes, held.handle) == (1, digest(second.rpartition("handle=")[2]))


def test_a_patient_who_declines_comes_home_and_the_connection_is_closed(
    load: Load, stores: Stores, attempt: Attempt, connection: Connection
) -> None:
    answer = told(load("receive_callback")(event("receive_callback", "declined")))
    assert answer["status"] == 303
    assert answer["headers"]["Location"] == (
        f"{attempt.return_url}?connection={connection.id}&status=declined#declined"
    )
    closed = stores.connections.get(connection.id)
    assert closed is not None
    assert (closed.status, closed.reason) == (Status.CLOSED, "declined")


def test_a_portal_that_fails_sends_the_patient_home_without_its_words(
    load: Load, stores: Stores, attempt: Attempt, connection: Connection, log: StringIO
) -> None:
    request = with_query("error=server_error&error_description=Patient+Maria+is+unknown")
    answer = told(load("receive_callback")(request))
    assert answer["headers"]["Location"].endswith("&status=failed#failed")
    assert "Maria" not in str(answer) + log.getvalue()


@pytest.mark.parametrize(
    ("query", "fragment"),
    [
        ("", "incomplete"),
        ("code=", "incomplete"),
        ("code=a&code=b", "incomplete"),
        ("code=a&error=b", "incomplete"),
        ("code=a%00b", "incomplete"),
        ("code=" + "x" * 2049, "incomplete"),
        ("code=a&state=" + "x" * 1025, "incomplete"),
        ("&".join(f"p{n}=1" for n in range(60)) + "&code=a", "incomplete"),
        ("code=" + "x" * 17_000, "incomplete"),
    ],
)
def test_what_is_no_callback_changes_nothing(
    load: Load, stores: Stores, attempt: Attempt, query: str, fragment: str
) -> None:
    assert told(load("receive_callback")(with_query(query))) == problem_at(fragment)
    assert stores.attempts.get(attempt.key) == attempt


@pytest.mark.parametrize(
    "cookies",
    [
        None,
        [],
        ["__Host-portico-connect=" + "o" * 43],
        ["__Host-portico-connect=short"],
        [f"portico-connect={COOKIE}"],
        [f"__Host-portico-connect={COOKIE}", "__Host-portico-connect=" + "o" * 43],
    ],
)
def test_another_browser_changes_nothing(
    load: Load, stores: Stores, attempt: Attempt, cookies: list[str] | None
) -> None:
    request = with_query(CODE["rawQueryString"], cookies=cookies)
    assert told(load("receive_callback")(request)) == problem_at("wrong_browser")
    assert stores.attempts.get(attempt.key) == attempt


@pytest.mark.parametrize("why", ["unknown", "expired", "over", "exchanging"])
def test_a_session_that_is_no_longer_good_is_always_answered_alike(
    load: Load, stores: Stores, attempt: Attempt, clock: HeldClock, why: str
) -> None:
    if why == "expired":
        clock.now = attempt.expires_at
    elif why == "exchanging":
        stores.put_attempt(attempt.becomes(State.EXCHANGING))
    elif why == "over":
        stores.put_attempt(attempt.over(State.FAILED, "over"))
    else:
        key = {"key": {"S": attempt.key}}
        stores.backend.client("dynamodb").delete_item(TableName=stores.backend.attempts, Key=key)
    assert told(load("receive_callback")(CODE)) == problem_at("invalid")


def test_a_browser_that_only_looks_ahead_spends_nothing(load: Load, stores: Stores, attempt: Attempt) -> None:
    request = with_query(CODE["rawQueryString"], headers={"Sec-Purpose": "prefetch"})
    answer = told(load("receive_callback")(request))
    assert (answer["status"], answer["body"]) == (204, "")
    assert stores.attempts.get(attempt.key) == attempt
