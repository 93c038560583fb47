"""Every way in which OneRecord may fail, over real sockets, filed by the class that it belongs to.

`N` not sent, `B` asked to back off, `A` ambiguous, `S` a success that cannot be used, `R` rejected by a known
signal, `U` any other refusal. The sandbox plays most of them; what it does not play, a server of the tests does.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from portico import config, deployment
from portico.adapters.onerecord import OneRecordIntegrator
from tests.adapters.recorder import Answer, recording
from tests.faults.ground import SOON, Ground


@dataclass(frozen=True)
class Fault:
    """One way to fail. `spent`: the vendor did its work before it failed, and a code is used up."""

    kind: str
    played: Mapping[str, Any] | None = None
    said: Answer | None = None
    place: str | None = None
    retry_after: int | None = None
    spent: bool = False
    late: bool = False
    scenario: Mapping[str, Any] = field(default_factory=dict)


def _plays(kind: str, answer: str, **more: Any) -> Fault:
    told = {key: more.pop(key) for key in ("spent", "late") if key in more}
    return Fault(kind, {"answer": answer, "calls": 0} | more, retry_after=more.get("retry_after"), **told)


def _says(kind: str, status: int, content: Any, **headers: str) -> Fault:
    return Fault(kind, said=Answer(content, status, headers))


def _flat(status: int, message: str) -> dict[str, Any]:
    return {"timestamp": "11-24-2026 10:00:00", "status": status, "error": "Error", "message": message}


def _error_data(status: int) -> dict[str, Any]:
    entry = _flat(status, "the portal refused the request") | {"code": status * 10, "severity": "ERROR"}
    return {"errorData": {"errors": [entry], "highestError": "ERROR"}, "payload": None}


FAULTS: Mapping[str, Fault] = {
    "connection-refused": Fault("N", place="refused"),
    "dns-failure": Fault("N", place="unknown"),
    "tls-failure": Fault("N", place="tls"),
    "connect-timeout": Fault("N", place="full"),
    "429-with-retry-after": _plays("B", "429", retry_after=7),
    "429-without": _says("B", 429, _flat(429, "too many requests")),
    "503-with-retry-after": _plays("B", "503", retry_after=7),
    "503-without": _plays("B", "503"),
    "500": _plays("A", "500"),
    "502": _plays("A", "502"),
    "504": _plays("A", "504"),
    "reset-before-headers": _plays("A", "reset"),
    "reset-after-the-work": _plays("A", "reset", after=True, spent=True),
    "reset-mid-body": _plays("A", "reset-mid-body", spent=True),
    "truncated": _plays("A", "truncated", spent=True),
    "slow-drip": _plays("A", "drip", seconds=20, spent=True, late=True),
    "read-timeout": _plays("A", "hang", seconds=20, late=True),
    "malformed-json": _plays("S", "malformed"),
    "html-200": _plays("S", "html"),
    "wrong-type": _plays("S", "wrong-type"),
    "empty-token": _says("S", 200, {"token": "", "refreshToken": ""}),
    "empty-body": _plays("S", "empty"),
    "null": _plays("S", "null"),
    "over-the-cap": _plays("S", "flood", megabytes=4),
    "gzip-bomb": _plays("S", "gzip-bomb", megabytes=64),
    "redirect": _plays("S", "redirect"),
    "other-endpoint": Fault("S", scenario={"token_reply": "other-endpoint"}, spent=True),
    "400-known": _says("R", 400, _flat(400, "invalid_grant: the grant was refused")),
    "401-known": _says("R", 401, _flat(401, "invalid_grant: the grant was refused")),
    "403-known": _says("R", 403, _flat(403, "access_denied")),
    "401": _plays("R", "401"),
    "401-in-error-data": _plays("R", "401-error-data"),
    "400": _plays("U", "400"),
    "403": _plays("U", "403"),
    "404": _plays("U", "404"),
    "405": _says("U", 405, _flat(405, "Request method not supported")),
    "418": _says("U", 418, _flat(418, "a teapot")),
    "error-data-200": _says("U", 200, _error_data(400)),
}


@contextmanager
def failing(ground: Ground, operation: str, fault: Fault) -> Iterator[None]:
    """From here on OneRecord fails so at that operation."""
    url = "DIRECTORY_URL" if operation == "search" else "INTEGRATOR_URL"
    with ExitStack() as stack:
        if fault.played:
            ground.outside.set_scenario(faults=[{"operation": operation} | dict(fault.played)])
            stack.callback(ground.outside.set_scenario, faults=[])
        if fault.scenario:
            ground.outside.set_scenario(ground.portal.id, **fault.scenario)
            stack.callback(ground.outside.set_scenario, ground.portal.id, token_reply="whole")
        if fault.said:
            server = stack.enter_context(recording())
            said = fault.said
            server.answers = lambda _: said
            ground.settings[url] = server.url
            stack.callback(ground.settings.pop, url)
        if fault.place:
            ground.settings[url] = stack.enter_context(_nowhere(ground, fault.place))
            stack.callback(ground.settings.pop, url)
        yield


@contextmanager
def _nowhere(ground: Ground, place: str) -> Iterator[str]:
    if place == "unknown":
        yield "http://onerecord.invalid"
        return
    if place == "tls":
        # An address that speaks no TLS.
        yield ground.outside.urls.integrator.replace("http:", "https:")
        return
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        host, port = listening.getsockname()
        if place == "refused":
            listening.close()
        else:
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((host, port))
        yield f"http://{host}:{port}"


def hurry(ground: Ground, fault: Fault) -> None:
    """Caps small enough for tests; deadlines too, where the fault is to wait for ever."""
    adapter = "portico.adapters.onerecord"
    for name in ("LARGEST_DIRECTORY", "LARGEST_RECORDS", "LARGEST_RESULT", "LARGEST_REPLY"):
        ground.monkeypatch.setattr(f"{adapter}.{name}", 2 * 1024 * 1024)
    if fault.place:
        ground.monkeypatch.setattr(f"{adapter}.CONNECT_SECONDS", SOON)
    if fault.late:
        for name in ("TOKEN_SECONDS", "START_SECONDS", "DIRECTORY_SECONDS", "RESULT_SECONDS"):
            ground.monkeypatch.setattr(f"{adapter}.{name}", SOON)
        ground.monkeypatch.setattr(deployment, "integrator", _hurried)


def _hurried() -> OneRecordIntegrator:
    urls = config.required("INTEGRATOR_URL"), config.required("DIRECTORY_URL")
    return OneRecordIntegrator(deployment.onerecord(), *urls, records_seconds=SOON)
