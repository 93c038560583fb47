"""The refresh protocol, played: the real `Refresher` by concurrent workers, in simulated time.

Around it is a world that breaks: a portal, a database with the adapters' conditions, keys, a queue that
delivers late and twice, crashes between any two effects. `play(plan)` runs one history and raises Violation
when a promise is broken.

    python -m tests.protocols.refresh_world --seed N     replays a history, as small as it can be made
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol

from portico import sealing
from portico.connection import Connection, Status
from portico.errors import (
    Cancelled,
    Conflict,
    DeviceTokenRefused,
    NotAuthorizedYet,
    NotFound,
    PortalBusy,
    PortalRejected,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
    ReauthorizationRequired,
    StorageUnavailable,
)
from portico.exchange import Activation
from portico.refresh import MOST_SENT, PERSIST_SECONDS, RETRY_SECONDS, Failure, Refresher, Renewal
from portico.sealing import Place
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from tests.protocols.plans import Event, Kind, Plan, plan
from tests.protocols.portal import FORGIVING, GRACE_SECONDS, Grant, Rotation
from tests.protocols.simulation import Killed, Simulation, Worker

START = 1_795_512_600.0
CONNECTION = "c0nnect10nAAAAAAAAAAAA"
OWNER = "0wnerAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PATIENT = Secret("Tbt3KuCY0B5P")
VISIBILITY_SECONDS = 150.0
MOST_RECEIVES = 8
REFRESH_FUNCTION_SECONDS = 25.0
CRASHES = (
    *[("refresh", True)] * 6,
    *[("lease", True)] * 2,
    *[("later", True)] * 2,
    *[("renew", True)] * 2,
    ("renew", False),
    ("lease", False),
    ("prepare", True),
    ("park", False),
    ("park", True),
    ("release", False),
    ("release", True),
    ("mark", False),
    ("mark", True),
    ("get", True),
)


class Violation(BaseException):
    """A promise is broken. Not an Exception: nothing in the domain may swallow it."""


class Items(Protocol):
    """A table with the adapters' conditions: in memory, or the adapter itself over a stand-in for DynamoDB."""

    def put(self, connection: Connection) -> None: ...
    def get(self, connection_id: str) -> Connection | None: ...
    def lease(self, connection: Connection, until: float, now: float) -> None: ...
    def renew(self, connection_id: str, renewal: Renewal) -> None: ...
    def release(self, connection: Connection, failure: Failure) -> None: ...
    def require_reauthorization(self, connection: Connection) -> None: ...
    def restart(self, connection: Connection, attempt: str) -> None: ...
    def activate(self, connection: Connection, attempt: str, activation: Activation) -> None: ...
    def delete(self, connection: Connection) -> None: ...


class MemoryItems:
    """One connection under the conditions of `adapters.connections_table`."""

    def __init__(self) -> None:
        self.item: Connection | None = None

    def put(self, connection: Connection) -> None:
        self.item = connection

    def get(self, connection_id: str) -> Connection | None:
        return self.item

    def lease(self, connection: Connection, until: float, now: float) -> None:
        item = self.item
        if (
            item is None
            or item.status is not Status.ACTIVE
            or item.generation != connection.generation
            or item.sent != connection.sent
            or item.lease_until > now
            or item.next_refresh_at > now
        ):
            raise Conflict
        self.item = replace(item, lease_until=until, sent=connection.sent + 1)

    def renew(self, connection_id: str, renewal: Renewal) -> None:
        item = self.item
        if (
            item is None
            or item.generation != renewal.generation - 1
            or item.status not in (Status.ACTIVE, Status.REAUTHORIZATION_REQUIRED)
        ):
            raise Conflict
        self.item = renewed(item, renewal)

    def release(self, connection: Connection, failure: Failure) -> None:
        self.item = replace(
            self.held(connection),
            lease_until=0,
            next_refresh_at=failure.next_refresh_at,
            failures=failure.failures,
            failing_since=failure.failing_since,
            sent=failure.sent,
        )

    def require_reauthorization(self, connection: Connection) -> None:
        self.item = marked(self.held(connection))

    def restart(self, connection: Connection, attempt: str) -> None:
        if self.item is None:
            raise Conflict
        self.item = replace(self.item, attempt=attempt)

    def activate(self, connection: Connection, attempt: str, activation: Activation) -> None:
        item = self.item
        if item is None or item.attempt != attempt or item.generation != connection.generation:
            raise Conflict
        self.item = replace(renewed(item, activation), authorized_at=activation.authorized_at)

    def delete(self, connection: Connection) -> None:
        if self.item is None:
            raise Cancelled
        self.item = None

    def held(self, connection: Connection) -> Connection:
        item = self.item
        if (
            item is None
            or item.status is not Status.ACTIVE
            or item.generation != connection.generation
            or item.lease_until != connection.lease_until
        ):
            raise Conflict
        return item


