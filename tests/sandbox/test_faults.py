"""Faults over real sockets: on every operation, counted down, before or after the vendor's work."""

import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sandbox.onerecord.scenarios import Fault
from sandbox.outside import Outside
from tests.sandbox.client import Client, Connected


@pytest.fixture
def connected(client: Client, outside: Outside) -> Connected:
    outside.set_scenario(profile="tiny", async_seconds=0)
    return client.connect(outside.portal("epic"))


def calls(client: Client, connected: Connected) -> dict[str, Callable[[], httpx.Response]]:
    """Every operation, ready to be called."""
    callback, verifier = client.authorize(connected.portal)
    transaction = client.start(connected).json()["transactionId"]
    outside = client.outside
    return {
        "search": lambda: client.http.get(
            f"{outside.urls.directory}/directory/v1/client/endpoint/clinical/search/epic"
        ),
        "token": lambda: client.exchange(connected.portal.id, callback, verifier),
        "refresh": lambda: client.refresh(connected.portal.id, connected.reply["refreshToken"]),
        "fetch": lambda: client.fetch(connected),
        "start": lambda: client.start(connected),
        "retrieve": lambda: client.retrieve(transaction),
    }


@pytest.mark.parametrize("operation", ["search", "token", "refresh", "fetch", "start", "retrieve"])
def test_the_next_calls_of_an_operation_answer_otherwise_and_then_all_is_well(
    client: Client, outside: Outside, connected: Connected, operation: str
) -> None:
    call = calls(client, connected)[operation]
    outside.set_scenario(
        faults=[
            {"operation": operation, "answer": "503", "calls": 2, "retry_after": 7},
            {"operation": operation, "answer": "429"},
        ]
    )
    replies = [call() for _ in range(4)]
    assert [reply.status_code for reply in replies] == [503, 503, 429, 200]
    assert [reply.headers.get("Retry-After") for reply in replies] == ["7", "7", "2", None]


@pytest.mark.parametrize(
    "answer", ["400", "401", "403", "404", "409", "425", "429", "500", "502", "503", "504"]
)
def test_every_status_comes_with_the_flat_body(
    client: Client, outside: Outside, connected: Connected, answer: str
) -> None:
    outside.set_scenario(connected.portal.id, faults=[{"operation": "fetch", "answer": answer, "calls": 0}])
    for reply in (client.fetch(connected), client.fetch(connected)):
        assert reply.status_code == int(answer)
        assert list(reply.json()) == ["timestamp", "status", "error", "message"]


def _unparsable(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return True
    return False


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        ("empty", lambda reply: reply.content == b""),
        ("null", lambda reply: reply.json() is None),
        ("array", lambda reply: reply.json() == []),
        ("wrong-type", lambda reply: isinstance(reply.json()["token"], dict)),
        ("html", lambda reply: reply.headers["Content-Type"] == "text/html"),
        ("malformed", lambda reply: _unparsable(reply.content)),
        ("invalid-utf8", lambda reply: _unparsable(reply.content)),
        ("not-a-number", lambda reply: b"NaN" in reply.content),
        ("duplicate-keys", lambda reply: reply.content.count(b'"token"') == 3),
        ("deep", lambda reply: reply.content.count(b"[") == 100_000),
        ("401-error-data", lambda reply: reply.json()["errorData"]["errors"][0]["status"] == 401),
    ],
)
def test_a_200_may_be_unusable(
    client: Client,
    outside: Outside,
    connected: Connected,
    answer: str,
    holds: Callable[[httpx.Response], bool],
) -> None:
    outside.set_scenario(connected.portal.id, faults=[{"operation": "fetch", "answer": answer}])
    reply = client.fetch(connected)
    assert reply.status_code == 200
    assert holds(reply)


def test_a_reply_may_be_a_redirect_elsewhere(client: Client, outside: Outside, connected: Connected) -> None:
    outside.set_scenario(connected.portal.id, faults=[{"operation": "fetch", "answer": "redirect"}])
    assert client.fetch(connected).status_code == 302


@pytest.mark.parametrize("answer", ["reset", "reset-mid-body", "truncated"])
@pytest.mark.parametrize("operation", ["refresh", "fetch", "retrieve"])
def test_a_connection_may_be_cut(
    client: Client, outside: Outside, connected: Connected, answer: str, operation: str
) -> None:
    call = calls(client, connected)[operation]
    outside.set_scenario(faults=[{"operation": operation, "answer": answer}])
    with pytest.raises(httpx.TransportError):
        call()
    assert outside.count(operation, status=0) == 1
    assert call().status_code == 200


