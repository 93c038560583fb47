"""The app team's webhook receiver: accepts everything and keeps the last thousand requests."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    at: float
    path: str
    headers: dict[str, str]
    body: str

    def as_json(self) -> dict[str, Any]:
        return {"at": self.at, "path": self.path, "headers": self.headers, "body": self.body}


class Webhooks:
    """POST anywhere is answered with 204; GET /received shows what came, oldest first."""

    def __init__(self) -> None:
        self._received: deque[Received] = deque(maxlen=1000)

    @property
    def received(self) -> list[Received]:
        return list(self._received)

    def clear(self) -> None:
        self._received.clear()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**20)
        app.router.add_get("/received", self._show)
        app.router.add_post("/{path:.*}", self._receive)
        return app

    async def _receive(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode(errors="replace")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._received.append(Received(time.time(), request.path, headers, body))
        return web.Response(status=204)

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response({"received": [one.as_json() for one in self._received]})
