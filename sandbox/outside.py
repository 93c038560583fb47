"""Everything that is outside AWS, started together: OneRecord, the portals, the identity provider, webhooks.

async with await start() as outside:     # in an event loop
with running() as outside:               # from anywhere, on a thread of its own
"""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from sandbox.clock import Clock
from sandbox.control import Control
from sandbox.identity import Identity
from sandbox.ledger import Kind, Ledger
from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.onerecord.directory import Directory
from sandbox.onerecord.integrator import Integrator
from sandbox.onerecord.redirector import Redirector
from sandbox.onerecord.scenarios import Scenario
from sandbox.onerecord.stage import EVERYWHERE, Stage
from sandbox.portals.grants import Grants
from sandbox.portals.people import usernames
from sandbox.portals.server import Portals
from sandbox.serving import Served, base_url, listen, serve
from sandbox.webhooks import Webhooks


@dataclass(frozen=True)
class OutsideSettings:
    """How the outside world is set up; a port not given is a free one."""

    device_token: str = "sandbox-device-token"
    second_device_token: str = "sandbox-second-device-token"
    audience: str = "portico"
    scope: str = "portico/app"
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    """By the names of OutsideUrls."""


@dataclass(frozen=True)
class OutsideUrls:
    """Base URLs, without a trailing slash."""

    directory: str
    integrator: str
    redirector: str
    portals: str
    issuer: str
    webhooks: str
    control: str


_NAMES = tuple(OutsideUrls.__dataclass_fields__)


@dataclass(frozen=True)
class PortalInfo:
    """What one needs to know to try a portal."""

    id: str
    name: str
    data_type: str
    status: str
    persona: str
    usernames: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "dataType": self.data_type,
            "status": self.status,
            "persona": self.persona,
            "usernames": list(self.usernames),
        }


class Outside:
    """The running outside world and its controls, which may be used from any thread."""

    def __init__(self, settings: OutsideSettings, clock: Clock, urls: OutsideUrls) -> None:
        self.settings, self.clock, self.urls = settings, clock, urls
        self.catalog = Catalog(urls.redirector, urls.portals)
        self.stage = Stage(self.catalog)
        self.ledger = Ledger()
        self.grants = Grants(clock)
        self.webhooks = Webhooks()
        self._identity = Identity(urls.issuer, settings.audience, settings.scope)
        self._served: list[Served] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- the people and their tokens ---

    def mint_token(
        self,
        sub: str,
        *,
        scope: str | None = None,
        expires_in: float = 3600,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """An access token of the app's identity provider; `claims` overrides anything."""
        return self._identity.mint(sub, scope=scope, expires_in=expires_in, claims=claims)

    # --- the portals ---

    def portals(self) -> list[PortalInfo]:
        return [_info(endpoint) for endpoint in self.catalog]

    def portal(self, persona: str | None = None, *, name: str | None = None) -> PortalInfo:
        """The first portal of a persona or of a name."""
        for endpoint in self.catalog:
            if persona in (None, endpoint.persona.key) and name in (None, endpoint.name):
                return _info(endpoint)
        raise LookupError(f"no portal with persona {persona} and name {name}")

    # --- scenarios ---

    def set_scenario(self, endpoint_id: str = EVERYWHERE, /, **changes: Any) -> None:
        """Change what plays at one endpoint or, with "*", at all; see `Scenario` for the choices."""
        self.stage.set(endpoint_id, changes)

    def scenario(self, endpoint_id: str) -> Scenario:
        return self.stage.scenario(self.catalog.get(endpoint_id))

    def reset(self) -> None:
        """Forget scenarios, counts and webhooks; grants, transactions and the clock stay."""
        self.stage.reset()
        self.ledger.clear()
        self.webhooks.clear()

    def expire_tokens(self, endpoint_id: str = EVERYWHERE) -> int:
        """End all access tokens of an endpoint now; refresh tokens stay good."""
        return self.grants.expire_tokens(endpoint_id)

    def revoke_grants(self, endpoint_id: str = EVERYWHERE) -> int:
        """Withdraw all consents at an endpoint, refresh tokens included."""
        return self.grants.revoke(endpoint_id)

    # --- what was seen ---

    def requests(self) -> list[tuple[Kind, int]]:
        return self.ledger.entries()

    def count(
        self, operation: str | None = None, endpoint_id: str | None = None, status: int | None = None
    ) -> int:
        """How many requests of an operation came; absent arguments match all."""
        return self.ledger.count(operation, endpoint_id, status)

    def most_at_once(self, operation: str, endpoint_id: str) -> int:
        return self.ledger.most_at_once(operation, endpoint_id)

    # --- life ---

    async def _serve(self, sockets: Mapping[str, socket.socket]) -> None:
        known = {self.settings.device_token, self.settings.second_device_token}
        parts = (self.catalog, self.stage, self.grants, self.clock, self.ledger)
        applications: dict[str, web.Application] = {
            "directory": Directory(self.catalog, self.stage, self.clock, self.ledger).application(known),
            "integrator": Integrator(*parts).application(known),
            "redirector": Redirector(self.catalog, self.stage, self.ledger).application(),
            "portals": Portals(*parts).application(),
            "issuer": self._identity.application(),
            "webhooks": self.webhooks.application(),
            "control": Control(self).application(),
        }
        for name, application in applications.items():
            self._served.append(await serve(application, sockets[name]))

    async def stop(self) -> None:
        """Stop all servers; doing so twice does no harm."""
        while self._served:
            await self._served.pop().stop()


async def start(settings: OutsideSettings = OutsideSettings(), *, clock: Clock | None = None) -> Outside:
    """Start every server on loopback and answer when all of them listen."""
    sockets = {name: listen(settings.host, settings.ports.get(name, 0)) for name in _NAMES}
    urls = OutsideUrls(**{name: base_url(listening) for name, listening in sockets.items()})
    outside = Outside(settings, clock or Clock(), urls)
    await outside._serve(sockets)
    return outside


@contextmanager
def running(
    settings: OutsideSettings = OutsideSettings(), *, clock: Clock | None = None
) -> Iterator[Outside]:
    """The outside world on a thread of its own, for whoever has no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()
    outside = asyncio.run_coroutine_threadsafe(start(settings, clock=clock), loop).result()
    try:
        yield outside
    finally:
        asyncio.run_coroutine_threadsafe(outside.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _info(endpoint: Endpoint) -> PortalInfo:
    people = tuple(usernames())
    return PortalInfo(
        endpoint.id, endpoint.name, endpoint.data_type, endpoint.status, endpoint.persona.key, people
    )
