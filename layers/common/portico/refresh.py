"""Keeping a connection alive: the refresh protocol. A connection is never lost by us.

Refresh tokens may work only once, replies get lost, functions die. So:

- One worker at a time refreshes, under a lease on the item that outlives the function.
- Before the request goes out, a delayed message is on its way that tries again if nobody tells the outcome.
- What comes back is committed on the *generation* that was read, not on the lease: whoever holds a success can
  store it. If the database is down, the sealed tokens are parked in a queue.
- A refresh token is replaced only by a non-empty one, and never deleted because a refresh failed.
- The patient is asked to log in again only for an explicit rejection, seen under the own lease and an unmoved
  generation, while our own device token is honoured.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from portico import sealing
from portico.connection import Connection, Status
from portico.errors import (
    Conflict,
    ConnectionHeld,
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
    SealBroken,
    StorageUnavailable,
)
from portico.instants import Clock
from portico.sealing import Sealer
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from portico.vendor import token_refused

# The order of these is what makes the protocol safe; a test holds it.
UPSTREAM_SECONDS = 12
PERSIST_SECONDS = 8
FUNCTION_SECONDS = 25
LEASE_SECONDS = 35
RETRY_SECONDS = 37

PARK_SECONDS = 2
UNPARK_SECONDS = 10
# Parked tokens are brought back at once for this long, then as the queue brings failed messages back.
PARKED_AGAIN_SECONDS = 120
LOSER_WAITS_SECONDS = 3
HEIR_WAITS_SECONDS = 3
# The first request with a refresh token, and two more after unknown outcomes, come by themselves.
MOST_SENT = 3
FAILING_SECONDS = 4 * 86_400
AHEAD_SECONDS = 600
IDLE_SECONDS = 20 * 3600
FIRST_BACKOFF_SECONDS = 20
LONGEST_BACKOFF_SECONDS = 6 * 3600


class Connections(Protocol):
    """The connections table, as far as a refresh goes. Every write is conditional on the generation."""

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently."""
        ...

    def lease(self, connection: Connection, until: float, now: float) -> None:
        """Takes the lease, and counts the request that is about to be sent. Raises Conflict unless the
        connection is active, its generation unmoved, no lease alive and `next_refresh_at` past."""
        ...

    def renew(self, connection_id: str, renewal: "Renewal") -> None:
        """Stores new tokens on the generation before, whoever holds the lease. A connection that was marked
        meanwhile is active again. Raises Conflict when the generation moved or the connection is gone."""
        ...

    def release(self, connection: Connection, failure: "Failure") -> None:
        """Gives the own lease back and keeps what was learned. Raises Conflict."""
        ...

    def hold(self, connection: Connection, reason: str) -> None:
        """The connection answers no data route, on an unmoved generation. Raises Conflict."""
        ...

    def require_reauthorization(self, connection: Connection) -> None:
        """Marks the connection, under the own lease and an unmoved generation; tokens stay. Raises Conflict."""
        ...


class Integrator(Protocol):
    """The vendor's token endpoint."""

    def refresh(self, portal_id: str, refresh_token: Secret) -> TokenReply:
        """Raises what the fault matrix names."""
        ...

    def accepts_device_token(self) -> bool:
        """Whether OneRecord still honours our own token."""
        ...


