"""Keys that are disabled, seals that are broken, secrets that cannot be read, batches that come back half empty."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError

from portico.adapters import aws
from portico.attempt import State
from portico.connection import Connection, Status
from tests.adapters.faults import failing, refusing
from tests.faults.effects import NOWHERE
from tests.faults.ground import Ground, told
from tests.faults.points import EFFECTS
from tests.faults.scenes import SCENES, AtOnce, Exchanging, Listing, OverAConnection, Taking

KEY_GONE = ("DisabledException", "KMSInvalidStateException", "KeyUnavailableException")
WITH_KEYS = [
    (name, effect.partition(".")[2])
    for name, effects in sorted(EFFECTS.items())
    for effect in dict.fromkeys(effects)
    if effect.startswith("kms.") and name != "rewrap_tokens"
]


@pytest.mark.parametrize("code", KEY_GONE)
@pytest.mark.parametrize(("name", "operation"), WITH_KEYS, ids=[f"{n}/kms.{o}" for n, o in WITH_KEYS])
def test_a_key_that_is_disabled_costs_nothing_but_time(
    ground: Ground, name: str, operation: str, code: str
) -> None:
    scene = SCENES[name](ground)
    with failing("kms", operation, code, times=10_000):
        refused = scene.call()
    assert str(refused) in ("503 temporarily-unavailable", "0 KeyUnavailable", "0 again")
    assert refused.retry_after is not None
    assert refused.retry_after >= 60
    ground.later(refused.retry_after + 1)
    scene.settle()
    assert scene.done(), scene.last
    assert scene.reason() is None


def flipped(sealed: bytes | None) -> bytes:
    assert sealed is not None
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def cut(sealed: bytes | None) -> bytes:
    assert sealed is not None
    return sealed[:40]


SPOILT = [flipped, cut]
OPENING = [
    name
    for name, kind in sorted(SCENES.items())
    if issubclass(kind, OverAConnection)
    and "kms.Decrypt" in EFFECTS[name]
    and not name.startswith(("poll_", "rewrap_"))
]


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("name", OPENING)
def test_tokens_that_were_tampered_with_hold_the_connection_and_ask_nobody_to_log_in(
    ground: Ground, name: str, spoil: Callable[[bytes | None], bytes]
) -> None:
    scene = SCENES[name](ground)
    assert isinstance(scene, OverAConnection)
    with ground.effects.aside():
        spoilt: Connection = replace(scene.before, tokens=spoil(scene.before.tokens))
        ground.stores.put(spoilt)
    refused = scene.call()
    assert str(refused) in ("500 internal", "0 SealBroken", "0 again")
    held = scene.connection
    assert (held.status, held.reason, held.tokens) == (Status.HELD, "seal_broken", spoilt.tokens)
    assert ground.outside.count("refresh") == 0


def test_a_code_that_was_tampered_with_is_never_sent(ground: Ground) -> None:
    scene = SCENES["exchange_token"](ground)
    assert isinstance(scene, Exchanging)
    with ground.effects.aside():
        ground.stores.put_attempt(replace(scene.attempt, code=flipped(scene.attempt.code)))
    assert str(scene.call()) == "500 internal"
    assert ground.outside.count("token") == 0
    assert scene.state() is State.FAILED
    assert (scene.connection.status, scene.connection.reason) == (Status.CLOSED, "seal_broken")


def test_a_transaction_that_was_tampered_with_ends_the_retrieval_alone(ground: Ground) -> None:
    scene = SCENES["poll_retrieval"](ground)
    assert isinstance(scene, Taking)
    with ground.effects.aside():
        ground.stores.retrievals.submitted(scene.retrieval, flipped(scene.retrieval.transaction), 1.0)
    assert str(scene.call()) == "0 SealBroken"
    ground.call("finish_retrieval", {"retrievalId": scene.rid, "error": scene.last.word})
    assert scene.retrieval.reason == "seal_broken"
    assert scene.alive()


@pytest.mark.parametrize("kind", ["throttled", "down", "unreachable", "not allowed"])
def test_while_the_secret_cannot_be_read_the_copy_in_hand_serves(ground: Ground, kind: str) -> None:
    scene = SCENES["retrieve_records-at-once"](ground)
    assert isinstance(scene, AtOnce)
    function = ground.load("retrieve_records")
    assert told(function, scene.request()).status == 200
    secret = function.module.integrator.onerecord._secret
    at, copy = secret._copy
    secret._copy = at - 600, copy
    codes = {
        "throttled": "ThrottlingException",
        "down": "InternalServiceError",
        "not allowed": "AccessDeniedException",
    }
    if kind == "unreachable":
        trouble = refusing("secretsmanager", "GetSecretValue", EndpointConnectionError(endpoint_url=NOWHERE))
    else:
        trouble = failing("secretsmanager", "GetSecretValue", codes[kind], times=10_000)
    with trouble:
        assert told(function, scene.request()).status == 200
        secret._copy = at - 1000, copy
        assert str(told(function, scene.request())) == "503 temporarily-unavailable"


def test_a_batch_that_never_comes_whole_is_told_and_ends(ground: Ground) -> None:
    scene = SCENES["manage_connections-list"](ground)
    assert isinstance(scene, Listing)
    table = ground.stores.backend.connections
    left = {"Responses": {table: []}, "UnprocessedKeys": {table: {"Keys": [{"id": {"S": scene.id}}]}}}
    asked: list[str] = []

    def after(parsed: dict[str, object], **_: object) -> None:
        asked.append("again")
        parsed.clear()
        parsed |= json.loads(json.dumps(left))

    events = aws.client("dynamodb").meta.events
    events.register("after-call.dynamodb.BatchGetItem", after)
    try:
        assert str(scene.call()) == "503 temporarily-unavailable"
    finally:
        events.unregister("after-call.dynamodb.BatchGetItem", after)
    assert 2 <= len(asked) <= 10
    scene.settle()
    assert scene.done()
