"""Disconnecting: tokens, results and running work of a connection are gone at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from portico.attempt import Attempt, State
from portico.connection import Connection
from portico.errors import Cancelled, Conflict, NotFound
from portico.ids import same
from portico.instants import Clock
from portico.retrieval import Retrieval, Status


class Attempts(Protocol):
    """The attempts table."""

    def get(self, key: str) -> Attempt | None:
        """The attempt, read consistently."""
        ...

    def replace(self, old: Attempt, new: Attempt) -> None:
        """Stores `new` if the attempt is still as `old` was read. Raises Conflict."""
        ...


class Connections(Protocol):
    """The connections table."""

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently."""
        ...

    def delete(self, connection: Connection) -> None:
        """Gone, tokens and all. Raises Cancelled when it was gone already."""
        ...


class Retrievals(Protocol):
    """The retrievals table."""

    def get(self, retrieval_id: str) -> Retrieval | None:
        """The retrieval, read consistently."""
        ...

    def of_connection(self, connection_id: str) -> Sequence[str]:
        """The ids of all retrievals of a connection."""
        ...

    def cancel(self, retrieval: Retrieval) -> None:
        """A running one can no longer complete."""
        ...

    def delete(self, retrieval: Retrieval) -> None:
        """Gone, with the lock that it holds; work that still goes on finds out at its next write."""
        ...


class Results(Protocol):
    """The results bucket."""

    def delete(self, prefix: str) -> int:
        """Everything under a prefix is gone."""
        ...


class Workflow(Protocol):
    """The retrieval workflow."""

    def stop(self, retrieval_id: str) -> None:
        """Stops it if it runs."""
        ...


class KeepAlive(Protocol):
    """What keeps an idle connection's refresh token alive."""

    def cancel(self, connection_id: str) -> None:
        """No longer. Raises StorageUnavailable."""
        ...


class Tombstones(Protocol):
    """What remembers deletions longer than any backup."""

    def leave(self, connection_id: str, at: float) -> None:
        """From now on this connection counts as deleted. Raises StorageUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Discarded:
    """How much is gone."""

    retrievals: int = 0
    files: int = 0

    def __add__(self, other: "Discarded") -> "Discarded":
        return Discarded(self.retrievals + other.retrievals, self.files + other.files)


@dataclass(frozen=True, slots=True)
class Discarding:
    """Removes retrievals: first none can complete any more, then files and record go."""

    retrievals: Retrievals
    results: Results
    workflow: Workflow

    def discard(self, retrieval: Retrieval) -> Discarded:
        """The retrieval, its files and its workflow are gone. Raises StorageUnavailable."""
        if retrieval.status is Status.RUNNING:
            self.retrievals.cancel(retrieval)
        if retrieval.status is Status.RUNNING or retrieval.reason == "cancelled":
            self.workflow.stop(retrieval.id)
        files = self.results.delete(retrieval.prefix)
        self.retrievals.delete(retrieval)
        return Discarded(1, files)

    def discard_all(self, connection_id: str) -> Discarded:
        """As `discard`, for all of a connection."""
        gone = Discarded()
        for retrieval_id in self.retrievals.of_connection(connection_id):
            retrieval = self.retrievals.get(retrieval_id)
            if retrieval is not None:
                gone += self.discard(retrieval)
        return gone


@dataclass(frozen=True, slots=True)
class Disconnector:
    """Deletes connections."""

    connections: Connections
    attempts: Attempts
    discarding: Discarding
    keep_alive: KeepAlive
    clock: Clock
    tombstones: Tombstones

    def delete(self, connection_id: str, owner: str) -> Discarded:
        """Everything of the connection is gone. Raises NotFound, StorageUnavailable (ask again).

        The tombstone comes first: a deletion that got no further is one that a restore will finish.
        Results go before and after: what a retrieval wrote in between has nowhere to commit to.
        """
        connection = self.connections.get(connection_id)
        if connection is None or not same(connection.owner, owner):
            raise NotFound
        self.tombstones.leave(connection.id, self.clock())
        gone = self.discarding.discard_all(connection.id)
        self._cancel(connection)
        self.keep_alive.cancel(connection.id)
        try:
            self.connections.delete(connection)
        except Cancelled:
            raise NotFound from None
        return gone + self.discarding.discard_all(connection.id)

    def _cancel(self, connection: Connection) -> None:
        for _ in range(3):
            attempt = self.attempts.get(connection.attempt or "") if connection.attempt else None
            if attempt is None or not attempt.is_open(self.clock()):
                return
            try:
                self.attempts.replace(attempt, attempt.over(State.CANCELLED, "cancelled"))
            except Conflict:
                continue
            return
        raise Conflict
