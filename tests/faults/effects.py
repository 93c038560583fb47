"""Everything that functions do to the world outside, one effect after another, and ways to step in before each.

AWS calls are seen by a botocore hook, calls of the vendor at the one door that they all go through. A killed
function does nothing more: from then on every effect of its process raises.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.core.models import botocore_stubber

from portico.adapters import aws
from portico.adapters.onerecord import OneRecord
from portico.vendor import Stream
from tests.adapters.faults import answering

SERVICES = ("dynamodb", "kms", "s3", "secretsmanager", "sqs", "scheduler", "stepfunctions")


class Killed(BaseException):
    """The function's process is gone: nothing in it may catch this."""


@dataclass
class Effects:
    """The effects of one test. `sent` holds the messages that reached the refresh queue."""

    seen: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    _at: tuple[int, Callable[[], None]] | None = None
    _dead: bool = False
    _aside: bool = False
    _committed: set[str] = field(default_factory=set)

    def __call__(self, name: str) -> None:
        """An effect is about to happen."""
        if self._aside:
            return
        if self._dead:
            raise Killed
        self.seen.append(name)
        if self._at is not None and self._at[0] == len(self.seen) - 1:
            (_, action), self._at = self._at, None
            action()

    def step_in(self, point: int, action: Callable[[], None]) -> None:
        """Runs `action` before the effect of that number, from now."""
        self._at = len(self.seen) + point, action

    def kill(self) -> None:
        """The process dies here."""
        self._dead = True
        raise Killed

    def another_process(self) -> None:
        """What comes now runs elsewhere, untouched by what was planned for the one before."""
        self._dead, self._at = False, None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Somebody else is at work: a peer, or the test that looks around."""
        before, self._aside = self._aside, True
        try:
            yield
        finally:
            self._aside = before

    # --- AWS ---------------------------------------------------------------------------------------

    def before_send(self, request: Any, event_name: str, **_: object) -> AWSResponse | None:
        """botocore's hook: None lets the request through to the stand-in."""
        _, service, operation = event_name.split(".")
        self(f"{_SHORT.get(service, service)}.{operation}")
        if operation == "SendMessage":
            self.sent.append(json.loads(json.loads(request.body)["MessageBody"]))
        if operation == "TransactWriteItems":
            # As DynamoDB does and the stand-in does not: a transaction that happened happens once.
            token = json.loads(request.body)["ClientRequestToken"]
            if token in self._committed:
                return answering(request, 200, b"{}")
            response = botocore_stubber(event_name, request)
            if response is not None and response.status_code == 200:
                self._committed.add(token)
            return response
        return None


_SHORT: Mapping[str, str] = {"secrets-manager": "secretsmanager", "sfn": "stepfunctions"}


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Effects]:
    """Effects of everything that this process does from here on."""
    effects = Effects()
    untouched = OneRecord.stream

    @contextmanager
    def stream(self: OneRecord, method: str, url: str, **how: Any) -> Iterator[Stream]:
        effects(f"onerecord.{_operation(url, how.get('json'))}")
        with untouched(self, method, url, **how) as answer:
            yield answer

    monkeypatch.setattr(OneRecord, "stream", stream)
    with ExitStack() as stack:
        for service in SERVICES:
            events = aws.client(service).meta.events
            events.register_first("before-send", effects.before_send)
            stack.callback(events.unregister, "before-send", effects.before_send)
        yield effects


@contextmanager
def answer_lost(service: str, operation: str, *, times: int = 1) -> Iterator[list[str]]:
    """The next calls of an operation are carried out, and their answers never come."""
    lost: list[str] = []
    client = aws.client(service)
    event = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{operation}"

    def carry_out(request: Any, event_name: str, **_: object) -> None:
        if len(lost) < times:
            lost.append(operation)
            for handler in _others(client, event_name, carry_out):
                if handler(request=request, event_name=event_name) is not None:
                    break
            raise ReadTimeoutError(endpoint_url=request.url)

    client.meta.events.register_first(event, carry_out)
    try:
        yield lost
    finally:
        client.meta.events.unregister(event, carry_out)


def _others(client: Any, event_name: str, this: Callable[..., None]) -> list[Callable[..., Any]]:
    handlers = client.meta.events._emitter._handlers.prefix_search(event_name)
    return [handler for handler in handlers if handler is not this]


def _operation(url: str, body: Mapping[str, Any] | None) -> str:
    if "/directory/" in url:
        return "directory"
    if url.endswith("/token"):
        return "refresh" if body and "refreshToken" in body else "exchange"
    if "/async/" in url:
        return "start"
    return "result" if "/cache/" in url else "records"
