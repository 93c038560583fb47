"""The connect protocol, played: three users with two browsers each, every one of them the others' attacker.

The fact that must never be otherwise: **a connection holds tokens only of the patient who is its owner, and who
logged in at its portal from a browser of the owner's that launched the attempt.**

What the people here do to each other: forward launch links and redirector links, used or not, open every link
that they are sent, send links to callbacks with codes of their own, show handles to connections of others, guess.
What they do not do: give away a code or a handle of their own, or open a callback link that somebody made out of
a redirector link of theirs (whoever has that link and their trust can do no better than log them in as himself).

    python -m tests.protocols.connect_machine --seed N     replays a history
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from portico.attempt import OPEN, OPEN_PER_OWNER, Attempt, BrowserProblem, Fragment, State
from portico.connection import Connection, Status
from portico.errors import (
    PortalBusy,
    PortalRejected,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
)
from portico.ids import digest, new_secret
from tests.unit.fakes import Crash, Grant, raising
from tests.unit.samples import ALICE, API, BOB, CAROL, RETURN_URL, World, portal

STEPS = 100
PORTALS = ("maple-ridge", "cedar-valley", "harbor-point", "blue-mesa")
UPSTREAM: tuple[Callable[[], PorticoError], ...] = (
    PortalUnreachable,
    PortalBusy,
    PortalUnclear,
    PortalTimeout,
    PortalUnusable,
    lambda: PortalRejected(400, explicit=True),
    lambda: PortalRejected(401),
    lambda: PortalRejected(403),
)
# Every state, every outcome that the tables of bad input promise: a run that misses one proves less than it says.
EXPECTED = frozenset(
    {f"state {state}" for state in State}
    | {f"launch {fragment}" for fragment in (Fragment.INVALID, Fragment.WRONG_BROWSER)}
    | {f"callback {fragment}" for fragment in Fragment}
    | {
        "callback authorized",
        "callback declined",
        "callback failed",
        "callback of a malformed session invalid",
        "callback of an unknown session invalid",
        "callback of a session that is over invalid",
        "callback without a cookie wrong_browser",
        "callback with another cookie wrong_browser",
        "callback with neither incomplete",
        "callback with both incomplete",
        "callback with duplicates incomplete",
        "callback with a long code incomplete",
        "callback with control characters incomplete",
        "callback with another state incomplete",
        "callback with a further code incomplete",
        "exchange active",
        "exchange again active",
        "exchange NotFound",
        "exchange of another's NotFound",
        "exchange burned NotFound",
        "exchange InvalidHandle",
        "exchange closing InvalidHandle",
        "exchange ExchangeInProgress",
        "exchange NotAuthorizedYet",
        "exchange AuthorizationRejected",
        "exchange DeviceTokenRefused",
        "exchange PortalUnreachable",
        "exchange PortalBusy",
        "exchange PortalUnclear",
        "exchange PortalUnusable",
        *(
            f"exchange Gone {why}"
            for why in (
                "declined",
                "portal_error",
                "rejected",
                "expired",
                "burned",
                "superseded",
                "outcome_unknown",
            )
        ),
        "start",
        "start TooManyRequests",
        "reconnect",
        "reconnect active",
        "reconnect NotAuthorizedYet",
        "reconnect Gone",
        "delete",
        "delete NotFound",
        "crash",
        "interleaved",
    }
)


class Violation(BaseException):
    """The fact is not so. Not an Exception: nothing in the domain may swallow it."""


@dataclass(eq=False)
class Person:
    """A user of the app, and a patient of both portals. Knows what arrived in the own browsers, and was sent."""

    name: str
    owner: str
    handles: list[tuple[str, str]] = field(default_factory=list)
    browsers: list["Browser"] = field(default_factory=list)


@dataclass(eq=False)
class Browser:
    """A browser of one person: one cookie, and what its tabs came back with."""

    person: Person
    cookie: str | None = None


@dataclass(eq=False)
class Login:
    """An attempt as its owner's app started it."""

    owner: Person
    connection_id: str
    portal_id: str
    ticket: str
    reconnect: bool


@dataclass(eq=False)
class Tab:
    """A browser on its way at a portal: the redirector's link was opened in it."""

    login: Login
    session: str
    url: str
    browser: Browser
    launched_by: Browser
    queries: list[str] = field(default_factory=list)


