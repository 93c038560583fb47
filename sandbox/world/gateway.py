"""The front of the local world: one address for the API, the patient app and the routes that are only local.

To the API it is what the edge of API Gateway is: it passes requests on with path and query byte for byte,
adds the headers that the edge adds, never follows a redirect, and keeps the edge's limits of size and time.
"""

import socket
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from sandbox.world.emulator import ROOT

APP_FILES = ROOT / "sandbox" / "app"
LARGEST_REQUEST = 10 * 1024 * 1024
LONGEST_ANSWER_SECONDS = 30
_HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_SET_BY_THE_EDGE = frozenset(("host", "content-length", "x-forwarded-proto", "x-forwarded-port"))
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PortInUse(Exception):
    """Somebody else listens on the port."""


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=256)
    except OSError as error:
        message = f"port {port} is in use: set PORT to another one, or to 0 for any that is free"
        raise PortInUse(message) from error


class Front:
    """Answers 503 until `open` tells it where the API is."""

    def __init__(self, local_routes: list[web.RouteDef]) -> None:
        self._upstream: str | None = None
        self._client: aiohttp.ClientSession | None = None
        app = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[_only_for_this_machine])
        app.add_routes(local_routes)
        app.add_routes(
            [
                web.route("*", "/_local/{rest:.*}", _nothing_here),
                web.get("/app", _to_the_app),
                web.get("/app/{name:.*}", _app_file),
                web.route("*", r"/{path:[\s\S]*}", self._pass_on),  # a path may hold an escaped line break
            ]
        )
        app.on_response_prepare.append(_nameless)
        app.on_cleanup.append(self._close)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)

    async def serve(self, listening: socket.socket) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    def open(self, upstream: str) -> None:
        """Pass requests on to the API at `upstream`, a URL without a trailing slash."""
        self._client = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=LONGEST_ANSWER_SECONDS),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        self._upstream = upstream

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _close(self, _: web.Application) -> None:
        if self._client is not None:
            await self._client.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if request.raw_path == "/" and "text/html" in request.headers.get("Accept", ""):
            return await _to_the_app(request)
        if self._client is None or self._upstream is None:
            return web.json_response({"ready": False}, status=503, headers={"Retry-After": "1"})
        if not request.raw_path.startswith("/"):
            return web.json_response({"message": "Bad Request"}, status=400)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.json_response({"message": "Request Entity Too Large"}, status=413)
        target = URL(self._upstream + request.raw_path, encoded=True)
        try:
            async with self._client.request(
                request.method, target, headers=_onward(request), data=body or None, allow_redirects=False
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return web.json_response({"message": "Service Unavailable"}, status=503)
        return web.Response(status=answer.status, headers=_back(answer, request), body=content)


def _onward(request: web.Request) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers.items():
        if name.lower() not in _HOP_BY_HOP | _SET_BY_THE_EDGE:
            headers.add(name, value)
    before = request.headers.get("X-Forwarded-For")
    client = request.remote or "127.0.0.1"
    headers["X-Forwarded-For"] = f"{before}, {client}" if before else client
    headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"] = "https", "443"
    return headers


def _back(answer: aiohttp.ClientResponse, request: web.Request) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in answer.headers.items():
        if name.lower() not in _HOP_BY_HOP | {"content-length"}:
            headers.add(name, value)
    if answer.status == 401 and "WWW-Authenticate" not in headers:
        told = "Authorization" in request.headers
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if told else "Bearer"
    return headers


@web.middleware
async def _only_for_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The local routes hand out tokens, so that no web page elsewhere may reach them: not by a name that it
    points to loopback, and not across origins."""
    if request.path.startswith("/_local/"):
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin", f"http://{host}")
        if host.rpartition(":")[0] not in _LOCAL_HOSTS or origin != f"http://{host}":
            return web.json_response({"error": "only for this machine"}, status=403)
    return await handler(request)


async def _nothing_here(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": "there is no such local route"}, status=404)


async def _to_the_app(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": f"http://{request.headers.get('Host', '')}/app/"})


async def _app_file(request: web.Request) -> web.StreamResponse:
    """A file of the patient app. The app's own paths, which have no dot, are its one page."""
    name = request.match_info["name"]
    wanted = (APP_FILES / (name if "." in name else "index.html")).resolve()
    if not wanted.is_relative_to(APP_FILES) or not wanted.is_file():
        return web.Response(status=404, text="There is no such file in the patient app.\n")
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(wanted, headers=headers)


async def _nameless(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
