"""How a reply reaches the client: whole, or streamed and never held."""

import json
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Reply:
    """What is to be answered; a body that is not bytes is streamed and never held whole."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Self:
        return cls(status, json.dumps(value, ensure_ascii=False).encode())


type Work = Callable[[], Awaitable[Reply]]


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send a reply as it is."""
    headers = {**reply.headers}
    if reply.body or reply.status == 200:
        headers["Content-Type"] = reply.content_type
    if isinstance(reply.body, bytes):
        return web.Response(status=reply.status, body=reply.body, headers=headers)
    response = web.StreamResponse(status=reply.status, headers=headers)
    await response.prepare(request)
    for piece in reply.body:
        await response.write(piece)
    await response.write_eof()
    return response


def gzipped(reply: Reply) -> Reply:
    """The same reply with Content-Encoding: gzip."""
    pieces = (reply.body,) if isinstance(reply.body, bytes) else reply.body
    return replace(reply, body=_gzip(pieces), headers={**reply.headers, "Content-Encoding": "gzip"})


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
