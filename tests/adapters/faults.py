"""AWS faults that no stand-in plays: answers put in front of a client before a request is sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse

from portico.adapters import aws


class _Body:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body


@contextmanager
def failing(
    service: str, operation: str, code: str, *, status: int = 400, times: int = 99
) -> Iterator[list[str]]:
    """The next `times` calls of an operation fail with an error code; gives the list of those that did."""
    failed: list[str] = []
    body = f"<Error><Code>{code}</Code></Error>" if service == "s3" else json.dumps({"__type": code})

    def answer(request: Any, **_: object) -> AWSResponse | None:
        if len(failed) >= times:
            return None
        failed.append(code)
        # moto would carry the request out all the same, if it knew where it was going.
        request.url = "http://127.0.0.1:9/"
        return AWSResponse(request.url, status, {}, _Body(body.encode()))

    yield from _hooked(service, operation, answer, failed)


@contextmanager
def refusing(service: str, operation: str, error: Exception) -> Iterator[list[str]]:
    """Every call of an operation ends as if the network had failed so."""
    failed: list[str] = []

    def answer(**_: object) -> None:
        failed.append(type(error).__name__)
        raise error

    yield from _hooked(service, operation, answer, failed)


def _hooked(service: str, operation: str, answer: Any, failed: list[str]) -> Iterator[list[str]]:
    client = aws.client(service)
    event = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register_first(event, answer)
    try:
        yield failed
    finally:
        client.meta.events.unregister(event, answer)
