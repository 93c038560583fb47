"""OneRecord in trouble, over real sockets: each fault has its class, its time and its size."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from portico.adapters import onerecord
from portico.errors import (
    PortalBusy,
    PortalRejected,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
    ResultTooLarge,
    Retryable,
)
from portico.records_request import RecordsRequest
from portico.secret import Secret
from portico.vendor import Stream
from sandbox.outside import Outside, PortalInfo
from tests.adapters.recorder import Answer, Recorder, raw, recording
from tests.adapters.vendor import Vendor, body, tokens
from tests.sandbox.client import Client, Connected

SOON = 0.5
"""The total deadline that the tests give, in seconds."""
EVERYTHING = RecordsRequest()


@pytest.fixture
def vendor(outside: Outside) -> Vendor:
    return Vendor(outside.urls.directory, outside.urls.integrator)


@dataclass
class Someone:
    """A patient who is connected."""

    connected: Connected

    @property
    def portal(self) -> PortalInfo:
        return self.connected.portal

    @property
    def refresh(self) -> Secret:
        return Secret(self.connected.reply["refreshToken"])

    @property
    def tokens(self) -> Any:
        return tokens(self.connected.reply["token"], str(self.connected.reply["patId"]))


@pytest.fixture
def someone(outside: Outside) -> Iterator[Someone]:
    client = Client(outside)
    yield Someone(client.connect(_refreshing(outside)))
    client.http.close()


def _refreshing(outside: Outside) -> PortalInfo:
    return next(one for one in outside.portals() if one.status == "active" and one.data_type == "clinical")


def fault(outside: Outside, operation: str, answer: str, **how: Any) -> None:
    outside.set_scenario(faults=[{"operation": operation, "answer": answer, "calls": 0, **how}])


SPOILT: dict[str, type[PorticoError]] = {
    "reset": PortalUnclear,
    "reset-mid-body": PortalUnclear,
    "truncated": PortalUnclear,
    "500": PortalUnclear,
    "502": PortalUnclear,
    "504": PortalUnclear,
    "503": PortalBusy,
    "429": PortalBusy,
    "400": PortalRejected,
    "401": PortalRejected,
    "401-error-data": PortalRejected,
    "403": PortalRejected,
    "404": PortalRejected,
    "html": PortalUnusable,
    "malformed": PortalUnusable,
    "invalid-utf8": PortalUnusable,
    "not-a-number": PortalUnusable,
    "wrong-type": PortalUnusable,
    "duplicate-keys": PortalUnusable,
    "deep": PortalUnusable,
    "array": PortalUnusable,
    "null": PortalUnusable,
    "empty": PortalUnusable,
    "redirect": PortalUnusable,
}


@pytest.mark.parametrize("answer", SPOILT)
def test_a_refresh_that_is_answered_so_is_told_by_its_class(
    outside: Outside, vendor: Vendor, someone: Someone, answer: str
) -> None:
    fault(outside, "refresh", answer)
    with pytest.raises(SPOILT[answer]) as refused:
        vendor.integrator.refresh(someone.portal.id, someone.refresh)
    assert type(refused.value) is SPOILT[answer]
    assert outside.count("refresh") == 1


# A transaction's id in the header is an answer, whatever else the body says.
STARTED_ALL_THE_SAME = {"wrong-type", "duplicate-keys"}


@pytest.mark.parametrize("answer", sorted(SPOILT.keys() - STARTED_ALL_THE_SAME))
def test_a_background_query_that_is_answered_so_is_told_by_its_class(
    outside: Outside, vendor: Vendor, someone: Someone, answer: str
) -> None:
    fault(outside, "start", answer)
    with pytest.raises(SPOILT[answer]):
        vendor.integrator.start(someone.portal.id, someone.tokens, EVERYTHING)
    assert outside.count("start") == 1


@pytest.mark.parametrize("seconds", [1, 7, 900])
def test_a_vendor_that_names_a_time_is_given_it(
    outside: Outside, vendor: Vendor, someone: Someone, seconds: int
) -> None:
    fault(outside, "refresh", "429", retry_after=seconds)
    with pytest.raises(PortalBusy) as busy:
        vendor.integrator.refresh(someone.portal.id, someone.refresh)
    assert busy.value.retry_after == seconds


def spent(call: Callable[[], object], error: type[Exception]) -> float:
    began = time.monotonic()
    with pytest.raises(error) as refused:
        call()
    assert type(refused.value) is error
    return time.monotonic() - began


@pytest.mark.parametrize("answer", ["hang", "drip"])
@pytest.mark.parametrize("operation", ["refresh", "start", "search"])
def test_every_operation_ends_at_its_total_deadline(
    outside: Outside,
    vendor: Vendor,
    someone: Someone,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    answer: str,
) -> None:
    for name in ("TOKEN_SECONDS", "START_SECONDS", "DIRECTORY_SECONDS"):
        monkeypatch.setattr(onerecord, name, SOON)
    fault(outside, operation, answer, seconds=20)
    calls = {
        "refresh": lambda: vendor.integrator.refresh(someone.portal.id, someone.refresh),
        "start": lambda: vendor.integrator.start(someone.portal.id, someone.tokens, EVERYTHING),
        "search": lambda: vendor.directory.search("clinical", ""),
    }
    assert SOON * 0.9 <= spent(calls[operation], PortalTimeout) < SOON + 0.7


def test_a_probe_that_is_not_answered_is_no_proof(
    outside: Outside, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onerecord, "PROBE_SECONDS", SOON)
    fault(outside, "search", "hang", seconds=20)
    began = time.monotonic()
    assert vendor.integrator.accepts_device_token() is False
    assert time.monotonic() - began < SOON + 0.7


# --- streamed answers ------------------------------------------------------------------------------


def records(vendor: Vendor, someone: Someone) -> AbstractContextManager[Stream]:
    return vendor.integrator.records(someone.portal.id, someone.tokens, EVERYTHING)


def read(opened: AbstractContextManager[Stream]) -> bytes:
    with opened as answer:
        return body(answer)


def test_records_arrive_whole(outside: Outside, vendor: Vendor, someone: Someone) -> None:
    outside.set_scenario(profile="tiny")
    with records(vendor, someone) as answer:
        assert answer.status == 200
        assert b'"resourceType"' in body(answer)


def test_packed_records_arrive_unpacked(outside: Outside, vendor: Vendor, someone: Someone) -> None:
    outside.set_scenario(profile="tiny")
    plain = read(records(vendor, someone))
    outside.set_scenario(compress=True)
    with records(vendor, someone) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert body(answer) == plain


@pytest.mark.parametrize("answer", ["reset", "reset-mid-body", "truncated"])
def test_records_that_break_off_are_unclear(
    outside: Outside, vendor: Vendor, someone: Someone, answer: str
) -> None:
    outside.set_scenario(profile="tiny")
    fault(outside, "fetch", answer)
    with pytest.raises(PortalUnclear):
        read(records(vendor, someone))


def test_records_that_drip_end_at_the_total_deadline(
    outside: Outside, vendor: Vendor, someone: Someone
) -> None:
    outside.set_scenario(profile="tiny")
    fault(outside, "fetch", "drip", seconds=20)
    url = f"{outside.urls.integrator}/integrator/v1/fhir/resources/{someone.portal.id}"
    asked = {
        "oauthToken": someone.connected.reply["token"],
        "patientId": str(someone.connected.reply["patId"]),
    }

    def drink() -> None:
        with vendor.http.stream("POST", url, seconds=SOON, largest=2**20, json=asked) as answer:
            assert answer.status == 200
            body(answer)

    assert SOON * 0.9 <= spent(drink, PortalTimeout) < SOON + 0.7


@pytest.mark.parametrize("answer", ["gzip-bomb", "flood"])
def test_an_answer_beyond_the_cap_is_cut_off_early(
    outside: Outside, vendor: Vendor, someone: Someone, answer: str
) -> None:
    fault(outside, "refresh", answer, megabytes=512)
    began = time.monotonic()
    with pytest.raises(PortalUnusable):
        vendor.integrator.refresh(someone.portal.id, someone.refresh)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("answer", ["gzip-bomb", "flood"])
def test_a_stream_beyond_the_cap_comes_in_small_pieces_until_it_is_cut_off(
    outside: Outside, vendor: Vendor, someone: Someone, answer: str
) -> None:
    fault(outside, "fetch", answer, megabytes=64)
    url = f"{outside.urls.integrator}/integrator/v1/fhir/resources/{someone.portal.id}"
    received = 0
    opening = vendor.http.stream("POST", url, seconds=20, largest=2**22, json={})
    with opening as opened, pytest.raises(ResultTooLarge):
        for chunk in opened.chunks:
            assert len(chunk) <= 256 * 1024
            received += len(chunk)
    assert received <= 2**22


# --- the connection itself -------------------------------------------------------------------------


def test_nothing_is_sent_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    vendor = Vendor(url, url)
    with pytest.raises(PortalUnreachable):
        vendor.integrator.refresh("portal", Secret("rt"))


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    vendor = Vendor("http://onerecord.invalid", "http://onerecord.invalid")
    with pytest.raises(PortalUnreachable):
        vendor.integrator.refresh("portal", Secret("rt"))


def test_a_server_that_never_answers_the_tls_hello_was_sent_nothing() -> None:
    with raw(lambda connection: time.sleep(3)) as url:
        vendor = Vendor(url, url)
        https = url.replace("http:", "https:")
        began = time.monotonic()
        with pytest.raises(PortalUnreachable):
            vendor.http.call("GET", https, seconds=SOON)
        assert time.monotonic() - began < SOON + 0.7


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(server: Recorder) -> None:
    vendor = Vendor(server.url, server.url)
    server.script = [Answer([], hang_up=True), Answer([])]
    for term in ("first", "second"):
        vendor.directory.search("clinical", term)
    assert len(server.requests) == 2


def test_a_redirect_is_never_followed(server: Recorder) -> None:
    vendor = Vendor(server.url, server.url)
    server.answers = lambda _: Answer(b"", 302, {"Location": "/elsewhere"})
    for call in (
        lambda: vendor.integrator.refresh("portal", Secret("rt")),
        lambda: vendor.integrator.exchange("portal", Secret("c"), None, None),
        lambda: vendor.integrator.start("portal", tokens("at"), EVERYTHING),
        lambda: vendor.directory.search("clinical", "x"),
    ):
        with pytest.raises(PortalUnusable):
            call()
    assert not any(request.path == "/elsewhere" for request in server.requests)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "compress"])
def test_an_encoding_that_was_not_asked_for_cannot_be_used(server: Recorder, encoding: str) -> None:
    vendor = Vendor(server.url, server.url)
    server.script = [Answer(b"\x00\x01", 200, {"Content-Encoding": encoding})]
    with pytest.raises(PortalUnusable):
        vendor.integrator.refresh("portal", Secret("rt"))
    assert server.last.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("content", [b"not gzip", b"", b"\x1f\x8b\x08\x00"])
def test_a_packed_answer_that_does_not_unpack_is_unclear(server: Recorder, content: bytes) -> None:
    vendor = Vendor(server.url, server.url)
    server.script = [Answer(content, 200, {"Content-Encoding": "gzip"})]
    with pytest.raises(PortalUnclear):
        vendor.integrator.refresh("portal", Secret("rt"))


def chatter(text: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return serve


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    ],
    ids=["nothing", "not http", "two lengths", "bad chunk", "too short", "huge header"],
)
def test_what_is_no_http_is_unclear(text: bytes) -> None:
    with raw(chatter(text)) as url:
        vendor = Vendor(url, url)
        with pytest.raises(PortalUnclear):
            vendor.integrator.refresh("portal", Secret("rt"))


def test_headers_that_drip_end_at_the_total_deadline() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" * 20:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    with raw(serve) as url:
        vendor = Vendor(url, url)
        taken = spent(lambda: vendor.http.call("GET", url, seconds=SOON), PortalTimeout)
    assert taken < SOON + 0.7


def test_no_error_carries_what_was_sent_or_said(outside: Outside, vendor: Vendor, someone: Someone) -> None:
    for answer in ("reset", "truncated", "400", "500", "html", "redirect"):
        fault(outside, "refresh", answer)
        with pytest.raises(PorticoError) as refused:
            vendor.integrator.refresh(someone.portal.id, someone.refresh)
        shown = f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"
        for secret in (someone.refresh.reveal(), "sandbox-device-token", someone.portal.id, "http://"):
            assert secret not in shown
        assert isinstance(refused.value, Retryable | PortalUnusable | PortalRejected)
