"""Simulated time, and workers in it: real code runs in a greenlet that gives way at every effect.

Nothing waits in earnest. Whoever is due next runs until its next effect; how long each effect takes is drawn
from the worker's own seed, so that the interleaving is a function of the seeds alone.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]


class Killed(BaseException):
    """The function is gone, between two effects: timed out, or its machine died."""


class Worker:
    """One invocation of a function: its clock's error, when it is killed at the latest, where it crashes."""

    __slots__ = (
        "body",
        "crash",
        "deadline",
        "draw",
        "dying",
        "greenlet",
        "holding",
        "leased_at",
        "leased_until",
        "name",
        "refusals",
        "skew",
        "started",
    )

    def __init__(self, name: str, seed: int, body: Callable[[], None]) -> None:
        self.name, self.body = name, body
        self.draw = Random(seed)
        self.skew = 0.0
        self.crash: tuple[str, bool] | None = None
        self.started = self.deadline = 0.0
        self.dying = False
        self.greenlet: Any = None
        self.leased_at: float | None = None
        self.leased_until = 0.0
        self.refusals = 0
        self.holding: Any = None


class Simulation:
    """The agenda. `now` is true time; workers see it through clocks of their own."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.current: Worker | None = None
        self._agenda: list[tuple[float, int, Any]] = []
        self._numbers = 0
        self._hub = getcurrent()

    def at(self, when: float, what: Any) -> None:
        """Something that happens then: a call, or a worker that goes on."""
        self._numbers += 1
        heappush(self._agenda, (when, self._numbers, what))

    def spawn(self, worker: Worker, seconds: float) -> None:
        """Starts a worker now; it is killed after that many seconds."""
        worker.started, worker.deadline = self.now, self.now + seconds
        worker.greenlet = greenlet(worker.body, self._hub)
        self.at(self.now, worker)

    def wait(self, seconds: float) -> None:
        """The current worker's next effect comes after that long; it may not live to see it."""
        worker = self.current
        assert worker is not None
        wake = self.now + seconds
        if wake >= worker.deadline:
            wake, worker.dying = worker.deadline, True
        self._numbers += 1
        heappush(self._agenda, (wake, self._numbers, worker))
        self._hub.switch()
        if worker.dying:
            raise Killed

    def run(self) -> None:
        """Until nothing is left to do."""
        agenda = self._agenda
        while agenda:
            when, _, what = heappop(agenda)
            if when > self.now:
                self.now = when
            if type(what) is Worker:
                self.current = what
                what.greenlet.switch()
                self.current = None
            else:
                what()
