"""Three users, two browsers each, links forwarded to and fro: nobody's records reach anybody else.

Each browser belongs to a user, who logs in at the portal as himself and whose app speaks with his own JWT.
Links may travel between them: the launch link, before and after its launch, and the redirector's link.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from portico.attempt import OPEN, OPEN_PER_OWNER, BrowserProblem, State
from portico.connection import Status
from portico.errors import PortalUnclear, PortalUnreachable, PorticoError
from portico.ids import digest, session_of
from portico.starting import Started
from tests.unit.fakes import Crash
from tests.unit.samples import ALICE, API, BOB, CAROL, RETURN_URL, World, portal

USERS = {ALICE: "alice's chart", BOB: "bob's chart", CAROL: "carol's chart"}


# Weighted: mostly the way of an ordinary patient, with others crossing it now and then.
ACTIONS = [
    *["start"] * 4,
    *["finish"] * 5,
    *["finish in another's browser"] * 3,
    *["go on"] * 3,
    *[
        "launch",
        "log in",
        "decline",
        "exchange",
        "exchange",
        "trouble",
        "reconnect",
        "reconnect",
        "delete",
        "time",
    ],
]
TROUBLES = [
    (step, trouble)
    for step in ("attempts.replace done", "vendor.exchange", "vendor.exchange done")
    for trouble in (PortalUnreachable, PortalUnclear, Crash)
    if not (step == "attempts.replace done" and trouble is not Crash)
]
TIMES = [1, 36, 61, 301, 601, 901]
PKCE, PLAIN = "client_id=1&code_challenge_method=S256", "client_id=1"


@dataclass
class Browser:
    user: str
    cookie: str | None = None
    handles: dict[str, str] = field(default_factory=dict)


@dataclass
class Link:
    """A launch link, and the redirector's link once somebody has launched it."""

    started: Started
    url: str = ""

    @property
    def session(self) -> str:
        return self.url.rpartition("%2F")[2]

    @property
    def id(self) -> str:
        return self.started.connection.id


class ConnectAttempts(RuleBasedStateMachine):
    """What users, browsers, portals and time can do."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World([portal("one", PKCE), *(portal(name, PLAIN) for name in ("two", "three", "four"))])
        self.browsers = [Browser(user) for user in USERS for _ in range(2)]
        self.links: list[Link] = []
        self.secrets: set[str] = set()
        self.troubled: tuple[str, type[BaseException]] | None = None

    @rule(action=st.sampled_from(ACTIONS), which=st.integers(0, 11), other=st.integers(0, 11))
    def do(self, action: str, which: int, other: int) -> None:
        """`which` chooses among the newest links, `other` among browsers, portals, times."""
        user, browser = list(USERS)[other % 3], self.browsers[other % 6]
        if action == "start":
            self.start(user, ["one", "two", "three", "four"][which % 4])
        elif action == "time":
            self.world.clock.advance(TIMES[other % len(TIMES)])
        elif action == "trouble":
            self.troubled = TROUBLES[other % len(TROUBLES)]
        elif self.links:
            link = self.links[-1 - which % min(len(self.links), 6)]
            own = self.browsers[2 * list(USERS).index(link.started.connection.owner) + other % 2]
            self.with_link(action, link, own if action in ("finish", "go on") else browser)

    def with_link(self, action: str, link: Link, browser: Browser) -> None:
        match action:
            case "finish" | "finish in another's browser":
                for _ in range(3):
                    self.go_on(link, browser)
            case "go on":
                self.go_on(link, browser)
            case "launch":
                self.open_launch_link(link, browser)
            case "log in":
                self.log_in(link, browser)
            case "decline":
                self.come_back(link, browser, "error=access_denied")
            case "exchange":
                self.exchange(link, browser)
            case "reconnect":
                with suppress(PorticoError):
                    self.begun(
                        self.world.starter.reconnect(link.started.connection.owner, link.id, RETURN_URL)
                    )
            case "delete":
                with suppress(PorticoError):
                    self.world.disconnector.delete(link.id, browser.user)

    def start(self, user: str, portal_id: str) -> None:
        with suppress(PorticoError):
            self.begun(self.world.starter.start(user, portal_id, "clinical", RETURN_URL))

    def begun(self, started: Started) -> None:
        self.links.append(Link(started))
        self.secrets.add(started.ticket)

    def go_on(self, link: Link, browser: Browser) -> None:
        """The natural next step."""
        match self.world.attempts.items[digest(session_of(link.started.ticket))].state:
            case State.CREATED:
                self.open_launch_link(link, browser)
            case State.LAUNCHED:
                self.log_in(link, browser)
            case State.CODE_HELD | State.EXCHANGING:
                self.exchange(link, browser)

    def open_launch_link(self, link: Link, browser: Browser) -> None:
        with suppress(BrowserProblem):
            link.url, browser.cookie = self.world.launch.go(link.started.ticket, browser.cookie, API)
            self.secrets |= {browser.cookie, link.session}

    def log_in(self, link: Link, browser: Browser) -> None:
        code = self.world.code(USERS[browser.user], link.url)
        self.secrets.add(code)
        self.come_back(link, browser, f"code={code}")

    def come_back(self, link: Link, browser: Browser, query: str) -> None:
        with suppress(BrowserProblem):
            _, url = self.world.returning.receive(link.session, browser.cookie, query)
            assert url.startswith(RETURN_URL)
            if "#handle=" in url:
                browser.handles[link.id] = url.partition("#handle=")[2]
                self.secrets.add(browser.handles[link.id])

    def exchange(self, link: Link, browser: Browser) -> None:
        if self.troubled:
            self.world.effects.fail(self.troubled[0], self.troubled[1]())
        with suppress(PorticoError, Crash):
            self.world.exchanger.exchange(link.id, browser.user, browser.handles.get(link.id, "guessed"))
        self.world.effects.clear()
        self.troubled = None

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
TestConnectAttempts.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
