"""A table for one connection, with the conditions of `adapters.connections_table`, and seals for what is in it."""

from dataclasses import replace
from typing import Protocol

from portico.connection import Connection, Status
from portico.errors import (
    Cancelled,
    Conflict,
)
from portico.exchange import Activation
from portico.refresh import (
    Failure,
    Renewal,
)
from portico.sealing import Place

CONNECTION = "c0nnect10nAAAAAAAAAAAA"


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