def renewed(item: Connection, new: Renewal | Activation) -> Connection:
    """An item with new tokens: nothing is in flight and nothing failed."""
    return replace(
        item,
        status=Status.ACTIVE,
        reason=None,
        tokens=new.tokens,
        generation=new.generation,
        refreshed_at=new.refreshed_at if isinstance(new, Renewal) else new.authorized_at,
        token_expires_at=new.token_expires_at,
        token_lifetime=new.token_lifetime,
        refreshable=new.refreshable,
        lease_until=0,
        next_refresh_at=0,
        sent=0,
        failures=0,
        failing_since=0,
    )


def marked(item: Connection) -> Connection:
    """An item that asks for a new login."""
    return replace(item, status=Status.REAUTHORIZATION_REQUIRED, reason="portal_refused", lease_until=0)


class Seal:
    """Closes for one place."""

    __slots__ = ("_head",)

    def __init__(self, place: Place) -> None:
        self._head = f"{place.key}.{place.generation}|".encode()

    def close(self, plaintext: bytes) -> bytes:
        return self._head + plaintext


def opened(place: Place, sealed: bytes) -> bytes:
    """What was closed for this place."""
    head, _, plaintext = sealed.partition(b"|")
    if head != f"{place.key}.{place.generation}".encode():
        raise Violation("a bundle was stored in another place than it was sealed for")
    return plaintext


@dataclass(frozen=True, slots=True)
class Make:
    """What a world is built from; a planted fault replaces one of them."""

    refresher: Callable[..., Refresher] = Refresher
    items: Callable[[], Items] = MemoryItems


