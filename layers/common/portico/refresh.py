"""Keeping a connection's access token fresh without ever losing the connection.

One worker at a time refreshes, under a lease on the item; what it receives is committed on the *generation*
that it read, not on the lease, so that whoever holds a success can store it. A refresh token is replaced only
by a non-empty one, and never deleted because a refresh failed. Only an explicit rejection, seen under the own
lease and an unmoved generation, asks the patient to log in again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from portico import sealing
from portico.connection import Connection, Status
from portico.errors import (
    Conflict,
    DeviceTokenRefused,
    NotAuthorizedYet,
    NotFound,
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    ReauthorizationRequired,
    RefreshInProgress,
    Retryable,
)
from portico.instants import Clock
from portico.sealing import Sealer
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from portico.vendor import token_refused

UPSTREAM_SECONDS = 12
LEASE_SECONDS = 35
LOSER_WAITS_SECONDS = 3
RETRY_SECONDS = 20


class Connections(Protocol):
    """The connections table, as far as a refresh goes. Every write is conditional on the generation."""

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently."""
        ...

    def lease(self, connection: Connection, until: float, now: float) -> None:
        """Takes the lease if it is free and the generation unmoved. Raises Conflict."""
        ...

    def renew(self, connection: Connection, renewal: "Renewal") -> None:
        """Stores new tokens on an unmoved generation. Raises Conflict."""
        ...

    def release(self, connection: Connection, next_refresh_at: float) -> None:
        """Gives the own lease back, keeping everything else. Raises Conflict."""
        ...

    def require_reauthorization(self, connection: Connection) -> None:
        """Marks the connection, under the own lease and an unmoved generation. Raises Conflict."""
        ...


