"""An HTTP transport with a total deadline per exchange.

httpx's timeouts are per read, so a peer that drips a byte now and then is waited on for ever. Here every
connect, write and read of an exchange may take at most what is left until its deadline. Built from httpcore's
public pieces; one connection pool, one TLS context.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)
DEADLINE = "portico.deadline"


def _left(timeout: float | None) -> float | None:
    ends_at = _ends_at.get()
    if ends_at is None:
        return timeout
    left = ends_at - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("deadline")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._backend.connect_tcp(host, port, _left(timeout), local_address, socket_options))


class _Body(httpx.SyncByteStream):
    def __init__(self, body: Any, ends_at: float | None) -> None:
        self._body, self._deadline = body, ends_at

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._body)
        while True:
            token = _ends_at.set(self._deadline)
            try:
                chunk = next(chunks, None)
            finally:
                _ends_at.reset(token)
            if chunk is None:
                return
            yield chunk

    def close(self) -> None:
        self._body.close()


class DeadlineTransport(httpx.BaseTransport):
    """Takes a request's total seconds from its extension `DEADLINE`. Raises httpcore's exceptions."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, max_connections=10, keepalive_expiry=30, network_backend=_Backend()
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange; the body is read later, under the same deadline."""
        total = request.extensions.get(DEADLINE)
        ends_at = time.monotonic() + total if total is not None else None
        token = _ends_at.set(ends_at)
        try:
            response = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={"timeout": request.extensions.get("timeout", {})},
                )
            )
        finally:
            _ends_at.reset(token)
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response.stream, ends_at)
        )

    def close(self) -> None:
        """Closes the pool."""
        self._pool.close()