class World:
    """One history in the making. It is the store, the vendor, the keys and the queue of every worker."""

    def __init__(self, plan_: Plan, make: Make, trace: list[str] | None = None) -> None:
        self.plan, self.make, self.trace = plan_, make, trace
        self.simulation = Simulation(START)
        self.items = make.items()
        self.healthy = False
        self.down = {"database": 0.0, "queue": 0.0, "keys": 0.0}
        self.device_dead_until = 0.0
        self.refused_anew = self.parked_late = False
        self.deleted_at: float | None = None
        self.marked_at = 0.0
        self.troubles: list[float] = []
        self.dead_letters: list[tuple[str, Any]] = []
        self.grants: dict[int, Grant] = {}
        begun = START - plan_.age * plan_.life
        grant = self.login(begun)
        bundle = Tokens(Secret(f"a.{grant.number}.1"), Secret(f"r.{grant.number}.1"), PATIENT)
        self.items.put(
            Connection(
                id=CONNECTION,
                owner=OWNER,
                portal_id="maple-ridge",
                portal={"id": "maple-ridge", "name": "Maple Ridge Family Medicine"},
                status=Status.ACTIVE,
                created_at=begun,
                authorized_at=begun,
                refreshed_at=begun,
                token_expires_at=begun + plan_.life if plan_.tells_life else None,
                token_lifetime=plan_.life if plan_.tells_life else None,
                refreshable=True,
                generation=1,
                tokens=Seal(sealing.tokens_of(CONNECTION, 1)).close(bundle.to_bytes()),
            )
        )

    # --- playing -----------------------------------------------------------------------------------

    def play(self) -> None:
        """The whole history, and what must be true at its end."""
        for event in self.plan.events:
            self.simulation.at(START + event.at, lambda event=event: self.happen(event))
        self.simulation.run()
        self.settle()

    def happen(self, event: Event) -> None:
        self.note(f"{event.kind} {event.seconds or ''}")
        now = self.simulation.now
        match event.kind:
            case Kind.USE:
                self.come(event.seed, "use", lambda refresher: refresher.fresh(CONNECTION))
            case Kind.FETCH:
                self.come(event.seed, "fetch", lambda refresher: refresher.using(CONNECTION, self.fetch))
            case Kind.KEEP_ALIVE:
                self.deliver("keep alive", None, event.seed)
            case Kind.DELETE:
                self.come(event.seed, "delete", lambda _: self.delete())
            case Kind.RECONNECT:
                self.come(event.seed, "reconnect", lambda _: self.reconnect(event.seed))
            case Kind.REVOKE:
                self.trouble()
                for grant in self.grants.values():
                    grant.revoked = True
            case Kind.EXPIRE:
                for grant in self.grants.values():
                    grant.expire_access()
            case Kind.DATABASE_DOWN | Kind.QUEUE_DOWN | Kind.KEYS_DOWN:
                self.trouble()
                self.down[event.kind.removesuffix(" down")] = now + event.seconds
                self.simulation.at(now + event.seconds, self.trouble)
            case Kind.DEVICE_DEAD:
                self.trouble()
                self.device_dead_until = now + event.seconds
                self.simulation.at(now + event.seconds, self.trouble)

    def come(self, seed: int, name: str, ask: Callable[[Refresher], Any]) -> None:
        """An app's request: one invocation that asks, and is answered or dies."""

        def body() -> None:
            try:
                outcome = ask(self.refresher(worker))
            except Killed:
                self.died(worker)
                return
            except PorticoError as error:
                self.answered(worker, error)
                return
            self.answered(worker, outcome)

        worker = self.worker(name, seed, body)
        draw = worker.draw.random()
        self.simulation.spawn(worker, 60.0 if name == "fetch" and draw < 0.5 else 29.0)

    def deliver(self, name: str, content: Any, seed: int, receives: int = 1) -> None:
        """A message arrives; unless it is dealt with, it comes again, and in the end goes to the dead letters."""

        def body() -> None:
            try:
                outcome = self.dealt_with(self.refresher(worker), name, content)
            except Killed:
                self.died(worker)
            except PorticoError as error:
                self.note(f"{name} put off: {type(error).__name__}")
            else:
                self.note(f"{name}: {outcome}")
                return
            self.trouble()
            self.parked_late = self.parked_late or name == "parked"
            if receives == MOST_RECEIVES:
                self.dead_letters.append((name, content))
                return
            self.simulation.at(
                worker.started + VISIBILITY_SECONDS,
                lambda: self.deliver(name, content, seed + 1, receives + 1),
            )

        worker = self.worker(name, seed, body)
        self.simulation.spawn(worker, REFRESH_FUNCTION_SECONDS)

    def dealt_with(self, refresher: Refresher, name: str, content: Any) -> str:
        if name == "retry":
            return refresher.retry(CONNECTION, content)
        if name == "parked":
            return refresher.unpark(CONNECTION, content)
        return refresher.keep_alive(CONNECTION)

    def worker(self, name: str, seed: int, body: Callable[[], None]) -> Worker:
        worker = Worker(name, seed, body)
        if not self.healthy:
            draw = worker.draw
            worker.skew = (2 * draw.random() - 1) * self.plan.skew
            if draw.random() < self.plan.crashes:
                worker.crash = draw.choice(CRASHES)
        return worker

    def refresher(self, worker: Worker) -> Refresher:
        simulation, skew = self.simulation, worker.skew
        return self.make.refresher(self, self, self, self, lambda: simulation.now + skew, simulation.wait)

    # --- effects -----------------------------------------------------------------------------------

    def effect(self, service: str, name: str, act: Callable[[], Any]) -> Any:
        """One call to AWS: it takes time, it may fail, happen without an answer, or be the last thing done."""
        simulation, plan_ = self.simulation, self.plan
        worker = simulation.current
        assert worker is not None
        draw = worker.draw.random
        if self.healthy:
            simulation.wait(0.02)
            return act()
        slow = plan_.slow and draw() < plan_.slow
        if slow:
            self.trouble()
            self.parked_late = self.parked_late or worker.name == "parked"
        simulation.wait(20 - 12 * draw() if slow else 0.03 * draw())
        crash = worker.crash
        if crash is not None and crash[0] == name:
            if not crash[1]:
                self.die()
        else:
            crash = None
        if self.down[service] > simulation.now:
            self.trouble()
            simulation.wait(0.3 + 3 * draw())
            if self.down[service] > simulation.now:
                raise StorageUnavailable
        trouble = draw() if plan_.aws_trouble else 1.0
        if trouble < plan_.aws_trouble:
            self.trouble()
            if trouble < plan_.aws_trouble / 2:
                raise StorageUnavailable
            act()  # it happened, and the answer is lost
            if trouble < plan_.aws_trouble * 0.75:
                raise StorageUnavailable
        done = act()
        if crash is not None:
            self.die()
        if self.trace is not None:
            self.note(name)
        return done

    def die(self) -> None:
        assert self.simulation.current is not None
        self.simulation.current.deadline = 0
        raise Killed

    def died(self, worker: Worker) -> None:
        self.note("dies")
        self.trouble()
        if worker.holding is not None:
            self.orphan(*worker.holding)

    def orphan(self, grant: Grant, refresh: int, before: int) -> None:
        """A refresh token that exists at the portal, and nowhere else."""
        grant.orphaned.append(self.simulation.now)
        if grant.received == refresh:
            grant.received = before

    def trouble(self) -> None:
        """Remembered, because one trouble at a time is what some promises stand on."""
        self.troubles.append(self.simulation.now)

    def note(self, text: str) -> None:
        if self.trace is not None:
            worker = self.simulation.current
            who = f"{worker.name}@{worker.started - START:.2f}" if worker else "-"
            self.trace.append(f"{self.simulation.now - START:8.2f}  {who:18} {text}")

    # --- the database ------------------------------------------------------------------------------

    def get(self, connection_id: str) -> Connection | None:
        return self.effect("database", "get", lambda: self.items.get(connection_id))  # type: ignore[no-any-return]

    def lease(self, connection: Connection, until: float, now: float) -> None:
        worker = self.simulation.current
        assert worker is not None

        def act() -> None:
            self.items.lease(connection, until, now)
            worker.leased_at = self.simulation.now

        self.write("lease", act)

    def renew(self, connection_id: str, renewal: Renewal) -> None:
        worker = self.simulation.current
        assert worker is not None
        try:
            self.write("renew", lambda: self.items.renew(connection_id, renewal))
        except Conflict:
            worker.holding = None
            raise
        worker.holding = None

    def release(self, connection: Connection, failure: Failure) -> None:
        self.write("release", lambda: self.items.release(connection, failure))

    def require_reauthorization(self, connection: Connection) -> None:
        def act() -> None:
            self.items.require_reauthorization(connection)
            self.marked_at = self.simulation.now
            self.check_mark()

        self.write("mark", act)

    def write(self, name: str, act: Callable[[], None]) -> None:
        def checked() -> None:
            before = self.items.get(CONNECTION)
            try:
                act()
            finally:
                self.check_write(before, self.items.get(CONNECTION))

        self.effect("database", name, checked)

    def delete(self) -> None:
        connection = self.read()

        def act() -> None:
            self.items.delete(connection)
            self.deleted_at = self.simulation.now

        self.effect("database", "delete", act)

    def reconnect(self, seed: int) -> None:
        """The patient logs in again: as an attempt is started, and as the exchange of its code is stored."""
        connection = self.read()
        attempt = f"attempt-{seed}"
        self.write("restart", lambda: self.items.restart(connection, attempt))
        self.simulation.wait(0.3)
        grant = self.login(self.simulation.now)
        if seed % 3 == 0:  # some portals end the logins before
            for number in range(1, grant.number):
                self.grants[number].revoked = True
        assert self.simulation.current is not None
        now = self.simulation.now + self.simulation.current.skew
        tokens = Tokens(Secret(f"a.{grant.number}.1"), Secret(f"r.{grant.number}.1"), PATIENT)
        while True:
            activation = self.activation(connection, tokens, now)
            try:
                self.write("activate", lambda c=connection, a=activation: self.items.activate(c, attempt, a))
                return
            except StorageUnavailable:
                if self.simulation.now > now + PERSIST_SECONDS:
                    raise
                self.simulation.wait(0.25)
            except Conflict:
                connection = self.read()
                if connection.authorized_at == now or connection.attempt != attempt:
                    return

    def read(self) -> Connection:
        connection = self.get(CONNECTION)
        if connection is None:
            raise NotFound
        return connection

    def activation(self, connection: Connection, tokens: Tokens, now: float) -> Activation:
        generation = connection.generation + 1
        lifetime = self.plan.life if self.plan.tells_life else None
        return Activation(
            status=Status.ACTIVE,
            reason=None,
            tokens=self.prepare(sealing.tokens_of(CONNECTION, generation)).close(tokens.to_bytes()),
            generation=generation,
            authorized_at=now,
            token_expires_at=now + lifetime if lifetime else None,
            token_lifetime=lifetime,
            refreshable=True,
        )

    # --- keys --------------------------------------------------------------------------------------

    def prepare(self, place: Place) -> Seal:
        return self.effect("keys", "prepare", lambda: Seal(place))  # type: ignore[no-any-return]

    def open(self, place: Place, sealed: bytes) -> bytes:
        return self.effect("keys", "open", lambda: opened(place, sealed))  # type: ignore[no-any-return]

    # --- the queue ---------------------------------------------------------------------------------

    def later(self, connection_id: str, generation: int) -> None:
        self.effect("queue", "later", lambda: self.send("retry", generation, RETRY_SECONDS))

    def park(self, connection_id: str, renewal: Renewal) -> None:
        worker = self.simulation.current
        assert worker is not None
        try:
            self.effect("queue", "park", lambda: self.send("parked", renewal, 1.0))
        except StorageUnavailable:
            if worker.holding is not None:
                self.orphan(*worker.holding)
                worker.holding = None
            raise
        worker.holding = None

    def send(self, name: str, content: Any, delay: float) -> None:
        worker = self.simulation.current
        assert worker is not None
        draw, seed = worker.draw.random, worker.draw.getrandbits(32)
        arrival = self.simulation.now + delay
        if not self.healthy:
            if draw() < self.plan.late_messages:
                self.simulation.at(arrival, self.trouble)
                self.parked_late = self.parked_late or name == "parked"
                arrival += 60 * draw()
            else:
                arrival += draw()
            if draw() < 0.05:
                self.simulation.at(arrival + 60 * draw(), lambda: self.deliver(name, content, seed + 100))
        self.simulation.at(arrival, lambda: self.deliver(name, content, seed))

    # --- the portal, behind OneRecord --------------------------------------------------------------

    def login(self, now: float) -> Grant:
        grant = Grant(len(self.grants) + 1, self.plan.rotation, self.plan.life, now)
        self.grants[grant.number] = grant
        return grant

    def refresh(self, portal_id: str, refresh_token: Secret) -> TokenReply:
        simulation = self.simulation
        worker = simulation.current
        assert worker is not None
        if self.deleted_at is not None and (worker.leased_at is None or worker.leased_at > self.deleted_at):
            raise Violation("a deleted connection is refreshed")
        _, number, serial = refresh_token.reveal().split(".")
        grant = self.grants[int(number)]
        if grant.in_flight:
            raise Violation("two refreshes of one connection are in flight")
        grant.in_flight = True
        try:
            reply = self.exchange_tokens(grant, int(serial), worker)
        finally:
            grant.in_flight = False
        if worker.crash is not None and worker.crash == ("refresh", True):
            self.die()
        return reply

    def exchange_tokens(self, grant: Grant, serial: int, worker: Worker) -> TokenReply:
        simulation, draw = self.simulation, worker.draw
        if self.healthy or draw.random() >= self.plan.vendor_trouble:
            patience = draw.random()
            simulation.wait(0.3 * patience if patience < 0.9 - self.plan.slow else 11 * draw.random())
            return self.answer(grant, serial, worker)
        self.trouble()
        trouble = draw.choice(VENDOR_TROUBLES)
        self.note(f"vendor: {trouble}")
        simulation.wait(0.3 * draw.random())
        match trouble:
            case "unreachable":
                raise PortalUnreachable
            case "busy":
                raise PortalBusy(draw.choice((1, 30, 900)))
            case "unclear before":
                raise PortalUnclear
            case "unclear after":
                self.act(grant, serial)
                simulation.wait(11 * draw.random())
                raise PortalUnclear
            case "too late":
                simulation.wait(11.5)
                simulation.at(simulation.now + 15 * draw.random(), lambda: self.act(grant, serial))
                raise PortalTimeout
            case "unusable before":
                raise PortalUnusable
            case "unusable after":
                self.act(grant, serial)
                raise PortalUnusable
        raise PortalRejected(draw.choice((403, 404, 422)))

    def act(self, grant: Grant, serial: int) -> None:
        """The portal grants what nobody will hear of."""
        if self.device_dead():
            return
        made = grant.present(serial, self.simulation.now)
        if made is not None and made[1] != serial:
            grant.orphaned.append(self.simulation.now)

    def answer(self, grant: Grant, serial: int, worker: Worker) -> TokenReply:
        simulation, draw = self.simulation, worker.draw
        if self.device_dead():
            self.trouble()
            raise PortalRejected(401)
        made = grant.present(serial, simulation.now)
        if made is None:
            self.note(f"refused r.{grant.number}.{serial}")
            raise PortalRejected(400, explicit=True) if draw.random() < 0.7 else PortalRejected(401)
        access, refresh = made
        self.note(f"r.{grant.number}.{serial} -> r.{grant.number}.{refresh}")
        worker.holding = grant, refresh, grant.received
        # On its way home, the reply may still be lost with the worker.
        simulation.wait(0.2 * draw.random())
        grant.received = max(grant.received, refresh)
        kept = refresh == serial and self.plan.omits_refresh
        return TokenReply(
            access=Secret(f"a.{grant.number}.{access}"),
            refresh=None if kept else Secret(f"r.{grant.number}.{refresh}"),
            patient_id=None,
            expires_in=self.plan.life if self.plan.tells_life else None,
        )

    def accepts_device_token(self) -> bool:
        assert self.simulation.current is not None
        self.simulation.wait(0.3 * self.simulation.current.draw.random())
        return not self.device_dead()

    def device_dead(self) -> bool:
        return not self.healthy and self.device_dead_until > self.simulation.now

    def fetch(self, connection: Connection, tokens: Tokens) -> str:
        """Records are read with an access token."""
        assert self.simulation.current is not None
        self.simulation.wait(2 * self.simulation.current.draw.random())
        _, number, serial = tokens.access.reveal().split(".")
        if self.device_dead():
            raise PortalRejected(401)
        if not self.grants[int(number)].honours(int(serial), self.simulation.now):
            self.simulation.current.refusals += 1
            raise PortalRejected(401)
        return "records"

    # --- promises ----------------------------------------------------------------------------------

    def check_write(self, before: Connection | None, after: Connection | None) -> None:
        if before is None:
            if after is not None:
                raise Violation("a deleted connection is back")
            return
        if after is None or after is before:
            return
        step = after.generation - before.generation
        if step not in (0, 1):
            raise Violation(f"the generation moved by {step}")
        if after.tokens == before.tokens:
            return
        if step == 0:
            raise Violation("tokens changed within a generation")
        if self.refresh_of(after) is None:
            raise Violation("an empty refresh token is stored")
        if self.refresh_of(after)[0] < self.refresh_of(before)[0]:
            raise Violation("an earlier login's tokens replaced a later one's")

    def check_mark(self) -> None:
        item = self.items.get(CONNECTION)
        assert item is not None
        grant, serial = self.grant_of(item)
        assert self.simulation.current is not None
        if self.simulation.current.refusals > 1:
            # Records were refused to access tokens as new as can be: there is nothing else left to try.
            self.refused_anew = True
        elif grant.accepts(serial, self.simulation.now):
            raise Violation("a login is asked for while the stored refresh token still works")

    def answered(self, worker: Worker, outcome: Any) -> None:
        now = self.simulation.now
        if isinstance(outcome, PorticoError):
            self.note(f"answered {type(outcome).__name__}")
            if isinstance(outcome, ReauthorizationRequired) and not (
                self.marked_at >= worker.started or self.is_marked()
            ):
                raise Violation("a login is asked for, and the connection is not marked")
            if isinstance(outcome, StorageUnavailable) and worker.holding is not None:
                self.orphan(*worker.holding)
            return
        self.note("answered")
        if isinstance(outcome, tuple):
            _, number, serial = outcome[1].access.reveal().split(".")
            grant = self.grants[int(number)]
            expected = grant.access_until(int(serial))
            if expected is not None and expected < now - 2 - 2 * self.plan.skew and self.plan.tells_life:
                raise Violation("an access token that is over was handed out")

    def is_marked(self) -> bool:
        item = self.items.get(CONNECTION)
        return item is not None and item.status is Status.REAUTHORIZATION_REQUIRED

    def refresh_of(self, item: Connection) -> tuple[int, int] | None:
        kept = Tokens.from_bytes(opened(sealing.tokens_of(CONNECTION, item.generation), item.tokens or b""))
        if kept.refresh is None:
            return None
        _, number, serial = kept.refresh.reveal().split(".")
        return int(number), int(serial)

    def grant_of(self, item: Connection) -> tuple[Grant, int]:
        kept = self.refresh_of(item)
        if kept is None:
            raise Violation("the refresh token is gone")
        return self.grants[kept[0]], kept[1]

    # --- the end -----------------------------------------------------------------------------------

    def settle(self) -> None:
        """All is well again, operators redrive what failed, and somebody looks."""
        self.healthy = True
        self.note("all is well again")
        for name, content in self.dead_letters:
            self.deliver(name, content, 0)
        self.simulation.run()
        item = self.items.get(CONNECTION)
        if item is None:
            return
        if self.deleted_at is not None:
            raise Violation("a deleted connection is back")
        self.check_kept(item)
        if item.status is Status.ACTIVE:
            self.look()

    def check_kept(self, item: Connection) -> None:
        grant, serial = self.grant_of(item)
        now = self.simulation.now
        if serial < grant.received:
            raise Violation(f"r.{serial} is stored, though a worker that lived received r.{grant.received}")
        works = grant.accepts(serial, now)
        if works and item.status is not Status.ACTIVE and not self.refused_anew:
            raise Violation("a login is asked for, and the refresh token works")
        if works or grant.revoked:
            return
        # Parked tokens that the queue brought late were as good as orphaned meanwhile.
        if grant.rotation is Rotation.STATIC or not (grant.orphaned or self.parked_late):
            raise Violation("the connection is lost without a reason")
        if grant.rotation in FORGIVING and grant.orphaned:
            # One mishap is what the window is for. Those before have used up the retries that come by themselves.
            lost = grant.orphaned[0]
            before = sum(t < lost - REFRESH_FUNCTION_SECONDS for t in self.troubles)
            after = any(lost < t <= lost + GRACE_SECONDS for t in self.troubles)
            if before < MOST_SENT - 1 and not after:
                raise Violation("one mishap lost a connection of a portal with a grace window")

    def look(self) -> None:
        """Within a minute of somebody's need, an active connection works or says that it does not."""
        item = self.items.get(CONNECTION)
        assert item is not None
        simulation = self.simulation
        simulation.now = max(simulation.now, item.token_expires_at or 0, item.lease_until) + 2
        for grant in self.grants.values():
            grant.expire_access()
        if item.next_refresh_at > simulation.now + 40:  # the portal asked for that, or failed for long
            simulation.now = item.next_refresh_at + 1
        grant, serial = self.grant_of(item)
        until = simulation.now + 60
        hoped, feared = grant.accepts(serial, until), not grant.accepts(serial, simulation.now)
        seen = ["nothing"]

        def body() -> None:
            refresher = self.refresher(worker)
            while simulation.now < until:
                try:
                    seen.append(refresher.using(CONNECTION, self.fetch))
                    return
                except PorticoError as error:
                    seen.append(type(error).__name__)
                    if isinstance(error, ReauthorizationRequired):
                        return
                simulation.wait(5)

        worker = self.worker("look", 7, body)
        simulation.spawn(worker, 120)
        simulation.run()
        if hoped and seen[-1] != "records":
            raise Violation(f"an active connection does not work: {seen}")
        if feared and seen[-1] != "ReauthorizationRequired":
            raise Violation(f"a lost connection does not show: {seen}")


