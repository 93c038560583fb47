"""People, portals and a whole little Portico, to begin a test from."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from portico import sealing
from portico.attempt import Attempt
from portico.authorization_url import Redirectors
from portico.connection import Connection
from portico.directory import Portal
from portico.disconnection import Discarding, Disconnector
from portico.exchange import Exchanger
from portico.fetch import Fetcher
from portico.ids import owner_of
from portico.refresh import Refresher
from portico.requesting import Requester
from portico.returning import Launch, Return
from portico.starting import Started, Starter
from portico.tokens import Tokens
from tests.unit.fakes import (
    AttemptsTable,
    Clock,
    ConnectionsTable,
    Effects,
    Grant,
    Integrator,
    KeepAlive,
    PortalDirectory,
    Randomness,
    Results,
    Retries,
    RetrievalsTable,
    Sealer,
    Tombstones,
    Workflow,
)

ALICE = owner_of("https://id.example", "alice")
BOB = owner_of("https://id.example", "bob")
CAROL = owner_of("https://id.example", "carol")
API = "https://api.portico.example"
RETURN_URL = "https://app.example/connected"
REDIRECTORS = Redirectors(frozenset({"redirector.onerecord.com"}))
PATIENT = "erXuFYUfucBZaryVksYEcMg3"

GUIDE_ROW: dict[str, Any] = {
    "name": "Epic New",
    "city": "Verona",
    "state": "WI",
    "street": "1979 Milky Way",
    "zip": "53593",
    "vendor": "Epic",
    "endpointStatus": "active",
    "disposition": "1",
    "dataType": "clinical",
    "derivedAuthUri": "https://fhir.epic.com/interconnect-fhir-oauth/oauth2/authorize?client_id=<client-id>"
    "&redirect_uri=https%3A%2F%2Fredirector.onerecord.com%2Ffhir%2Finbound&response_type=code",
    "redirectUri": "https://redirector.onerecord.com/outbound/?portalURL=https%3A%2F%2Ffhir.epic.com%2F"
    "interconnect-fhir-oauth%2Foauth2%2Fauthorize%3Fclient_id%3De9896805-87ce-4da3-991c-093e4d1a53c5"
    "%26redirect_uri%3Dhttps%253A%252F%252Fdevelop.onerecord.com%252Ffhir%252Fauth%26response_type%3Dcode",
    "latitude": 42.995075,
    "longitude": -89.567826,
    "location": {"lat": 42.995075, "lon": -89.567826},
    "_id": "8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f",
    "parent_org": "Sandbox",
}


def row(**fields: Any) -> dict[str, Any]:
    """A directory row as the guide prints it, with other fields."""
    return GUIDE_ROW | fields


def redirect_uri(portal_url: str) -> str:
    """A `redirectUri` around a portal's authorization URL."""
    return f"https://redirector.onerecord.com/outbound/?portalURL={quote(portal_url, safe='')}"


def portal(portal_id: str = "portal", query: str = "client_id=portico&response_type=code") -> Portal:
    """A portal that a patient may be sent to; `query` is its authorization URL's."""
    url = f"https://login.mapleridge.example/authorize?{query}"
    fields = row(
        _id=portal_id,
        name="Maple Ridge Family Medicine",
        parent_org="Maple Ridge Health",
        redirectUri=redirect_uri(url),
        derivedAuthUri=url,
    )
    parsed = Portal.parse(fields, "clinical", REDIRECTORS)
    assert parsed is not None
    return parsed


@dataclass
class Login:
    """One attempt under way, from the outside: what app and browser know."""

    started: Started
    url: str = ""
    cookie: str | None = None
    session: str = ""
    handle: str = ""

    @property
    def id(self) -> str:
        return self.started.connection.id


