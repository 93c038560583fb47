import json
from io import StringIO

import pytest

from portico.adapters.kms_sealer import KmsSealer
from portico.attempt import State
from portico.connection import Status
from portico.sealing import tokens_of
from portico.tokens import Tokens
from sandbox.outside import Outside
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import (
    CONNECTION,
    Json,
    at,
    bad_bodies,
    by_another,
    invalid,
    ok,
    problem,
    told,
    with_body,
)
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.functions.patients import a_portal, with_code
from tests.samples import NOW, OWNER, attempt_of, pending

BASE = "http://127.0.0.1:8080"
EXCHANGE = event("exchange_token", "exchange")
HANDLE = json.loads(EXCHANGE["body"])["handle"]
NOT_FOUND = problem(404, "not-found", "Not found", "There is no such thing for this user.", base=BASE)


@pytest.fixture(autouse=True)
def now(clock: HeldClock) -> None:
    clock.now = NOW


def test_a_handle_is_exchanged_and_the_connection_becomes_active(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, log: StringIO
) -> None:
    connection, attempt = with_code(stores, outside, a_portal(outside), HANDLE)
    answer = told(load("exchange_token", **vendor)(EXCHANGE))
    stored = stores.connections.get(connection.id)
    assert stored is not None
    assert stored.tokens is not None
    assert answer == ok(200, stored.as_json(NOW))
    assert (stored.status, stored.generation, stored.reason) == (Status.ACTIVE, 1, None)
    tokens = Tokens.from_bytes(
        KmsSealer(stores.backend.key).open(tokens_of(stored.id, stored.generation), stored.tokens)
    )
    ended = stores.attempts.get(attempt.key)
    assert ended is not None
    assert (ended.state, ended.code, ended.verifier) == (State.CONNECTED, None, None)
    assert outside.count("token") == 1
    for secret in (HANDLE, tokens.access.reveal(), "sandbox-device-token", connection.portal_id, OWNER):
        assert secret not in log.getvalue()


def test_a_repeated_exchange_gets_the_same_answer_and_sends_nothing(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside
) -> None:
    with_code(stores, outside, a_portal(outside), HANDLE)
    exchange = load("exchange_token", **vendor)
    assert told(exchange(EXCHANGE)) == told(exchange(EXCHANGE))
    assert outside.count("token") == 1


@pytest.mark.parametrize("code", bad_bodies("handle"))
def test_a_bad_body_is_refused_and_changes_nothing(
    load: Load, vendor: dict[str, str], stores: Stores, code: str
) -> None:
    connection = stores.put(pending(OWNER, id=CONNECTION, attempt="held"))
    attempt = stores.put_attempt(
        attempt_of(connection, key="held", state=State.CODE_HELD, expires_at=NOW + 99)
    )
    text, detail = bad_bodies("handle")[code]
    assert told(load("exchange_token", **vendor)(with_body(EXCHANGE, text))) == invalid(detail, BASE)
    assert stores.attempts.get(attempt.key) == attempt


def test_a_wrong_handle_is_refused(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside
) -> None:
    with_code(stores, outside, a_portal(outside), HANDLE)
    answer = told(load("exchange_token", **vendor)(with_body(EXCHANGE, {"handle": "guess"})))
    assert (answer["status"], answer["body"]["type"]) == (400, f"{BASE}/problems/invalid-handle")
    assert outside.count("token") == 0


def test_another_user_with_the_handle_finds_nothing_and_burns_the_attempt(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, log: StringIO
) -> None:
    _, attempt = with_code(stores, outside, a_portal(outside), HANDLE)
    exchange = load("exchange_token", **vendor)
    assert told(exchange(by_another(EXCHANGE))) == NOT_FOUND
    burned = stores.attempts.get(attempt.key)
    assert burned is not None
    assert burned.state is State.BURNED
    assert '"burned"' in log.getvalue()
    answer = told(exchange(EXCHANGE))
    assert (answer["status"], answer["body"]["detail"]) == (410, "Reason: burned.")
    assert outside.count("token") == 0


@pytest.mark.parametrize("connection_id", ["unknownConnection2026a", "short", "x" * 3000])
def test_an_unknown_connection_is_not_found(load: Load, vendor: dict[str, str], connection_id: str) -> None:
    assert told(load("exchange_token", **vendor)(at(EXCHANGE, id=connection_id))) == NOT_FOUND


def test_before_the_callback_the_app_has_to_wait(load: Load, vendor: dict[str, str], stores: Stores) -> None:
    connection = stores.put(pending(OWNER, id=CONNECTION, attempt="early"))
    stores.put_attempt(attempt_of(connection, key="early", state=State.LAUNCHED))
    answer = told(load("exchange_token", **vendor)(EXCHANGE))
    assert (answer["status"], answer["body"]["type"]) == (409, f"{BASE}/problems/not-authorized-yet")


FAULTS = {
    "400": (422, "authorization-rejected", "rejected"),
    "401-error-data": (422, "authorization-rejected", "rejected"),
    "429": (503, "temporarily-unavailable", None),
    "500": (502, "portal-error", None),
    "reset": (502, "portal-error", None),
    "html": (502, "portal-error", None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_vendor_in_trouble_is_told_without_its_words(
    load: Load,
    vendor: dict[str, str],
    stores: Stores,
    outside: Outside,
    log: StringIO,
    fault: str,
) -> None:
    status, slug, reason = FAULTS[fault]
    connection, _ = with_code(stores, outside, a_portal(outside), HANDLE)
    outside.set_scenario(faults=[{"operation": "token", "answer": fault, "calls": 0}])
    answer: Json = told(load("exchange_token", **vendor)(EXCHANGE))
    assert (answer["status"], answer["body"]["type"]) == (status, f"{BASE}/problems/{slug}")
    stored = stores.connections.get(connection.id)
    assert stored is not None
    assert stored.reason == reason
    for words in ("understood", "access token", "unexpected error", "too many requests", "Gateway"):
        assert words not in answer["body"]["detail"] + log.getvalue()


def test_a_defect_is_told_without_its_text(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, log: StringIO
) -> None:
    connection, attempt = with_code(stores, outside, a_portal(outside), HANDLE)
    item = {"key": {"S": attempt.key}, "surprise": {"S": HANDLE}}
    stores.backend.client("dynamodb").put_item(TableName=stores.backend.attempts, Item=item)
    answer = told(load("exchange_token", **vendor)(EXCHANGE))
    assert answer == problem(
        500, "internal", "Something went wrong", "The request was not completed.", base=BASE
    )
    assert '"unexpected"' in log.getvalue()
    assert HANDLE not in log.getvalue()
    assert connection.id not in str(answer)
