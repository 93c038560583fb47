"""OneRecord's Redirector: remembers, per browser, where to return, and carries the portal's answer there.

The memory is one cookie: a second outbound hop overwrites the first, so that a code may arrive at another
attempt's address. That is the vendor's likeliest behaviour and the one that a client has to survive.
"""

import base64
import html
import json
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web

from sandbox.ledger import Ledger
from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.onerecord.scenarios import RedirectorMode
from sandbox.onerecord.stage import Stage

COOKIE = "onerecord_redirector"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Redirector:
    """Outbound to the portal, inbound to the client."""

    def __init__(self, catalog: Catalog, stage: Stage, ledger: Ledger) -> None:
        self._catalog, self._stage, self._ledger = catalog, stage, ledger

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._ledger.watch("redirector")])
        for path in ("/outbound/", "/outbound"):
            app.router.add_get(path, self._outbound, allow_head=False)
        for path in ("/inbound/", "/inbound", "/fhir/inbound", "/fhir/inbound/"):
            app.router.add_get(path, self._inbound, allow_head=False)
        return app

    async def _outbound(self, request: web.Request) -> web.StreamResponse:
        given = _parameters(_raw_query(request))
        portal_url, client_url = given.get("portalURL", ""), given.get("clientURL", "")
        endpoint = self._catalog.of_portal_url(portal_url)
        self._ledger.entered(request, "outbound", endpoint.id if endpoint else "")
        if not _absolute(portal_url) or not _absolute(client_url):
            return _page(400, "The portalURL and clientURL parameters must both be complete addresses.")
        response = _redirect(portal_url)
        memory = json.dumps({"client": client_url, "endpoint": endpoint.id if endpoint else ""}).encode()
        response.set_cookie(
            COOKIE,
            base64.urlsafe_b64encode(memory).decode().rstrip("="),
            httponly=True,
            samesite="Lax",
            path="/",
        )
        return response

    async def _inbound(self, request: web.Request) -> web.StreamResponse:
        client_url, endpoint = self._remembered(request)
        self._ledger.entered(request, "inbound", endpoint.id if endpoint else "")
        mode = self._stage.scenario(endpoint).redirector
        if not client_url or mode == "cookie-lost":
            return _page(400, "This browser has no sign-in under way. Please start again from your app.")
        target = _with_query(client_url, _forwarded(_raw_query(request), mode))
        if mode == "twice":
            return _twice(target)
        if mode == "scanned":
            await _scan(target)
        return _redirect(target)

    def _remembered(self, request: web.Request) -> tuple[str, Endpoint | None]:
        try:
            memory = json.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "") + "=="))
            return str(memory["client"]), self._catalog.get(str(memory["endpoint"]))
        except (ValueError, KeyError, TypeError):
            return "", None


def _raw_query(request: web.Request) -> str:
    return request.raw_path.partition("?")[2]


def _parameters(query: str) -> dict[str, str]:
    """Percent-decoded only: a plus sign in a nested URL is a plus sign."""
    pairs = (part.partition("=") for part in query.split("&"))
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and url.isprintable()


def _forwarded(query: str, mode: RedirectorMode) -> str:
    parts = [part for part in query.split("&") if part]
    names = [unquote(part.partition("=")[0]) for part in parts]
    if mode == "code-and-state-only":
        parts = [part for part, name in zip(parts, names, strict=True) if name in ("code", "state")]
    if mode == "strip-state":
        parts = [part for part, name in zip(parts, names, strict=True) if name != "state"]
    if mode == "extra-parameters":
        parts += ["iss=https%3A%2F%2Fissuer.example.org", "scope=patient%2F*.read", "session_state=b7c1d2"]
        parts += ["status=ok"]
    return "&".join(parts)


def _with_query(url: str, query: str) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _redirect(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})


def _page(status: int, text: str) -> web.Response:
    body = f"<!DOCTYPE html><html lang=en><title>Redirector</title><p>{html.escape(text)}</p></html>"
    return web.Response(status=status, text=body, content_type="text/html")


def _twice(target: str) -> web.Response:
    """A page that makes the browser call the client's address two times."""
    address = html.escape(target, quote=True)
    body = (
        "<!DOCTYPE html><html lang=en><title>Returning to your app</title>"
        f'<meta http-equiv="refresh" content="1; url={address}"><img alt="" src="{address}">'
        f'<p><a id="continue" href="{address}">Continue</a></p></html>'
    )
    return web.Response(text=body, content_type="text/html")


async def _scan(target: str) -> None:
    """Call the client's address first as a link scanner would: no cookies, answer ignored."""
    if urlsplit(target).hostname not in _LOOPBACK:
        return
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(target, allow_redirects=False, headers={"User-Agent": "LinkScanner/1.0"}),
    ):
        pass