@dataclass
class World:
    """All of the domain over one set of fakes."""

    portals: list[Portal] = field(default_factory=lambda: [portal()])
    clock: Clock = field(default_factory=Clock)
    effects: Effects = field(default_factory=Effects)
    random: Randomness = field(default_factory=Randomness)
    burnings: int = 0
    codes: int = 0

    def __post_init__(self) -> None:
        self.sealer = Sealer(self.effects)
        self.attempts = AttemptsTable(self.clock, self.effects)
        self.connections = ConnectionsTable(self.attempts, self.effects)
        self.retrievals = RetrievalsTable(self.connections, self.clock, self.effects)
        self.results = Results(self.effects)
        self.workflow = Workflow(self.effects)
        self.vendor = Integrator(self.clock, self.effects)
        self.starter = Starter(
            PortalDirectory(self.portals),
            self.attempts,
            self.connections,
            self.sealer,
            REDIRECTORS,
            {RETURN_URL},
            self.clock,
            self.random,
        )
        self.launch = Launch(self.attempts, self.clock, self.random)
        self.returning = Return(self.attempts, self.connections, self.sealer, self.clock, self.random)
        self.keep_alive = KeepAlive(self.effects)
        self.exchanger = Exchanger(
            attempts=self.attempts,
            connections=self.connections,
            integrator=self.vendor,
            sealer=self.sealer,
            keep_alive=self.keep_alive,
            clock=self.clock,
            sleep=self.clock.advance,
            burned=self._burned,
        )
        self.retries = Retries(self.effects)
        self.refresher = Refresher(
            self.connections, self.vendor, self.sealer, self.retries, self.clock, self.clock.advance
        )
        self.fetcher = Fetcher(self.refresher, self.vendor)
        self.requester = Requester(
            self.connections,
            self.retrievals,
            self.workflow,
            self.results,
            self.fetcher,
            self.clock,
            self.random,
            self.retrievals.retention,
        )
        self.discarding = Discarding(self.retrievals, self.results, self.workflow)
        self.tombstones = Tombstones(self.effects)
        self.disconnector = Disconnector(
            connections=self.connections,
            attempts=self.attempts,
            discarding=self.discarding,
            keep_alive=self.keep_alive,
            clock=self.clock,
            tombstones=self.tombstones,
        )

    def _burned(self) -> None:
        self.burnings += 1

    # --- the way of a patient ----------------------------------------------------------------------

    def start(self, owner: str = ALICE, portal_id: str = "portal") -> Login:
        return Login(self.starter.start(owner, portal_id, "clinical", RETURN_URL))

    def reconnect(self, connection_id: str, owner: str = ALICE) -> Login:
        return Login(self.starter.reconnect(owner, connection_id, RETURN_URL))

    def go(self, login: Login) -> Login:
        """The patient's browser opens the launch URL."""
        login.url, login.cookie = self.launch.go(login.started.ticket, login.cookie, API)
        login.session = login.url.rpartition("%2F")[2]
        return login

    def code(self, patient: str | None = PATIENT, url: str = "") -> str:
        """The portal that a redirector URL leads to grants a code."""
        self.codes += 1
        challenge = url.partition("code_challenge%3D")[2][:43] or None
        self.vendor.codes[f"code-{self.codes}"] = Grant(patient, challenge)
        return f"code-{self.codes}"

    def back(self, login: Login, query: str) -> str:
        """The browser comes back from the portal; where it is sent on to."""
        _, url = self.returning.receive(login.session, login.cookie, query)
        if "#handle=" in url:
            login.handle = url.partition("#handle=")[2]
        return url

    def come_back(self, login: Login, patient: str | None = PATIENT) -> Login:
        """Launched, logged in, and back with a code."""
        self.go(login)
        self.back(login, f"code={self.code(patient, login.url)}")
        return login

    def exchange(self, login: Login, owner: str = ALICE) -> Connection:
        return self.exchanger.exchange(login.id, owner, login.handle)

    def connect(self, owner: str = ALICE, patient: str | None = PATIENT) -> Connection:
        """An active connection."""
        return self.exchange(self.come_back(self.start(owner), patient), owner)

    # --- what is stored ----------------------------------------------------------------------------

    def stored(self, connection_id: str) -> Connection:
        return self.connections.items[connection_id]

    def attempt(self, login: Login) -> Attempt:
        """The attempt as stored."""
        key = self.stored(login.id).attempt
        assert key is not None
        return self.attempts.items[key]

    def tokens(self, connection_id: str) -> tuple[str, str | None, str | None]:
        """Access token, refresh token and patient id as stored."""
        connection = self.stored(connection_id)
        place = sealing.tokens_of(connection.id, connection.generation)
        kept = Tokens.from_bytes(Sealer(Effects()).open(place, connection.tokens or b""))
        return (
            kept.access.reveal(),
            kept.refresh.reveal() if kept.refresh else None,
            kept.patient_id.reveal() if kept.patient_id else None,
        )
