"""Three users, two browsers each, links forwarded to and fro: nobody's records reach anybody else.

Each browser belongs to a user, who logs in at the portal as himself and whose app speaks with his own JWT.
Links may travel between them: the launch link, before and after its launch, and the redirector's link.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from portico.attempt import OPEN, OPEN_PER_OWNER, BrowserProblem, State
from portico.connection import Status
from portico.errors import PortalUnclear, PortalUnreachable, PorticoError
from portico.starting import Started
from tests.unit.fakes import Crash
from tests.unit.samples import ALICE, API, BOB, CAROL, RETURN_URL, World, portal

USERS = {ALICE: "alice's chart", BOB: "bob's chart", CAROL: "carol's chart"}


@dataclass
class Browser:
    user: str
    cookie: str | None = None
    handles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """The redirector's link of an attempt."""

    url: str
    session: str
    connection_id: str


class ConnectAttempts(RuleBasedStateMachine):
    """What users, browsers, portals and time can do."""

    tickets = Bundle("tickets")
    links = Bundle("links")

    def __init__(self) -> None:
        super().__init__()
        pkce, plain = "client_id=1&code_challenge_method=S256", "client_id=1"
        self.world = World([portal("one", pkce), portal("two", plain), portal("three", plain), portal("four")])
        self.browsers = [Browser(user) for user in USERS for _ in range(2)]
        self.secrets: set[str] = set()
        self.troubled: tuple[str, type[BaseException]] | None = None

    browser_number = st.integers(0, 5)
    user = st.sampled_from(sorted(USERS))

    @rule(target=tickets, user=user, portal_id=st.sampled_from(["one", "two", "three", "four"]))
    def start(self, user: str, portal_id: str) -> object:
        with suppress(PorticoError):
            started = self.world.starter.start(user, portal_id, "clinical", RETURN_URL)
            self.secrets.add(started.ticket)
            return started
        return multiple()

    @rule(target=tickets, user=user, ticket=tickets)
    def reconnect(self, user: str, ticket: Started) -> object:
        with suppress(PorticoError):
            started = self.world.starter.reconnect(user, ticket.connection.id, RETURN_URL)
            self.secrets.add(started.ticket)
            return started
        return multiple()

    @rule(target=links, ticket=tickets, number=browser_number)
    def open_launch_link(self, ticket: Started, number: int) -> object:
        browser = self.browsers[number]
        with suppress(BrowserProblem):
            url, browser.cookie = self.world.launch.go(ticket.ticket, browser.cookie, API)
            link = Link(url, url.rpartition("%2F")[2], ticket.connection.id)
            self.secrets |= {browser.cookie, link.session}
            return link
        return multiple()

    @rule(link=links, number=browser_number)
    def log_in(self, link: Link, number: int) -> None:
        code = self.world.code(USERS[self.browsers[number].user], link.url)
        self.secrets.add(code)
        self.come_back(link, number, f"code={code}")

    @rule(link=links, number=browser_number, error=st.sampled_from(["access_denied", "server_error"]))
    def decline(self, link: Link, number: int, error: str) -> None:
        self.come_back(link, number, f"error={error}")

    def come_back(self, link: Link, number: int, query: str) -> None:
        browser = self.browsers[number]
        with suppress(BrowserProblem):
            _, url = self.world.returning.receive(link.session, browser.cookie, query)
            assert url.startswith(RETURN_URL)
            if "#handle=" in url:
                browser.handles[link.connection_id] = url.partition("#handle=")[2]
                self.secrets.add(url.partition("#handle=")[2])

    @rule(number=browser_number, ticket=tickets, again=st.booleans())
    def exchange(self, number: int, ticket: Started, again: bool) -> None:
        browser = self.browsers[number]
        handle = browser.handles.get(ticket.connection.id, "guessed")
        if self.troubled:
            self.world.effects.fail(self.troubled[0], self.troubled[1]())
            self.troubled = None
        for _ in range(1 + again):
            with suppress(PorticoError, Crash):
                self.world.exchanger.exchange(ticket.connection.id, browser.user, handle)
        self.world.effects.clear()

    @rule(
        trouble=st.sampled_from([PortalUnreachable, PortalUnclear, Crash]),
        step=st.sampled_from(["attempts.replace done", "vendor.exchange", "vendor.exchange done"]),
    )
    def next_exchange_goes_wrong(self, trouble: type[BaseException], step: str) -> None:
        self.troubled = step, trouble

    @rule(user=user, ticket=tickets)
    def delete(self, user: str, ticket: Started) -> None:
        with suppress(PorticoError):
            self.world.disconnector.delete(ticket.connection.id, user)

    @rule(seconds=st.sampled_from([1, 36, 61, 301, 601, 901]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    # --- what always holds -------------------------------------------------------------------------

    @invariant()
    def nobody_holds_anybody_elses_tokens(self) -> None:
        for connection in self.world.connections.items.values():
            if connection.tokens is not None:
                assert self.world.tokens(connection.id)[2] == USERS[connection.owner]

    @invariant()
    def nothing_secret_is_left_in_a_closed_attempt(self) -> None:
        for attempt in self.world.attempts.items.values():
            if attempt.state not in OPEN:
                assert (attempt.code, attempt.verifier, attempt.code_mark) == (None, None, None)
                assert attempt.handle is None or attempt.state is State.CONNECTED

    @invariant()
    def no_table_holds_a_secret_in_the_clear(self) -> None:
        stored = repr((self.world.attempts.items, self.world.attempts.rolls, self.world.connections.items))
        assert not any(secret in stored for secret in self.secrets)

    @invariant()
    def nobody_has_more_than_three_attempts_open(self) -> None:
        now = self.world.clock()
        for user in USERS:
            mine = [a for a in self.world.attempts.items.values() if a.owner == user and a.is_open(now)]
            assert len(mine) <= OPEN_PER_OWNER

    @invariant()
    def every_connection_agrees_with_its_newest_attempt(self) -> None:
        for connection in self.world.connections.items.values():
            attempt = self.world.attempts.items[connection.attempt or ""]
            assert attempt.owner == connection.owner
            if connection.status is Status.PENDING:
                assert attempt.state in OPEN
            if connection.status is Status.CLOSED:
                assert (connection.tokens, connection.reason) == (None, attempt.reason)


TestConnectAttempts = ConnectAttempts.TestCase
TestConnectAttempts.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
