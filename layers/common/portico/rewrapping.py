"""Moving to another tokens key: every connection's data key is wrapped anew, its sealed tokens stay as they are.

While a previous key is named, seals of either key open and new ones are made under the current key. A sweep
re-wraps what nobody happens to refresh. A second sweep that finds nothing to do is the proof that the
previous key is no longer needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from portico import sealing
from portico.errors import Conflict, SealBroken
from portico.instants import Clock
from portico.sealing import Place


class Sealed(NamedTuple):
    """A connection's tokens as they are stored."""

    connection_id: str
    generation: int
    tokens: bytes


class SealedPage(NamedTuple):
    """Some of the connections that hold tokens, and where the next page begins (None = nowhere)."""

    rows: Sequence[Sealed]
    next: str | None


class Connections(Protocol):
    """The connections table, as far as the sweep goes."""

    def sealed(self, after: str | None) -> SealedPage:
        """A page of all connections' tokens, in no order that means anything."""
        ...

    def rewrap(self, before: Sealed, tokens: bytes) -> None:
        """Other bytes for the same tokens, if they are still the ones that were read. Raises Conflict."""
        ...


class Sealer(Protocol):
    """Envelope encryption under the current key, with a previous one."""

    def rewrap(self, place: Place, sealed: bytes) -> bytes | None:
        """The same seal under the current key; None when it is under that already. Raises SealBroken when
        it is under neither key, StorageUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What one run found. `moved`: somebody wrote to it meanwhile, so the next sweep looks again. `broken`:
    it opens under neither key. `next` is where the next run goes on, None when the sweep is through."""

    current: int
    rewrapped: int
    moved: int
    broken: int
    next: str | None

    def as_json(self) -> dict[str, Any]:
        """The operator's answer."""
        counts = {
            "complete": self.next is None,
            "current": self.current,
            "rewrapped": self.rewrapped,
            "moved": self.moved,
            "broken": self.broken,
        }
        return counts | ({"after": self.next} if self.next is not None else {})


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Re-wraps over the given store and sealer."""

    connections: Connections
    sealer: Sealer
    clock: Clock

    def sweep(self, after: str | None, until: float) -> Swept:
        """All connections from `after` on (None = all), page by page as far as time allows.

        Raises StorageUnavailable: ask again from the same place.
        """
        outcomes = {"current": 0, "rewrapped": 0, "moved": 0, "broken": 0}
        place = after
        while True:
            page = self.connections.sealed(place)
            for row in page.rows:
                outcomes[self._rewrap(row)] += 1
            place = page.next
            if place is None or self.clock() >= until:
                return Swept(**outcomes, next=place)

    def _rewrap(self, row: Sealed) -> str:
        try:
            tokens = self.sealer.rewrap(sealing.tokens_of(row.connection_id, row.generation), row.tokens)
        except SealBroken:
            return "broken"
        if tokens is None:
            return "current"
        try:
            self.connections.rewrap(row, tokens)
        except Conflict:
            return "moved"
        return "rewrapped"