class Machine:
    """One history: a random walk over everything that anybody can do."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        query = "client_id=portico&response_type=code"
        self.world = World(
            portals=[
                portal(PORTALS[0], query + "&code_challenge_method=S256"),
                portal(PORTALS[1], query + "&state=preset-7f3a"),
                portal(PORTALS[2], query),
                portal(PORTALS[3], query),
            ]
        )
        self.people = [Person("alice", ALICE), Person("bob", BOB), Person("carol", CAROL)]
        for person in self.people:
            person.browsers = [Browser(person), Browser(person)]
        self.browsers = [browser for person in self.people for browser in person.browsers]
        self.logins: list[Login] = []
        self.tabs: list[Tab] = []
        self.bound: dict[str, Browser] = {}
        self.seen: Counter[str] = Counter()
        self.trace: list[str] = []
        self.attempts: dict[str, Attempt] = {}
        self.connections: dict[str, Connection] = {}
        self.deleted: set[str] = set()
        self.depth = 0

    def play(self) -> None:
        for _ in range(STEPS):
            self.step()

    def step(self) -> None:
        random = self.random
        self.world.effects.clear()
        if random.random() < 0.15 and not self.depth:
            self.disturb()
        try:
            random.choice(WALK)(self)
        except Crash:
            self.saw("crash")
        self.check()

    def disturb(self) -> None:
        """Somewhere within the next step: the function dies, or another step takes place."""
        at = self.random.randrange(12)
        if self.random.random() < 0.4:
            self.world.effects.at(at, raising(Crash()))
        else:
            self.world.effects.at(at, self.interleave)

    def interleave(self) -> None:
        self.depth += 1
        self.saw("interleaved")
        try:
            self.random.choice(WALK)(self)
        finally:
            self.depth -= 1
        self.check()

    def saw(self, what: str) -> None:
        self.seen[what] += 1
        self.trace.append(f"{self.world.clock() % 100_000:9.1f}  {what}")

    # --- what the app does -------------------------------------------------------------------------

    def start(self) -> None:
        person, portal_id = (
            self.random.choice(self.people),
            self.random.choice(self.random.choice((PORTALS, PORTALS[:2]))),
        )
        try:
            started = self.world.starter.start(person.owner, portal_id, "clinical", RETURN_URL)
        except PorticoError as error:
            self.saw(f"start {type(error).__name__}")
            return
        self.logins.append(Login(person, started.connection.id, portal_id, started.ticket, reconnect=False))
        self.saw("start")

    def reconnect(self) -> None:
        login = self.some_login()
        if login is None:
            return
        person = self.mostly(login.owner, self.people)
        try:
            started = self.world.starter.reconnect(person.owner, login.connection_id, RETURN_URL)
        except PorticoError as error:
            self.saw(f"reconnect {type(error).__name__}")
            return
        self.logins.append(
            Login(person, login.connection_id, login.portal_id, started.ticket, reconnect=True)
        )
        self.saw("reconnect")

    def delete(self) -> None:
        login = self.some_login()
        if login is None or self.random.random() < 0.7:
            return
        person = self.mostly(login.owner, self.people)
        try:
            self.world.disconnector.delete(login.connection_id, person.owner)
        except PorticoError as error:
            self.saw(f"delete {type(error).__name__}")
            return
        self.deleted.add(login.connection_id)
        self.saw("delete")

    def exchange(self) -> None:
        person = self.random.choice(self.people)
        if not person.handles:
            return
        connection_id, handle = person.handles[
            -1 - min(int(self.random.expovariate(1.5)), len(person.handles) - 1)
        ]
        draw = self.random.random()
        if draw < 0.1 and self.logins:  # of somebody else's connection, or of another of one's own
            connection_id = self.random.choice(self.logins).connection_id
        if self.random.random() < 0.4:
            self.world.effects.fail(
                self.random.choice(("vendor.exchange", "vendor.exchange done")),
                self.random.choice(UPSTREAM)(),
            )
        self.world.vendor.device_token_good = self.random.random() < 0.95
        self.exchange_as(person, connection_id, handle)

    def guess(self) -> None:
        """Somebody without a handle, or without the right one."""
        login = self.some_login()
        if login is None:
            return
        person = self.mostly(login.owner, self.people)
        for _ in range(self.random.choice((1, 1, 2, 6))):
            self.exchange_as(person, login.connection_id, new_secret(self.world.random))
        if self.random.random() < 0.1:
            self.exchange_as(person, "AAAAAAAAAAAAAAAAAAAAAA", new_secret(self.world.random))

    def exchange_as(self, person: Person, connection_id: str, handle: str) -> None:
        world = self.world
        before = world.connections.items.get(connection_id)
        attempt = world.attempts.items.get(before.attempt or "") if before else None
        try:
            connection = world.exchanger.exchange(connection_id, person.owner, handle)
        except PorticoError as error:
            said = f"exchange {type(error).__name__}"
            self.saw(f"{said} {error.why}" if hasattr(error, "why") else said)
            after = world.attempts.items.get(attempt.key) if attempt else None
            if before and before.owner != person.owner:
                self.saw(f"exchange of another's {type(error).__name__}")
                if type(error).__name__ != "NotFound":
                    raise Violation("somebody learned of another's connection") from None
            if after and attempt and after.state is not attempt.state:
                if after.state is State.BURNED:
                    self.saw("exchange burned NotFound")
                if after.reason == "too_many_wrong_handles":
                    self.saw("exchange closing InvalidHandle")
            return
        if connection.owner != person.owner:
            raise Violation("somebody was answered with another's connection")
        self.saw(f"exchange {'again ' if attempt and attempt.state is State.CONNECTED else ''}active")
        if attempt and attempt.reconnect:
            self.saw("reconnect active")

    # --- what browsers do --------------------------------------------------------------------------

    def launch(self) -> None:
        """A launch link is opened: by its owner, or by whoever was sent it."""
        if not self.logins:
            return
        login = self.some_login()
        assert login is not None
        browser = self.mostly(self.random.choice(login.owner.browsers), self.browsers, 0.8)
        ticket = login.ticket if self.random.random() < 0.97 else "x" * self.random.choice((5, 43))
        try:
            url, cookie = self.world.launch.go(ticket, browser.cookie, API)
        except BrowserProblem as problem:
            self.saw(f"launch {problem.fragment}")
            return
        except PorticoError as error:
            self.saw(f"launch {type(error).__name__}")
            return
        browser.cookie = cookie
        self.bound[digest(cookie)] = browser
        session = url.rpartition("%2F")[2]
        self.tabs.append(Tab(login, session, url, browser, browser))
        self.saw("launch")

    def forward(self) -> None:
        """A redirector link is opened by somebody to whom it was sent."""
        tab = self.some_tab()
        if tab is None:
            return
        self.tabs.append(
            Tab(tab.login, tab.session, tab.url, self.random.choice(self.browsers), tab.launched_by)
        )

    def log_in(self) -> None:
        """The person at the browser logs in at the portal, and is sent back with a code; or is not."""
        tab = self.some_tab()
        if tab is None:
            return
        draw = self.random.random()
        if draw < 0.06:
            query = self.random.choice(("error=access_denied", "error=server_error"))
        else:
            self.world.codes += 1
            code = f"code-{self.world.codes}"
            challenge = tab.url.partition("code_challenge%3D")[2][:43] or None
            patient = f"{tab.browser.person.name} at {tab.login.portal_id}"
            self.world.vendor.codes[code] = Grant(patient, challenge)
            query = f"code={code}"
            if tab.login.portal_id == PORTALS[1]:
                query += "&state=preset-7f3a" if draw < 0.9 else "&state=another"
        tab.queries.append(query)
        self.receive(tab.session, tab.browser, query, tab.login)

    def again(self) -> None:
        """A callback link once more: reloaded, pasted into another browser of one's own, or sent to a victim."""
        tab = self.some_tab()
        if tab is None or not tab.queries:
            return
        sender = tab.browser.person
        own_attempt = tab.launched_by.person is sender
        to = self.browsers if own_attempt else sender.browsers
        self.receive(tab.session, self.random.choice(to), self.random.choice(tab.queries), tab.login)

    def paste(self) -> None:
        """Somebody pastes a code of their own into another attempt that they launched."""
        tab, other = self.some_tab(), self.some_tab()
        if tab is None or other is None or not tab.queries or tab.login.portal_id != other.login.portal_id:
            return
        if tab.browser.person is other.launched_by.person:
            self.receive(other.session, other.browser, tab.queries[-1], other.login)

    def botch(self) -> None:
        """A callback that is not what the portal sends."""
        tab = self.some_tab()
        if tab is None:
            return
        name, session, browser, query = self.random.choice(BOTCHED)
        cookie = tab.browser.cookie if browser == "same" else None if browser == "none" else "y" * 43
        self.receive(session or tab.session, Browser(tab.browser.person, cookie), query, tab.login, name)

    def receive(self, session: str, browser: Browser, query: str, login: Login, botched: str = "") -> None:
        world = self.world
        before = world.attempts.items.get(digest(session))
        try:
            state, url = world.returning.receive(session, browser.cookie, query)
        except BrowserProblem as problem:
            self.saw(f"callback {problem.fragment}")
            over = before is not None and not before.is_open(world.clock())
            for prefix, so in (
                (f"callback {botched}", bool(botched)),
                ("callback of a session that is over", over),
                ("callback with another state", "state=another" in query),
                ("callback with a further code", before is not None and before.codes >= 4),
            ):
                if so:
                    self.saw(f"{prefix} {problem.fragment}")
            if world.attempts.items.get(digest(session)) != before and not self.disturbed():
                raise Violation("a refused callback changed an attempt") from None
            return
        except PorticoError as error:
            self.saw(f"callback {type(error).__name__}")
            return
        if botched and botched != "repeated":
            raise Violation(f"a callback {botched} was accepted")
        self.saw("callback authorized" if state is State.CODE_HELD else f"callback {state}")
        if "#handle=" in url:
            # The app's page in this browser has it, and with it the person who sits there.
            browser.person.handles.append((login.connection_id, url.partition("#handle=")[2]))

    def disturbed(self) -> bool:
        return self.seen["interleaved"] > 0

    def wait(self) -> None:
        self.world.clock.advance(self.random.choice((1, 1, 5, 5, 20, 36, 36, 61, 310, 950)))

    # --- choosing ----------------------------------------------------------------------------------

    def some_login(self) -> Login | None:
        """Mostly a late one."""
        return self.recent(self.logins)

    def some_tab(self) -> Tab | None:
        return self.recent(self.tabs)

    def recent[T](self, of: list[T]) -> T | None:
        if not of:
            return None
        return of[-1 - min(int(self.random.expovariate(0.7)), len(of) - 1)]

    def mostly[T](self, this: T, of: list[T], chance: float = 0.85) -> T:
        return this if self.random.random() < chance else self.random.choice(of)

    # --- the fact ----------------------------------------------------------------------------------

    def check(self) -> None:
        world = self.world
        for key, attempt in world.attempts.items.items():
            before = self.attempts.get(key)
            if before is attempt:
                continue
            self.attempts[key] = attempt
            self.check_attempt(before, attempt)
        for connection_id, connection in world.connections.items.items():
            known = self.connections.get(connection_id)
            if known is connection:
                continue
            self.connections[connection_id] = connection
            if connection_id in self.deleted:
                raise Violation("a deleted connection is back")
            if connection.tokens is not None and (known is None or known.tokens != connection.tokens):
                self.check_tokens(connection)
        if len(self.world.attempts.rolls) > len(self.people):
            raise Violation("a list of attempts of nobody")

    def check_attempt(self, before: Attempt | None, attempt: Attempt) -> None:
        self.seen[f"state {attempt.state}"] += 1
        if before is not None:
            if before.state not in OPEN:
                raise Violation(f"an attempt that was {before.state} became {attempt.state}")
            if attempt.revision <= before.revision:
                raise Violation("an attempt went back")
            if before.cookie is not None and attempt.cookie != before.cookie:
                raise Violation("an attempt changed its browser")
        if attempt.state not in OPEN and (attempt.code or attempt.verifier):
            raise Violation("an attempt that is over keeps what was secret")
        now = self.world.clock()
        living = [
            a for a in self.world.attempts.items.values() if a.owner == attempt.owner and a.is_open(now)
        ]
        if len(living) > OPEN_PER_OWNER:
            raise Violation(f"{len(living)} attempts of one user are open")

    def check_tokens(self, connection: Connection) -> None:
        owner = next(person for person in self.people if person.owner == connection.owner)
        patient = self.world.tokens(connection.id)[2]
        if patient != f"{owner.name} at {connection.portal_id}":
            raise Violation(f"{owner.name}'s connection to {connection.portal_id} holds tokens of {patient}")
        attempt = self.world.attempts.items[connection.attempt or ""]
        browser = self.bound.get(attempt.cookie or "")
        if browser is None or browser.person is not owner:
            raise Violation("tokens came from a browser that its owner did not launch")
        if connection.status is not Status.ACTIVE:
            raise Violation(f"tokens are in a connection that is {connection.status}")