class Integrator(Protocol):
    """The vendor's token endpoint."""

    def refresh(self, portal_id: str, refresh_token: Secret) -> TokenReply:
        """Raises what the fault matrix names."""
        ...

    def accepts_device_token(self) -> bool:
        """Whether OneRecord still honours our own token."""
        ...


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a successful refresh writes."""

    tokens: bytes
    generation: int
    token_expires_at: float | None
    token_lifetime: float | None
    refreshable: bool


@dataclass(frozen=True, slots=True)
class Refresher:
    """Fresh tokens over the given store, vendor and clock; `sleep` is how a loser waits for the winner."""

    connections: Connections
    integrator: Integrator
    sealer: Sealer
    clock: Clock
    sleep: Callable[[float], None]

    def fresh(self, connection_id: str) -> tuple[Connection, Tokens]:
        """The connection and tokens that may be used now, refreshed first when they are about to expire.

        Raises NotFound, NotAuthorizedYet, ReauthorizationRequired, RefreshInProgress, the Portal errors.
        """
        connection = self._active(connection_id)
        tokens = self._open(connection)
        if not is_stale(connection, self.clock()) or tokens.refresh is None:
            return connection, tokens
        try:
            return self._refresh(connection, tokens)
        except (Retryable, PortalUnusable):
            if _expired(connection, self.clock()):
                raise
            return connection, tokens

    def after_refusal(self, connection: Connection) -> tuple[Connection, Tokens]:
        """New tokens after the vendor refused the ones of `connection` (401).

        One of another generation that a peer has stored meanwhile will do. Raises as `fresh` does.
        """
        current = self._active(connection.id)
        if current.generation != connection.generation:
            return current, self._open(current)
        tokens = self._open(current)
        if tokens.refresh is None:
            self._require_reauthorization(replace(current, lease_until=self._lease(current)))
        return self._refresh(current, tokens)

    def using[T](self, connection_id: str, call: Callable[[Connection, Tokens], T]) -> T:
        """The outcome of `call` with fresh tokens; a 401 is answered by one refresh and one more call.

        Raises what `call` raises, and as `fresh` does.
        """
        connection, tokens = self.fresh(connection_id)
        try:
            return call(connection, tokens)
        except PortalRejected as refused:
            if not token_refused(refused):
                raise
        connection, tokens = self.after_refusal(connection)
        try:
            return call(connection, tokens)
        except PortalRejected as refused:
            if not token_refused(refused):
                raise
        self.refused_again(connection)

    def refused_again(self, connection: Connection) -> NoReturn:
        """Even fresh tokens are refused: either our device token is dead, or the patient must log in again.

        Always raises: DeviceTokenRefused (no connection is marked) or ReauthorizationRequired.
        """
        current = self._active(connection.id)
        if current.generation != connection.generation:
            raise RefreshInProgress
        self._require_reauthorization(replace(current, lease_until=self._lease(current)))

    def _refresh(self, connection: Connection, tokens: Tokens) -> tuple[Connection, Tokens]:
        assert tokens.refresh is not None
        # The data key comes first: nothing but the commit may be left to do once a reply is in hand.
        generation = connection.generation + 1
        seal = self.sealer.prepare(sealing.tokens_of(connection.id, generation))
        try:
            held = replace(connection, lease_until=self._lease(connection))
        except Conflict:
            return self._follow(connection)
        try:
            reply = self.integrator.refresh(connection.portal_id, tokens.refresh)
        except PortalRejected:
            self._require_reauthorization(held)
        except (PortalUnreachable, PortalBusy, PortalUnclear, PortalUnusable) as error:
            wait = error.retry_after if isinstance(error, PortalBusy) else RETRY_SECONDS
            self._release(held, self.clock() + wait)
            raise
        now = self.clock()
        renewed = tokens.renewed(reply)
        renewal = Renewal(
            tokens=seal.close(renewed.to_bytes()),
            generation=generation,
            token_expires_at=now + reply.expires_in if reply.expires_in else None,
            token_lifetime=reply.expires_in,
            refreshable=renewed.refresh is not None,
        )
        try:
            self.connections.renew(held, renewal)
        except Conflict:
            # The generation moved: this very write, repeated after a lost answer, or a peer's.
            current = self._active(connection.id)
            return current, self._open(current)
        return self._active(connection.id), renewed

    def _lease(self, connection: Connection) -> float:
        now = self.clock()
        until = now + LEASE_SECONDS
        self.connections.lease(connection, until, now)
        return until

    def _follow(self, connection: Connection) -> tuple[Connection, Tokens]:
        """Lost the lease: wait a little for the winner's generation."""
        deadline = self.clock() + LOSER_WAITS_SECONDS
        while self.clock() < deadline:
            self.sleep(0.2)
            current = self._active(connection.id)
            if current.generation != connection.generation:
                return current, self._open(current)
        raise RefreshInProgress

    def _require_reauthorization(self, held: Connection) -> NoReturn:
        if not self.integrator.accepts_device_token():
            self._release(held, self.clock() + RETRY_SECONDS)
            raise DeviceTokenRefused
        try:
            self.connections.require_reauthorization(held)
        except Conflict:
            # A moved generation is a lost race, not a revocation.
            raise RefreshInProgress(1) from None
        raise ReauthorizationRequired

    def _release(self, held: Connection, next_refresh_at: float) -> None:
        try:
            self.connections.release(held, next_refresh_at)
        except Conflict:
            return  # the lease is no longer ours; its holder decides

    def _active(self, connection_id: str) -> Connection:
        connection = self.connections.get(connection_id)
        if connection is None:
            raise NotFound
        if connection.status is Status.REAUTHORIZATION_REQUIRED:
            raise ReauthorizationRequired
        if connection.status is not Status.ACTIVE or connection.tokens is None:
            raise NotAuthorizedYet
        return connection

    def _open(self, connection: Connection) -> Tokens:
        place = sealing.tokens_of(connection.id, connection.generation)
        return Tokens.from_bytes(self.sealer.open(place, connection.tokens or b""))


def is_stale(connection: Connection, now: float) -> bool:
    """Whether the access token is within its last fifth, or last minute, by the vendor's hint."""
    if connection.token_expires_at is None:
        return False
    margin = max(60.0, 0.2 * (connection.token_lifetime or 0))
    return now >= connection.token_expires_at - margin


def _expired(connection: Connection, now: float) -> bool:
    return connection.token_expires_at is not None and now >= connection.token_expires_at