VENDOR_TROUBLES = (
    *["unclear after"] * 3,
    *["too late"] * 2,
    "unreachable",
    "busy",
    "unclear before",
    "unusable before",
    "unusable after",
    "rejected otherwise",
)


def play(plan_: Plan, make: Make | None = None) -> None:
    """Plays a history to its end. Raises Violation."""
    World(plan_, make or Make()).play()


def broken(seeds: Iterable[int], make: Make | None = None) -> tuple[int, int, str] | None:
    """How many histories it took until one broke a promise, its seed, and what it broke."""
    for count, seed in enumerate(seeds, 1):
        try:
            play(plan(seed), make)
        except Violation as violation:
            return count, seed, str(violation)
    return None


def smallest(plan_: Plan, make: Make) -> Plan:
    """The plan without whatever the same violation does not need."""
    said = outcome(plan_, make)
    calm = {"vendor_trouble": 0.0, "aws_trouble": 0.0, "slow": 0.0, "crashes": 0.0, "late_messages": 0.0}
    calmer: list[Callable[[Plan], Plan]] = [
        lambda p, name=name: replace(p, **{name: 0.0})  # type: ignore[misc]
        for name in (*calm, "skew")
    ]
    again = True
    while again:
        again = False
        fewer = [
            replace(plan_, events=plan_.events[:i] + plan_.events[i + 1 :]) for i in range(len(plan_.events))
        ]
        for candidate in (*fewer, *(change(plan_) for change in calmer)):
            if candidate != plan_ and outcome(candidate, make) == said:
                plan_, again = candidate, True
                break
    return plan_


def outcome(plan_: Plan, make: Make, trace: list[str] | None = None) -> str:
    """What a history breaks, or nothing."""
    try:
        World(plan_, make, trace).play()
    except Violation as violation:
        return str(violation)
    return ""


def played(seed: int) -> str:
    """What the history of a seed breaks, or nothing."""
    return outcome(plan(seed), Make())


def story(seed: int, make: Make | None = None) -> str:
    """A history as text: what was planned, what happened, what it broke."""
    make = make or Make()
    plan_ = plan(seed)
    if outcome(plan_, make):
        plan_ = smallest(plan_, make)
    trace: list[str] = []
    said = outcome(plan_, make, trace)
    return "\n".join([str(plan_), *trace, said or "every promise was kept"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, required=True)
    print(story(parser.parse_args().seed))  # noqa: T201


if __name__ == "__main__":
    main()
