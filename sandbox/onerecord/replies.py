"""OneRecord's two ways of saying that something went wrong, and its headers."""

import time
import uuid
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.ledger import Handler

TRANSACTION_HEADER = "OneRecord-Transaction-ID"


def timestamp(now: float) -> str:
    """Month first, no zone, as the vendor prints it."""
    return time.strftime("%m-%d-%Y %H:%M:%S", time.gmtime(now))


def flat(status: int, message: str, now: float, *, path: str | None = None) -> dict[str, Any]:
    """The body of an error that is told by its HTTP status."""
    body: dict[str, Any] = {
        "timestamp": timestamp(now),
        "status": status,
        "error": HTTPStatus(status).phrase,
        "message": message,
    }
    return {**body, "path": path} if path else body


def error_entry(status: int, message: str, severity: str, now: float, path: str) -> dict[str, Any]:
    """One item of errorData.errors."""
    return {
        "timestamp": timestamp(now),
        "code": status * 10,
        "severity": severity,
        "status": status,
        "error": HTTPStatus(status).phrase,
        "message": message,
        "path": path,
    }


def error_data(*entries: dict[str, Any], severity: str | None = None) -> dict[str, Any]:
    """The errorData member; `severity` is that of the worst entry."""
    return {"errors": list(entries), "highestError": severity if entries else None}


def fresh_transaction_id() -> str:
    return str(uuid.uuid4())


class Refusal(Exception):
    """The vendor refuses with a flat error body."""

    def __init__(self, status: int, message: str, *, path: bool = False) -> None:
        super().__init__(message)
        self.status, self.message, self.path = status, message, path


def refusals(now: Callable[[], float], known_tokens: Collection[str]) -> Middleware:
    """The middleware of directory and integrator: the bearer check first, then every error as a flat body."""

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or token not in known_tokens:
                raise Refusal(401, "Full authentication is required to access this resource")
            return await handler(request)
        except Refusal as refusal:
            status, message, path = refusal.status, refusal.message, refusal.path
        except web.HTTPMethodNotAllowed as refused:
            status, message, path = 405, f"Request method '{refused.method}' not supported", True
        except web.HTTPNotFound:
            status, message, path = 404, "the URL for the request was invalid", False
        body = flat(status, message, now(), path=request.path if path else None)
        return web.json_response(body, status=status)

    return guarding
