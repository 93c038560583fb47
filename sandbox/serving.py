"""How every server of the sandbox listens: on loopback only, on a free port unless one is given."""

import ipaddress
import socket
from dataclasses import dataclass

from aiohttp import web


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that all addresses are known before anything is served."""
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"the sandbox listens on loopback only, not on {host}")
    return socket.create_server((host, port), backlog=256)


def base_url(listening: socket.socket) -> str:
    """The address of a listening socket, without a trailing slash."""
    host, port = listening.getsockname()[:2]
    return f"http://{host}:{port}"


@dataclass(frozen=True)
class Served:
    """A running server."""

    runner: web.AppRunner

    async def stop(self) -> None:
        await self.runner.cleanup()


async def serve(app: web.Application, listening: socket.socket) -> Served:
    """Serve an application. There is no access log: requests carry secrets."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return Served(runner)
