"""Everything that functions do to the world outside, one effect after another, and ways to step in before each.

AWS calls are seen by a botocore hook, calls of the vendor at the transport that they all go through. A killed
function does nothing more: from then on every effect of its process raises.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber

from portico.adapters import aws
from portico.adapters.deadline_transport import DeadlineTransport

SERVICES = ("dynamodb", "kms", "s3", "secretsmanager", "sqs", "scheduler", "stepfunctions")

NOWHERE = "http://127.0.0.1:9/"


class Killed(BaseException):
    """The function's process is gone: nothing in it may catch this."""


@dataclass
class Effects:
    """The effects of one test. `sent` holds the messages that reached the refresh queue, and when they come."""

    now: Callable[[], float]
    seen: list[str] = field(default_factory=list)
    sent: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    lost: int = 0
    _at: tuple[int, Callable[[], None]] | None = None
    _dead: bool = False
    _aside: bool = False
    _losing: dict[str, int] = field(default_factory=dict)
    _transacted: set[str] = field(default_factory=set)

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
        self._losing.clear()

    def lose_answers(self, name: str, times: int) -> None:
        """The next calls of an operation are carried out, and their answers never come."""
        self._losing[name] = times

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Somebody else is at work: a peer, or the test that looks around."""
        before, self._aside = self._aside, True
        try:
            yield
        finally:
            self._aside = before

    def before_send(self, request: Any, event_name: str, **_: object) -> AWSResponse | None:
        """botocore's hook, in the place of the stand-in's own: carries the request out there."""
        if request.url.startswith(NOWHERE):
            return None  # another hook has answered
        service, operation = event_name.split(".")[1:]
        name = f"{_SHORT.get(service, service)}.{operation}"
        self(name)
        answer = self._carry_out(request, event_name)
        if not self._aside and self._losing.get(name):
            self._losing[name] -= 1
            self.lost += 1
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    def _carry_out(self, request: Any, event_name: str) -> AWSResponse:
        # A transaction that happened happens once: DynamoDB keeps its token, the stand-in does not.
        transaction = event_name.endswith(".TransactWriteItems")
        token = json.loads(request.body)["ClientRequestToken"] if transaction else ""
        if token and token in self._transacted:
            return AWSResponse(request.url, 200, {}, MockRawResponse(b"{}"))
        answer = botocore_stubber(event_name, request)
        assert answer is not None
        if (
            event_name.endswith(".Decrypt")
            and answer.status_code == 400
            and b"AccessDenied" in answer.content
        ):
            # KMS says that it is another key; the stand-in has no word for it.
            return AWSResponse(request.url, 400, {}, MockRawResponse(b'{"__type": "IncorrectKeyException"}'))
        if token and answer.status_code == 200:
            self._transacted.add(token)
        if event_name.endswith(".SendMessage") and answer.status_code == 200:
            message = json.loads(request.body)
            self.sent.append((self.now() + message["DelaySeconds"], json.loads(message["MessageBody"])))
        return answer


_SHORT: Mapping[str, str] = {"secrets-manager": "secretsmanager", "sfn": "stepfunctions"}


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, now: Callable[[], float]) -> Iterator[Effects]:
    """The effects of everything that this process does from here on."""
    effects = Effects(now)
    untouched = DeadlineTransport.handle_request

    def send(self: DeadlineTransport, request: httpx.Request) -> httpx.Response:
        effects(f"onerecord.{_operation(request)}")
        return untouched(self, request)

    monkeypatch.setattr(DeadlineTransport, "handle_request", send)
    with ExitStack() as stack:
        for service in SERVICES:
            events = aws.client(service).meta.events
            events.unregister("before-send", botocore_stubber)
            stack.callback(events.register, "before-send", botocore_stubber)
            events.register("before-send", effects.before_send)
            stack.callback(events.unregister, "before-send", effects.before_send)
        yield effects


def _operation(request: httpx.Request) -> str:
    path = request.url.path
    if "/directory/" in path:
        return "directory"
    if path.endswith("/token"):
        return "refresh" if b'"refreshToken"' in request.content else "exchange"
    if "/async/" in path:
        return "start"
    return "result" if "/cache/" in path else "records"
