"""Erasing a user: everything that is known of one app user is gone, with a receipt that names nobody.

An operator asks for it, knowing the user as the identity provider does. The user's access to the app has to
end first: whoever goes on using it begins anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from portico.connection import ConnectionPage
from portico.disconnection import Discarded, Disconnector
from portico.errors import InvalidRequest, NotFound
from portico.ids import owner_of
from portico.instants import Clock, rfc3339

PAGE = 100


class Connections(Protocol):
    """The connections table, by owner."""

    def owned_by(self, owner: str, limit: int, cursor: str | None) -> ConnectionPage:
        """A page of the owner's connections."""
        ...


class Attempts(Protocol):
    """The attempts table, by owner."""

    def delete_all_of(self, owner: str) -> int:
        """Every attempt of the owner's is gone, open or over, and the list of open ones; how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one run has removed: counts and times. The owner is a digest, as everywhere."""

    owner: str
    complete: bool
    connections: int
    discarded: Discarded
    attempts: int
    started_at: float
    finished_at: float

    def as_json(self) -> dict[str, Any]:
        """The operator's answer."""
        return {
            "owner": self.owner,
            "complete": self.complete,
            "connections": self.connections,
            "retrievals": self.discarded.retrievals,
            "files": self.discarded.files,
            "attempts": self.attempts,
            "startedAt": rfc3339(self.started_at),
            "finishedAt": rfc3339(self.finished_at),
        }


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases users. Each run goes on where the one before stopped: what is gone is not found again."""

    connections: Connections
    attempts: Attempts
    disconnector: Disconnector
    clock: Clock

    def erase(self, owner: str, until: float) -> Receipt:
        """Everything of the owner's is gone, or `complete` is false because the time ran out.

        Raises StorageUnavailable, Conflict: ask again.
        """
        started = self.clock()
        connections, gone = 0, Discarded()
        while page := self._page(owner):
            for connection_id in page:
                if self.clock() >= until:
                    return Receipt(owner, False, connections, gone, 0, started, self.clock())
                try:
                    gone += self.disconnector.delete(connection_id, owner)
                except NotFound:
                    continue  # the owner deletes it this very moment
                connections += 1
        attempts = self.attempts.delete_all_of(owner)
        return Receipt(owner, True, connections, gone, attempts, started, self.clock())

    def _page(self, owner: str) -> list[str]:
        """Ids of connections that still exist; pages that are empty only because an index lags are passed over."""
        cursor = None
        while True:
            page = self.connections.owned_by(owner, PAGE, cursor)
            if page.connections or page.next is None:
                return [connection.id for connection in page.connections]
            cursor = page.next


def owner_in(event: Mapping[str, Any]) -> str:
    """The owner that an operator names by issuer and subject. Raises InvalidRequest."""
    for name in ("issuer", "subject"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise InvalidRequest(name, "must be a text that is not empty")
    if unknown := set(event) - {"issuer", "subject"}:
        raise InvalidRequest(min(unknown), "is not known here")
    return owner_of(event["issuer"], event["subject"])
