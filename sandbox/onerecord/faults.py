"""Faults: answers that take the place of the right one, or spoil it on its way."""

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

from aiohttp import web

from sandbox.ledger import CUT
from sandbox.onerecord.delivery import Reply, Work, send
from sandbox.onerecord.replies import error_data, error_entry, flat
from sandbox.onerecord.scenarios import Fault

type Spoiler = Callable[[web.Request, Fault, Reply], Awaitable[web.StreamResponse]]


async def answer(request: web.Request, fault: Fault | None, work: Work, now: float) -> web.StreamResponse:
    """Do the work and send its reply, unless a fault takes its place or spoils it."""
    if fault is None:
        return await send(request, await work())
    reply = await work() if fault.after or fault.answer in _NEED_THE_REPLY else Reply()
    canned = _canned(fault, request.path, now)
    if canned is not None:
        return await send(request, canned)
    return await _SPOILERS[fault.answer](request, fault, reply)


# --- answers that are only another body -----------------------------------------------------------

_MESSAGES = {
    400: "the request could not be understood",
    401: "the access token was refused",
    403: "the device is not authorized for this endpoint",
    404: "the URL for the request was invalid",
    409: "the request is still in progress",
    425: "the result is not ready",
    429: "too many requests",
    500: "an unexpected error occurred",
    502: "the portal answered with an error",
    503: "the service is temporarily unavailable",
    504: "the portal did not answer in time",
}
_USUAL_RETRY_AFTER = {429: 2}
_BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "application/json"),
    "null": (b"null", "application/json"),
    "array": (b"[]", "application/json"),
    "wrong-type": (b'{"token": {"value": 7}, "transactionId": [1], "payload": true}', "application/json"),
    "html": (b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>", "text/html"),
    "malformed": (b'{"errorData": {"errors": [], "payload": ', "application/json"),
    "invalid-utf8": (b'{"payload": {"resourceType": "Patient", "id": "\xff\xfe"}}', "application/json"),
    "not-a-number": (b'{"payload": {"resourceType": "Observation", "valueDecimal": NaN}}',
                     "application/json"),
    "duplicate-keys": (b'{"token": "", "token": "second", "token": null, "payload": {}, "payload": null}',
                       "application/json"),
    "deep": (b'{"payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json"),
}  # fmt: skip


def _canned(fault: Fault, path: str, now: float) -> Reply | None:
    if fault.answer.isdigit():
        status = int(fault.answer)
        after = _USUAL_RETRY_AFTER.get(status) if fault.retry_after is None else fault.retry_after
        reply = Reply.of(flat(status, _MESSAGES[status], now), status)
        return replace(reply, headers={} if after is None else {"Retry-After": str(after)})
    if fault.answer == "401-error-data":
        entry = error_entry(401, _MESSAGES[401], "ERROR", now, path)
        return Reply.of({"errorData": error_data(entry, severity="ERROR"), "payload": None})
    if fault.answer == "redirect":
        return Reply(302, headers={"Location": "http://127.0.0.1:9/elsewhere"})
    if fault.answer in _BODIES:
        body, content_type = _BODIES[fault.answer]
        return Reply(200, body, content_type)
    return None


# --- answers that misuse the connection -----------------------------------------------------------


async def _reset(request: web.Request, _fault: Fault, _reply: Reply) -> web.StreamResponse:
    return _cut(request, web.Response())


async def _reset_mid_body(request: web.Request, fault: Fault, reply: Reply) -> web.StreamResponse:
    response = await _begin_and_stop(request, fault, reply)
    await asyncio.sleep(0.02)
    return _cut(request, response)


async def _truncated(request: web.Request, fault: Fault, reply: Reply) -> web.StreamResponse:
    response = await _begin_and_stop(request, fault, reply)
    if request.transport is not None:
        request.transport.close()
    request[CUT] = True
    return response


async def _drip(request: web.Request, fault: Fault, reply: Reply) -> web.StreamResponse:
    body = _whole(reply)
    response = web.StreamResponse(status=reply.status, headers={"Content-Length": str(len(body))})
    response.content_type = reply.content_type
    await response.prepare(request)
    drops = max(1, min(len(body), int(fault.seconds / 0.05)))
    for number in range(drops):
        await response.write(body[number * len(body) // drops : (number + 1) * len(body) // drops])
        await asyncio.sleep(fault.seconds / drops)
    await response.write_eof()
    return response


async def _hang(request: web.Request, fault: Fault, _reply: Reply) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return _cut(request, web.Response())


async def _gzip_bomb(request: web.Request, fault: Fault, _reply: Reply) -> web.StreamResponse:
    headers = {"Content-Encoding": "gzip"}
    return await send(request, Reply(200, _bomb(fault.megabytes or 1024), headers=headers))


async def _flood(request: web.Request, fault: Fault, _reply: Reply) -> web.StreamResponse:
    block = b" " * 2**20
    return await send(request, Reply(200, (block for _ in range(fault.megabytes or 1024))))


def _bomb(megabytes: int) -> Iterator[bytes]:
    """A valid gzip stream of spaces, a thousand times smaller than what it unpacks to."""
    block = b" " * 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    checksum = 0
    for _ in range(megabytes):
        checksum = zlib.crc32(block, checksum)
        yield packed
    yield packer.flush() + struct.pack("<II", checksum, megabytes * 2**20 % 2**32)


async def _begin_and_stop(request: web.Request, fault: Fault, reply: Reply) -> web.StreamResponse:
    """Half of a reply, or the first megabytes of one that is streamed."""
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = reply.content_type
    response.force_close()
    if isinstance(reply.body, bytes):
        response.content_length = len(reply.body) + 1
        await response.prepare(request)
        await response.write(reply.body[: max(1, len(reply.body) // 2)])
        return response
    await response.prepare(request)
    left = (fault.megabytes or 4) * 2**20
    for piece in reply.body:
        if left <= 0:
            break
        await response.write(piece)
        left -= len(piece)
    return response


def _whole(reply: Reply) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection so that the client sees a reset, not an orderly end."""
    request[CUT] = True
    if (transport := request.transport) is not None:
        if (connection := transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response


_NEED_THE_REPLY = frozenset({"reset-mid-body", "truncated", "drip"})
_SPOILERS: dict[str, Spoiler] = {
    "reset": _reset,
    "reset-mid-body": _reset_mid_body,
    "truncated": _truncated,
    "drip": _drip,
    "hang": _hang,
    "gzip-bomb": _gzip_bomb,
    "flood": _flood,
}