@pytest.mark.parametrize("answer", ["reset-mid-body", "truncated"])
def test_a_streamed_result_may_be_cut_after_some_megabytes(
    client: Client, outside: Outside, connected: Connected, answer: str
) -> None:
    faults = [{"operation": "fetch", "answer": answer, "megabytes": 2}]
    outside.set_scenario(connected.portal.id, profile="huge-8", faults=faults)
    url = f"{outside.urls.integrator}/integrator/v1/fhir/resources/{connected.portal.id}"
    received = 0
    with (
        pytest.raises(httpx.TransportError),
        client.http.stream("POST", url, json=connected.asking) as reply,
    ):
        for piece in reply.iter_raw():
            received += len(piece)
    assert 0 < received < 3_000_000


def test_a_reset_before_the_work_leaves_everything_as_it_was(
    client: Client, outside: Outside, connected: Connected
) -> None:
    portal = outside.portal("bluebutton")
    reply = client.connect(portal).reply
    outside.set_scenario(portal.id, faults=[{"operation": "refresh", "answer": "reset"}])
    with pytest.raises(httpx.TransportError):
        client.refresh(portal.id, reply["refreshToken"])
    assert client.refresh(portal.id, reply["refreshToken"]).status_code == 200


def test_a_slow_drip_defeats_a_timeout_per_read(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(faults=[{"operation": "fetch", "answer": "drip", "seconds": 0.6}])
    url = f"{outside.urls.integrator}/integrator/v1/fhir/resources/{connected.portal.id}"
    began = time.monotonic()
    reply = client.http.post(url, json=connected.asking, timeout=0.3)
    assert time.monotonic() - began >= 0.5
    assert reply.json()["payload"]["entry"]


def test_a_call_may_hang(client: Client, outside: Outside, connected: Connected) -> None:
    outside.set_scenario(faults=[{"operation": "fetch", "answer": "hang"}])
    url = f"{outside.urls.integrator}/integrator/v1/fhir/resources/{connected.portal.id}"
    with pytest.raises(httpx.ReadTimeout):
        client.http.post(url, json=connected.asking, timeout=0.1)


def test_a_gzip_bomb_unpacks_to_far_more_than_was_sent(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(faults=[{"operation": "retrieve", "answer": "gzip-bomb", "megabytes": 64}])
    transaction = client.start(connected).json()["transactionId"]
    url = f"{outside.urls.integrator}/integrator/v1/fhir/cache/retrieve/{transaction}"
    with client.http.stream("GET", url) as reply:
        assert reply.headers["Content-Encoding"] == "gzip"
        packed = b"".join(reply.iter_raw())
    assert len(packed) < 100_000
    unpacked, unpacker = 0, zlib.decompressobj(31)
    unpacked += len(unpacker.decompress(packed))
    assert unpacked == 64 * 2**20
    assert unpacker.eof


def test_a_flood_is_only_stopped_by_the_client(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(faults=[{"operation": "fetch", "answer": "flood", "megabytes": 4096}])
    url = f"{outside.urls.integrator}/integrator/v1/fhir/resources/{connected.portal.id}"
    with client.http.stream("POST", url, json=connected.asking) as reply:
        for number, _ in enumerate(reply.iter_raw(2**20)):
            if number == 3:
                break


def test_an_endpoints_own_faults_come_before_everyones(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario("*", faults=[Fault("fetch", "500")])
    outside.set_scenario(connected.portal.id, faults=[Fault("fetch", "429")])
    assert [client.fetch(connected).status_code for _ in range(3)] == [429, 500, 200]


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonsense": 1},
        {"pending": "maybe"},
        {"token_seconds": -1},
        {"profile": "gigantic"},
        {"faults": [{"operation": "fetch", "answer": "418"}]},
        {"faults": [{"operation": "dance", "answer": "500"}]},
        {"faults": [{"operation": "fetch", "answer": "500", "call": 2}]},
    ],
)
def test_a_scenario_that_does_not_exist_is_refused(outside: Outside, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"`|field"):
        outside.set_scenario(**wrong)
    with pytest.raises(LookupError):
        outside.set_scenario("no-such-endpoint", pending="202")
