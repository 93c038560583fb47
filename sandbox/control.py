"""The sandbox's own HTTP door: scenarios, requests seen, the clock, the portals."""

import json
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from sandbox.ledger import Handler
from sandbox.onerecord.scenarios import Scenario

if TYPE_CHECKING:
    from sandbox.outside import Outside


class Control:
    """Each route is one method of Outside."""

    def __init__(self, outside: "Outside") -> None:
        self._outside = outside

    def application(self) -> web.Application:
        app = web.Application(middlewares=[_bad_requests])
        app.router.add_get("/scenario", self._describe)
        app.router.add_post("/scenario", self._scenario)
        app.router.add_post("/reset", self._reset)
        app.router.add_get("/requests", self._requests)
        app.router.add_post("/clock", self._clock)
        app.router.add_get("/portals", self._portals)
        app.router.add_post("/grants", self._grants)
        return app

    async def _describe(self, _request: web.Request) -> web.Response:
        """The JSON Schema of a scenario."""
        return web.json_response(msgspec.json.schema(Scenario))

    async def _scenario(self, request: web.Request) -> web.Response:
        asked = await _object(request, {"endpointId", "set"})
        self._outside.set_scenario(str(asked.get("endpointId", "*")), **_mapping(asked.get("set", {})))
        return web.json_response({"ok": True})

    async def _reset(self, _request: web.Request) -> web.Response:
        self._outside.reset()
        return web.json_response({"ok": True})

    async def _requests(self, _request: web.Request) -> web.Response:
        seen = [kind.as_json(count) for kind, count in self._outside.requests()]
        return web.json_response({"requests": seen, "total": sum(one["count"] for one in seen)})

    async def _clock(self, request: web.Request) -> web.Response:
        asked = await _object(request, {"advance"})
        advance = asked.get("advance", 0)
        if isinstance(advance, bool) or not isinstance(advance, int | float):
            raise ValueError("advance must be a number of seconds")
        self._outside.clock.advance(advance)
        return web.json_response({"now": self._outside.clock.now()})

    async def _portals(self, _request: web.Request) -> web.Response:
        return web.json_response({"portals": [one.as_json() for one in self._outside.portals()]})

    async def _grants(self, request: web.Request) -> web.Response:
        asked = await _object(request, {"endpointId", "action"})
        actions = {"expire": self._outside.expire_tokens, "revoke": self._outside.revoke_grants}
        if asked.get("action") not in actions:
            raise ValueError("action must be expire or revoke")
        return web.json_response({"grants": actions[asked["action"]](str(asked.get("endpointId", "*")))})


async def _object(request: web.Request, known: set[str]) -> dict[str, Any]:
    asked = _mapping(json.loads(await request.read() or b"{}"))
    if unknown := set(asked) - known:
        raise ValueError(f"unknown field {sorted(unknown)[0]}")
    return asked


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("an object is required")
    return value


@web.middleware
async def _bad_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (ValueError, LookupError) as problem:
        return web.json_response({"error": str(problem)}, status=400)