class Retries(Protocol):
    """The queue that outlives a function."""

    def later(self, connection_id: str, generation: int) -> None:
        """After RETRY_SECONDS somebody looks whether this generation is still there. Raises StorageUnavailable."""
        ...

    def park(self, connection_id: str, renewal: "Renewal") -> None:
        """Sealed tokens that the database would not take. Raises StorageUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a successful refresh writes; `tokens` is sealed for `generation`, one above what it replaces."""

    tokens: bytes
    generation: int
    refreshed_at: float
    token_expires_at: float | None
    token_lifetime: float | None
    refreshable: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed refresh writes: when to try next, how often it failed in a row, since when it was refused,
    and how many requests with this refresh token have an unknown outcome."""

    next_refresh_at: float
    failures: int
    failing_since: float
    sent: int


@dataclass(frozen=True, slots=True)
class Refresher:
    """Fresh tokens over the given store, vendor, queue and clock; `sleep` is how one waits in between."""

    connections: Connections
    integrator: Integrator
    sealer: Sealer
    retries: Retries
    clock: Clock
    sleep: Callable[[float], None]

    # --- what others ask for -----------------------------------------------------------------------

    def fresh(self, connection_id: str) -> tuple[Connection, Tokens]:
        """The connection and tokens that may be used now, refreshed first when they are about to expire.

        Raises NotFound, NotAuthorizedYet, ReauthorizationRequired, RefreshInProgress, the Portal errors.
        """
        connection = self._active(connection_id)
        tokens = self._open(connection)
        if tokens.refresh is None or not is_stale(connection, self.clock()):
            return connection, tokens
        try:
            return self._refresh(connection, tokens, tokens.refresh)
        except (Retryable, PortalUnusable):
            if _expired(connection, self.clock()):
                raise
            return connection, tokens

    def using[T](self, connection_id: str, call: Callable[[Connection, Tokens], T]) -> T:
        """The outcome of `call` with fresh tokens; a 401 is answered by one refresh and one more call,
        and by a last one when OneRecord is seen to honour our own token.

        Raises what `call` raises, and as `fresh` does; DeviceTokenRefused or ReauthorizationRequired when even
        new tokens are refused.
        """
        connection, tokens = self.fresh(connection_id)
        try:
            return call(connection, tokens)
        except PortalRejected as refused:
            if not token_refused(refused):
                raise
        connection, tokens = self._after_refusal(connection)
        for _ in range(2):
            try:
                return call(connection, tokens)
            except PortalRejected as refused:
                if not token_refused(refused):
                    raise
            # Once more, if it may have been our own device token that was replaced just now.
            if not self.integrator.accepts_device_token():
                raise DeviceTokenRefused
        self._refused_again(connection)

    def retry(self, connection_id: str, generation: int) -> str:
        """The delayed message has come: if nobody told the outcome of that generation's refresh, try again.

        What came of it, in a word. Raises Retryable for the queue to come again.
        """
        connection = self.connections.get(connection_id)
        if connection is None or connection.status is not Status.ACTIVE:
            return "over"
        if connection.generation != generation or connection.sent == 0:
            return "settled"
        if connection.sent >= MOST_SENT:
            return "left to the next use"
        return self._in_background(connection)

    def keep_alive(self, connection_id: str) -> str:
        """The daily schedule: a refresh token that nobody uses would lapse. What came of it, in a word."""
        connection = self.connections.get(connection_id)
        if connection is None or not connection.refreshable:
            return "over"
        if connection.status is not Status.ACTIVE:
            return "waiting for the patient"
        if self.clock() - connection.refreshed_at < IDLE_SECONDS:
            return "fresh"
        return self._in_background(connection)

    def unpark(self, connection_id: str, renewal: Renewal) -> str:
        """Sealed tokens that the database would not take then. Raises StorageUnavailable to come again.

        Insists: they have to be there before the next worker presents the refresh token that they replace.
        """
        last_try = self.clock() + UNPARK_SECONDS
        while True:
            try:
                self.connections.renew(connection_id, renewal)
            except Conflict:
                return "superseded"
            except StorageUnavailable:
                if self.clock() < last_try:
                    self.sleep(0.25)
                    continue
                if self.clock() >= renewal.refreshed_at + PARKED_AGAIN_SECONDS:
                    raise
                self.retries.park(connection_id, renewal)
                return "parked again"
            return "stored"

    # --- the protocol ------------------------------------------------------------------------------

    def _refresh(
        self, connection: Connection, tokens: Tokens, refresh_token: Secret
    ) -> tuple[Connection, Tokens]:
        if connection.next_refresh_at > self.clock():
            # The last try failed a while ago, and nobody is at it who could be waited for.
            raise RefreshInProgress(max(1, round(connection.next_refresh_at - self.clock())))
        generation = connection.generation + 1
        # The data key comes first: nothing but the commit may be left to do once a reply is in hand.
        seal = self.sealer.prepare(sealing.tokens_of(connection.id, generation))
        try:
            held = self._lease(connection)
        except Conflict:
            return self._follow(connection)
        try:
            self.retries.later(connection.id, connection.generation)
            if held.sent > 1 and (heir := self._left_behind(held)):
                return heir
            reply = self._ask(held, refresh_token)
        except PortalRejected as rejected:
            self._rejected(held, rejected)
        except (
            StorageUnavailable,
            DeviceTokenRefused,
            PortalUnreachable,
            PortalBusy,
            PortalUnclear,
            PortalUnusable,
        ) as error:
            self._failed(held, error)
            raise
        now = self.clock()
        renewed = tokens.renewed(reply)
        renewal = Renewal(
            tokens=seal.close(renewed.to_bytes()),
            generation=generation,
            refreshed_at=now,
            token_expires_at=now + reply.expires_in if reply.expires_in else None,
            token_lifetime=reply.expires_in,
            refreshable=renewed.refresh is not None,
        )
        return self._commit(held, renewal, renewed)

    def _left_behind(self, held: Connection) -> tuple[Connection, Tokens] | None:
        """What a worker before, whose request is without a known outcome, stores after all.

        It may have parked its tokens while the database was down: a portal that rotates strictly must not see
        the refresh token that they replace again.
        """
        self.sleep(HEIR_WAITS_SECONDS)
        current = self._active(held.id)
        return (current, self._open(current)) if current.generation != held.generation else None

    def _ask(self, held: Connection, refresh_token: Secret) -> TokenReply:
        try:
            return self._post(held, refresh_token)
        except PortalRejected as refused:
            if refused.explicit or not token_refused(refused):
                raise
        # Without a word on the grant it may have been our own device token, which may just have been replaced.
        if not self.integrator.accepts_device_token():
            raise DeviceTokenRefused
        return self._post(held, refresh_token)

    def _post(self, held: Connection, refresh_token: Secret) -> TokenReply:
        if self.clock() + UPSTREAM_SECONDS > held.lease_until:
            # AWS took its time: whoever comes next must not find this request still under way.
            raise StorageUnavailable
        return self.integrator.refresh(held.portal_id, refresh_token)

    def _lease(self, connection: Connection) -> Connection:
        now = self.clock()
        until = now + LEASE_SECONDS
        self.connections.lease(connection, until, now)
        return replace(connection, lease_until=until, sent=connection.sent + 1)

    def _commit(self, held: Connection, renewal: Renewal, renewed: Tokens) -> tuple[Connection, Tokens]:
        last_try = self.clock() + PERSIST_SECONDS - PARK_SECONDS
        while True:
            try:
                self.connections.renew(held.id, renewal)
            except Conflict:
                # The generation moved: this very write, repeated after a lost answer, or a peer's.
                current = self._active(held.id)
                if not _outdates(renewal, current, held):
                    return current, self._open(current)
                generation = current.generation + 1
                seal = self.sealer.prepare(sealing.tokens_of(held.id, generation))
                renewal = replace(renewal, tokens=seal.close(renewed.to_bytes()), generation=generation)
                continue
            except StorageUnavailable:
                if self.clock() >= last_try:
                    self.retries.park(held.id, renewal)
                    break
                self.sleep(0.25)
                continue
            break
        return _renewed(held, renewal), renewed

    def _follow(self, connection: Connection) -> tuple[Connection, Tokens]:
        """Lost the lease: wait a little for the winner's generation."""
        deadline = self.clock() + LOSER_WAITS_SECONDS
        while self.clock() < deadline:
            self.sleep(0.2)
            current = self._active(connection.id)
            if current.generation != connection.generation:
                return current, self._open(current)
        raise RefreshInProgress

    # --- refusals and failures ---------------------------------------------------------------------

    def _rejected(self, held: Connection, rejected: PortalRejected) -> NoReturn:
        if rejected.explicit or token_refused(rejected):
            self._require_reauthorization(held)
        # Some other refusal: perhaps the portal is being rebuilt. Believed after days.
        since = held.failing_since or self.clock()
        if self.clock() - since >= FAILING_SECONDS:
            self._require_reauthorization(held)
        self._release(replace(held, failing_since=since), _backoff(held.failures), sent=held.sent - 1)
        raise PortalUnusable from None

    def _failed(self, held: Connection, error: Exception) -> None:
        if isinstance(error, PortalUnclear | PortalUnusable):
            # However often it failed before: the delayed message has to find the way free.
            self._release(held, _backoff(held.sent - 1), sent=held.sent)
            return
        wait = error.retry_after if isinstance(error, PortalBusy) else _backoff(held.failures)
        self._release(held, wait, sent=held.sent - 1)

    def _after_refusal(self, connection: Connection) -> tuple[Connection, Tokens]:
        current = self._active(connection.id)
        tokens = self._open(current)
        if current.generation != connection.generation:
            return current, tokens
        if tokens.refresh is None:
            if not self.integrator.accepts_device_token():
                raise DeviceTokenRefused
            return current, tokens
        return self._refresh(current, tokens, tokens.refresh)

    def _refused_again(self, connection: Connection) -> NoReturn:
        current = self._active(connection.id)
        if current.generation != connection.generation:
            raise RefreshInProgress
        self._require_reauthorization(self._lease(current))

    def _require_reauthorization(self, held: Connection) -> NoReturn:
        if not self.integrator.accepts_device_token():
            self._release(held, FIRST_BACKOFF_SECONDS, sent=held.sent - 1)
            raise DeviceTokenRefused
        try:
            self.connections.require_reauthorization(held)
        except Conflict:
            # A moved generation is a lost race, not a revocation.
            raise RefreshInProgress(1) from None
        raise ReauthorizationRequired

    def _release(self, held: Connection, wait: float, *, sent: int) -> None:
        failure = Failure(self.clock() + wait, held.failures + 1, held.failing_since, sent)
        try:
            self.connections.release(held, failure)
        except (Conflict, StorageUnavailable):
            return  # the lease is another's by now, or runs out by itself

    # --- small things ------------------------------------------------------------------------------

    def _in_background(self, connection: Connection) -> str:
        tokens = self._open(connection)
        if tokens.refresh is None:
            return "over"
        try:
            self._refresh(connection, tokens, tokens.refresh)
        except ReauthorizationRequired:
            return "reauthorization_required"
        except RefreshInProgress:
            # Whoever holds the lease may have died before its delayed message, or be this worker's own lost answer.
            # While it is only too early, no: messages that send messages would multiply until the time has come.
            if connection.next_refresh_at <= self.clock():
                self.retries.later(connection.id, connection.generation)
            return "left to the next try"
        except (PortalUnusable, PortalUnreachable, PortalBusy, PortalUnclear):
            # Its own delayed message is on the way, or the portal asked for more time than that.
            return "left to the next try"
        return "refreshed"

    def _active(self, connection_id: str) -> Connection:
        connection = self.connections.get(connection_id)
        if connection is None:
            raise NotFound
        if connection.status is Status.REAUTHORIZATION_REQUIRED:
            raise ReauthorizationRequired
        if connection.status is Status.HELD:
            raise ConnectionHeld
        if connection.status is not Status.ACTIVE or connection.tokens is None:
            raise NotAuthorizedYet
        return connection

    def _open(self, connection: Connection) -> Tokens:
        place = sealing.tokens_of(connection.id, connection.generation)
        try:
            return Tokens.from_bytes(self.sealer.open(place, connection.tokens or b""))
        except SealBroken:
            # Tampered with or moved: nobody is asked to log in again, an operator has to look.
            with suppress(Conflict):
                self.connections.hold(connection, "seal_broken")
            raise


