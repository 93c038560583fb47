"""After a restore: what was deleted since the backup was taken is deleted again.

A table restored to an earlier moment holds connections whose owners had them deleted since. Every deletion
leaves a tombstone first, outside the tables, and whoever restores a table applies them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from portico.connection import Connection
from portico.disconnection import Discarded, Discarding, Disconnector
from portico.errors import NotFound
from portico.ids import is_id
from portico.instants import Clock


class Tombstones(Protocol):
    """What remembers deletions."""

    def after(self, connection_id: str) -> Iterator[str]:
        """The ids of deleted connections in their order, from behind one of them."""
        ...


class Connections(Protocol):
    """The connections table."""

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently."""
        ...


@dataclass(frozen=True, slots=True)
class Applied:
    """What one run found and removed. `last` is where the next one goes on, None when all were applied."""

    tombstones: int
    connections: int
    discarded: Discarded
    last: str | None

    def as_json(self) -> dict[str, Any]:
        """The operator's answer."""
        counts = {
            "complete": self.last is None,
            "tombstones": self.tombstones,
            "connections": self.connections,
            "retrievals": self.discarded.retrievals,
            "files": self.discarded.files,
        }
        return counts | ({"after": self.last} if self.last is not None else {})


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies tombstones to the tables as they are now. Doing so twice changes nothing more."""

    tombstones: Tombstones
    connections: Connections
    disconnector: Disconnector
    discarding: Discarding
    clock: Clock

    def apply(self, after: str, until: float) -> Applied:
        """Deletes everything that has a tombstone behind `after` (empty = all), as far as time allows.

        Raises StorageUnavailable: ask again from the same place.
        """
        seen = found = 0
        gone, last = Discarded(), after
        for connection_id in self.tombstones.after(after):
            if self.clock() >= until:
                return Applied(seen, found, gone, last)
            if is_id(connection_id):
                existed, discarded = self._bury(connection_id)
                found, gone = found + existed, gone + discarded
            seen, last = seen + 1, connection_id
        return Applied(seen, found, gone, None)

    def _bury(self, connection_id: str) -> tuple[bool, Discarded]:
        connection = self.connections.get(connection_id)
        if connection is not None:
            try:
                return True, self.disconnector.delete(connection.id, connection.owner)
            except NotFound:
                pass  # deleted this very moment
        # A restored retrievals table may hold what a connection that is gone once fetched.
        return False, self.discarding.discard_all(connection_id)
