"""Which requests the sandbox has seen: counts by kind, never a secret.

A kind is method, path template, status, endpoint, operation and the names of the JSON fields sent. Status 0
means that no answer was given (the connection was cut).
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPERATION = web.RequestKey("operation", str)
ENDPOINT = web.RequestKey("endpoint", str)
FIELDS = web.RequestKey("fields", tuple[str, ...])
CUT = web.RequestKey("cut", bool)


@dataclass(frozen=True, order=True)
class Kind:
    """Requests that are counted together."""

    service: str
    operation: str
    endpoint: str
    method: str
    path: str
    status: int
    fields: tuple[str, ...]

    def as_json(self, count: int) -> dict[str, Any]:
        return {
            "service": self.service,
            "operation": self.operation,
            "endpoint": self.endpoint or None,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "fields": list(self.fields),
            "count": count,
        }


class Ledger:
    """Counts requests, and how many of an operation were in flight at once."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._running: Counter[tuple[str, str]] = Counter()
        self._peaks: dict[tuple[str, str], int] = {}

    def clear(self) -> None:
        self._counts.clear()
        self._peaks.clear()

    def entries(self) -> list[tuple[Kind, int]]:
        return sorted(self._counts.items())

    def count(
        self, operation: str | None = None, endpoint: str | None = None, status: int | None = None
    ) -> int:
        """How many requests match; an absent argument matches all."""
        return sum(
            count
            for kind, count in self._counts.items()
            if operation in (None, kind.operation)
            and endpoint in (None, kind.endpoint)
            and status in (None, kind.status)
        )

    def most_at_once(self, operation: str, endpoint: str) -> int:
        """The most requests of an operation that were being answered at the same time."""
        return self._peaks.get((operation, endpoint), 0)

    def entered(self, request: web.Request, operation: str, endpoint: str = "") -> None:
        """Name the running request's operation and endpoint."""
        request[OPERATION], request[ENDPOINT] = operation, endpoint
        key = (operation, endpoint)
        self._running[key] += 1
        self._peaks[key] = max(self._peaks.get(key, 0), self._running[key])

    def watch(self, service: str) -> Middleware:
        """The middleware that counts a server's requests."""

        @web.middleware
        async def counting(request: web.Request, handler: Handler) -> web.StreamResponse:
            status = 0
            try:
                response = await handler(request)
                status = 0 if request.get(CUT) else response.status
                return response
            finally:
                self._leave(service, request, status)

        return counting

    def _leave(self, service: str, request: web.Request, status: int) -> None:
        operation, endpoint = request.get(OPERATION, ""), request.get(ENDPOINT, "")
        if operation:
            self._running[operation, endpoint] -= 1
        resource = request.match_info.route.resource
        path = resource.canonical if resource else "(no such path)"
        fields = request.get(FIELDS, ())
        self._counts[Kind(service, operation, endpoint, request.method, path, status, fields)] += 1
