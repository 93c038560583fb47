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

    def delete(self, retrieval_id: str) -> None:
        """Gone; work that still goes on finds out at its next write."""
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


@dataclass(frozen=True, slots=True)
class Discarding:
    """Removes retrievals: first none can complete any more, then files and record go."""

    retrievals: Retrievals
    results: Results
    workflow: Workflow

    def discard(self, retrieval: Retrieval) -> None:
        """The retrieval, its files and its workflow are gone. Raises StorageUnavailable."""
        if retrieval.status is Status.RUNNING:
            self.retrievals.cancel(retrieval)
            self.workflow.stop(retrieval.id)
        self.results.delete(retrieval.prefix)
        self.retrievals.delete(retrieval.id)

    def discard_all(self, connection_id: str) -> int:
        """As `discard`, for all of a connection; how many there were."""
        found = [self.retrievals.get(i) for i in self.retrievals.of_connection(connection_id)]
        for retrieval in found:
            if retrieval is not None:
                self.discard(retrieval)
        return len(found)


@dataclass(frozen=True, slots=True)
class Disconnector:
    """Deletes connections."""

    connections: Connections
    attempts: Attempts
    discarding: Discarding
    keep_alive: KeepAlive
    clock: Clock

    def delete(self, connection_id: str, owner: str) -> None:
        """Everything of the connection is gone. Raises NotFound, StorageUnavailable (ask again).

        Results go before and after: what a retrieval wrote in between has nowhere to commit to.
        """
        connection = self.connections.get(connection_id)
        if connection is None or not same(connection.owner, owner):
            raise NotFound
        self.discarding.discard_all(connection.id)
        self._cancel(connection)
        self.keep_alive.cancel(connection.id)
        try:
            self.connections.delete(connection)
        except Cancelled:
            raise NotFound from None
        self.discarding.discard_all(connection.id)

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
