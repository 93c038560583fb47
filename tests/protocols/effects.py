"""What every worker is surrounded by: calls that take time, fail, go unanswered, or are the last thing done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portico.errors import (
    StorageUnavailable,
)
from portico.refresh import (
    Refresher,
)
from tests.protocols.items import Items, MemoryItems
from tests.protocols.plans import Plan
from tests.protocols.portal import Grant
from tests.protocols.simulation import Killed, Simulation, Worker

START = 1_795_512_600.0

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


@dataclass(frozen=True, slots=True)
class Make:
    """What a world is built from; a planted fault replaces one of them."""

    refresher: Callable[..., Refresher] = Refresher
    items: Callable[[], Items] = MemoryItems


class Effects:
    """The world so far: what is broken, what went wrong when, and what exists."""

    def __init__(self, plan_: Plan, make: Make, trace: list[str] | None = None) -> None:
        self.plan, self.make, self.trace = plan_, make, trace
        self.simulation = Simulation(START)
        self.items = make.items()
        self.healthy = False
        self.down = {"database": 0.0, "queue": 0.0, "keys": 0.0}
        self.device_dead_until = 0.0
        self.refused_anew = self.stored_late = False
        self.deliveries = 0
        self.deleted_at: float | None = None
        self.marked_at = 0.0
        self.troubles: list[float] = []
        self.dead_letters: list[tuple[str, Any]] = []
        self.grants: dict[int, Grant] = {}

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
            self.stored_late = self.stored_late or worker.name == "parked"
        simulation.wait(30 - 20 * draw() if slow else 0.03 * draw())
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
