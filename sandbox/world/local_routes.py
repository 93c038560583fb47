"""The routes under /_local/, which exist only in the local world: status, tokens, events, clock, log."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.world.logs import read_log

if TYPE_CHECKING:
    from sandbox.world.world import World

Json = dict[str, Any]
Answer = Callable[["World", Json], Awaitable[Json]]
EVENT_SOURCE = "local"


class BadInput(Exception):
    """The body or query of a local route is wrong; the message says what."""


def local_routes(world: "World") -> list[web.RouteDef]:
    """The routes of this world."""

    def ready(answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            if not world.ready:
                return web.json_response({"ready": False}, status=503, headers={"Retry-After": "1"})
            try:
                given = await _body(request) if request.method == "POST" else dict(request.query)
                return web.json_response(await answer(world, given), headers={"Cache-Control": "no-store"})
            except BadInput as error:
                return web.json_response({"error": str(error)}, status=400)

        return handler

    return [
        web.get("/_local/status", ready(_status)),
        web.post("/_local/token", ready(_token)),
        web.post("/_local/events", ready(_event)),
        web.post("/_local/clock", ready(_clock)),
        web.get("/_local/log", ready(_log)),
    ]


async def _body(request: web.Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        raise BadInput("the body must be JSON") from None
    if not isinstance(body, dict):
        raise BadInput("the body must be a JSON object")
    return body


def _fields(given: Json, **types: type | tuple[type, ...]) -> Json:
    """The given fields, each of its type; a field that is not named here is refused."""
    for name, value in given.items():
        if name not in types:
            raise BadInput(f"unknown field {name}")
        if not isinstance(value, types[name]) or (isinstance(value, bool) and types[name] is not bool):
            raise BadInput(f"{name} has the wrong type")
    return given


def _needed(given: Json, name: str) -> Any:
    if name not in given:
        raise BadInput(f"{name} is missing")
    return given[name]


async def _status(world: "World", _: Json) -> Json:
    return world.status()


async def _token(world: "World", given: Json) -> Json:
    _fields(given, sub=str, scope=str, expiresIn=(int, float), claims=dict)
    token = world.token(
        _needed(given, "sub"),
        scope=given.get("scope"),
        expires_in=given.get("expiresIn", 3600),
        claims=given.get("claims"),
    )
    return {"access_token": token, "token_type": "Bearer", "expires_in": given.get("expiresIn", 3600)}


async def _event(world: "World", given: Json) -> Json:
    _fields(given, detailType=str, detail=dict)
    entry = {
        "Source": EVENT_SOURCE,
        "DetailType": _needed(given, "detailType"),
        "Detail": json.dumps(_needed(given, "detail")),
        "EventBusName": world.stack.outputs["EventBusName"],
    }
    answer = await asyncio.to_thread(world.aws("events").put_events, Entries=[entry])
    if answer["FailedEntryCount"]:
        raise BadInput(f"the bus refused the event: {answer['Entries'][0].get('ErrorMessage', '')}")
    return {"eventId": answer["Entries"][0]["EventId"]}


async def _clock(world: "World", given: Json) -> Json:
    _fields(given, advance=(int, float))
    try:
        world.outside.clock.advance(_needed(given, "advance"))
    except ValueError as error:
        raise BadInput(str(error)) from None
    fired = await asyncio.to_thread(world.fire_schedules)
    return {"now": datetime.fromtimestamp(world.outside.clock.now(), UTC).isoformat(), "fired": fired}


async def _log(world: "World", given: Json) -> Json:
    for name in given:
        if name not in ("function", "since"):
            raise BadInput(f"unknown parameter {name}")
    since = 0.0
    if given.get("since"):
        try:
            since = datetime.fromisoformat(given["since"]).timestamp()
        except ValueError:
            raise BadInput("since must be an RFC 3339 time") from None
    lines = await asyncio.to_thread(read_log, world.aws, world.stack, given.get("function"), since)
    return {"lines": lines}
