"""The refresh protocol, played: the real `Refresher` by concurrent workers, in simulated time.

Around it is a world that breaks: a portal, a database with the adapters' conditions, keys, a queue that
delivers late and twice, crashes between any two effects. `play(plan)` runs one history and raises Violation
when a promise is broken.

    python -m tests.protocols.refresh_world --seed N     replays a history, as small as it can be made
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from portico import sealing
from portico.connection import Connection, Status
from portico.errors import (
    Conflict,
    NotFound,
    PorticoError,
    ReauthorizationRequired,
    StorageUnavailable,
)
from portico.exchange import Activation
from portico.refresh import (
    PERSIST_SECONDS,
    RETRY_SECONDS,
    Failure,
    Refresher,
    Renewal,
)
from portico.sealing import Place
from portico.secret import Secret
from portico.tokens import Tokens
from tests.protocols.effects import CRASHES, START, Make
from tests.protocols.items import CONNECTION, Seal, Violation, opened
from tests.protocols.plans import Event, Kind, Plan, plan
from tests.protocols.promises import REFRESH_FUNCTION_SECONDS, Promises
from tests.protocols.simulation import Killed, Worker

OWNER = "0wnerAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PATIENT = Secret("Tbt3KuCY0B5P")
VISIBILITY_SECONDS = 150.0
MOST_RECEIVES = 8
MOST_DELIVERIES = 150


class World(Promises):
    """One history in the making. It is the store, the vendor, the keys and the queue of every worker."""

    def __init__(self, plan_: Plan, make: Make, trace: list[str] | None = None) -> None:
        super().__init__(plan_, make, trace)
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
            self.stored_late = self.stored_late or name == "parked"
            if receives == MOST_RECEIVES:
                self.dead_letters.append((name, content))
                return
            self.simulation.at(
                worker.started + VISIBILITY_SECONDS,
                lambda: self.deliver(name, content, seed + 1, receives + 1),
            )

        self.deliveries += 1
        if self.deliveries > MOST_DELIVERIES:
            raise Violation("messages multiply")
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

    # --- the database ------------------------------------------------------------------------------

    def get(self, connection_id: str) -> Connection | None:
        return self.effect("database", "get", lambda: self.items.get(connection_id))  # type: ignore[no-any-return]

    def lease(self, connection: Connection, until: float, now: float) -> None:
        worker = self.simulation.current
        assert worker is not None

        def act() -> None:
            self.items.lease(connection, until, now)
            worker.leased_at, worker.leased_until = self.simulation.now, until

        self.write("lease", act)

    def renew(self, connection_id: str, renewal: Renewal) -> None:
        self.write("renew", lambda: self.items.renew(connection_id, renewal))
        worker = self.simulation.current
        assert worker is not None
        if worker.holding is not None and self.simulation.now > worker.leased_until:
            self.stored_late = True
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
                self.write("activate", partial(self.items.activate, connection, attempt, activation))
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
                self.stored_late = self.stored_late or name == "parked"
                arrival += 60 * draw()
            else:
                arrival += draw()
            if draw() < 0.05:
                self.simulation.at(arrival + 60 * draw(), lambda: self.deliver(name, content, seed + 100))
        self.simulation.at(arrival, lambda: self.deliver(name, content, seed))


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