WALK: tuple[Callable[[Machine], None], ...] = (
    *[Machine.start] * 3,
    *[Machine.launch] * 6,
    *[Machine.log_in] * 7,
    *[Machine.exchange] * 7,
    *[Machine.reconnect] * 2,
    *[Machine.again] * 2,
    *[Machine.botch] * 3,
    Machine.paste,
    Machine.forward,
    Machine.guess,
    Machine.delete,
    Machine.wait,
)
BOTCHED = (
    ("of a malformed session", "short", "same", "code=x"),
    ("of an unknown session", "u" * 43, "same", "code=x"),
    ("without a cookie", "", "none", "code=x"),
    ("with another cookie", "", "other", "code=x"),
    ("with neither", "", "same", "session_state=1"),
    ("with both", "", "same", "code=x&error=access_denied"),
    ("with duplicates", "", "same", "code=x&code=y"),
    ("with a long code", "", "same", "code=" + "x" * 2049),
    ("with control characters", "", "same", "code=x%0d%0aSet-Cookie"),
)


def run(seed: int) -> tuple[str, Machine]:
    """What the history of a seed breaks, or nothing."""
    machine = Machine(seed)
    try:
        machine.play()
    except Violation as violation:
        return str(violation), machine
    return "", machine


def played(seed: int) -> str:
    """What the history of a seed breaks, or nothing."""
    return run(seed)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Replays a history of the connect protocol.")
    parser.add_argument("--seed", type=int, required=True)
    said, machine = run(parser.parse_args().seed)
    print("\n".join([*machine.trace, said or "the fact is so"]))  # noqa: T201


if __name__ == "__main__":
    main()