def is_stale(connection: Connection, now: float) -> bool:
    """Whether the access token is within its last ten minutes or last fifth, whichever is longer.

    Of a token that lives for less than twenty minutes, the last half: others would be refreshed at every use.
    """
    if connection.token_expires_at is None:
        return False
    lifetime = connection.token_lifetime or 0
    return now >= connection.token_expires_at - min(max(AHEAD_SECONDS, 0.2 * lifetime), 0.5 * lifetime)


def _expired(connection: Connection, now: float) -> bool:
    return connection.token_expires_at is not None and now >= connection.token_expires_at


def _outdates(renewal: Renewal, current: Connection, held: Connection) -> bool:
    """Whether tokens are newer than the stored ones: those of an earlier reply, out of the same login."""
    return renewal.refreshed_at > current.refreshed_at and current.authorized_at == held.authorized_at


def _backoff(failures: int) -> float:
    """Twice short, so that the delayed messages find the way free; then doubling."""
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** min(max(failures - 1, 0), 20), LONGEST_BACKOFF_SECONDS)


def _renewed(held: Connection, renewal: Renewal) -> Connection:
    return replace(
        held,
        tokens=renewal.tokens,
        generation=renewal.generation,
        refreshed_at=renewal.refreshed_at,
        token_expires_at=renewal.token_expires_at,
        token_lifetime=renewal.token_lifetime,
        refreshable=renewal.refreshable,
        lease_until=0,
        next_refresh_at=0,
        sent=0,
        failures=0,
        failing_since=0,
    )
