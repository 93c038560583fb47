"""Exchanging a held authorization code for tokens: local commit, one foreign call, local commit.

Whatever happens between, the attempt says how far it came: a code is sent at most twice, and only when the
first outcome is unknown; a token that arrived is stored or the attempt visibly ends.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from portico import attempt as attempts_
from portico import sealing
from portico.attempt import Attempt, State
from portico.connection import Connection, Status
from portico.errors import (
    AuthorizationRejected,
    Conflict,
    DeviceTokenRefused,
    DifferentPatient,
    Gone,
    NotFound,
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    SealBroken,
    StorageUnavailable,
)
from portico.ids import same
from portico.instants import Clock
from portico.refresh import PERSIST_SECONDS
from portico.sealing import Seal, Sealer
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from portico.vendor import token_refused


class Attempts(Protocol):
    """The attempts table, as far as an exchange goes."""

    def get(self, key: str) -> Attempt | None:
        """The attempt, read consistently."""
        ...

    def replace(self, old: Attempt, new: Attempt) -> None:
        """Stores `new` if the attempt is still as `old` was read. Raises Conflict."""
        ...


class Connections(Protocol):
    """The connections table, as far as an exchange goes."""

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently."""
        ...

    def close(self, connection: Connection, old: Attempt, new: Attempt) -> None:
        """Ends the attempt, and the connection with it if this was its first. Raises Conflict."""
        ...

    def activate(self, connection: Connection, activation: "Activation", old: Attempt, new: Attempt) -> None:
        """Stores tokens and the attempt's end in one commit. Raises Conflict, Cancelled."""
        ...


class Integrator(Protocol):
    """The vendor's token endpoint."""

    def exchange(
        self, portal_id: str, code: Secret, state: str | None, verifier: Secret | None
    ) -> TokenReply:
        """Raises what the fault matrix names."""
        ...

    def accepts_device_token(self) -> bool:
        """Whether OneRecord still honours our own token."""
        ...


class KeepAlive(Protocol):
    """What keeps an idle connection's refresh token alive."""

    def schedule(self, connection_id: str) -> None:
        """From tomorrow on, daily. Raises StorageUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Activation:
    """What a successful exchange makes of a connection: active, or held with a reason."""

    status: Status
    reason: str | None

    tokens: bytes
    generation: int
    authorized_at: float
    token_expires_at: float | None
    token_lifetime: float | None
    refreshable: bool


@dataclass(frozen=True, slots=True)
class HeldCode:
    """What the callback keeps under seal: the code, and the portal's `state` to be passed on verbatim."""

    code: Secret
    state: str | None

    def to_bytes(self) -> bytes:
        """As it goes under seal."""
        return json.dumps({"code": self.code.reveal(), "state": self.state}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "HeldCode":
        """As it came out of the seal."""
        kept = json.loads(data)
        return cls(Secret(kept["code"]), kept["state"])


# Compares the patient with the app user: lifts the hold, or keeps it with a reason.
Verify = Callable[[Connection, Tokens], object]
UNVERIFIED = "identity_unverified"


@dataclass(frozen=True, slots=True)
class Exchanger:
    """Exchanges codes over the given stores, vendor and clock. `burned` is told when a handle was stolen."""

    attempts: Attempts
    connections: Connections
    integrator: Integrator
    sealer: Sealer
    keep_alive: KeepAlive
    clock: Clock
    sleep: Callable[[float], None]
    burned: Callable[[], None] = lambda: None

    def exchange(
        self, connection_id: str, owner: str, handle: str, verify: Verify | None = None
    ) -> Connection:
        """The active connection; with `verify`, a held one until that lifts the hold.

        Raises NotFound, InvalidHandle, NotAuthorizedYet, ExchangeInProgress, Gone, AuthorizationRejected,
        DifferentPatient, and the Retryable errors; each leaves the attempt as `portico.attempt` says.
        """
        connection = self.connections.get(connection_id)
        if connection is None or connection.attempt is None:
            raise NotFound
        begun = self._begin(connection, owner, handle)
        if begun is None:
            # Read again: it may have become active since, while the exchange that is done was under way.
            return self._verified(self._reread(connection, None), verify)
        try:
            return self._verified(self._send(connection, begun, held=verify is not None), verify)
        except (PortalUnreachable, PortalBusy, DeviceTokenRefused):
            self._end(connection, begun, attempts_.not_sent(begun, self.clock()))
            raise
        except DifferentPatient:
            self._end(connection, begun, begun.over(State.FAILED, "different_patient"))
            raise
        except SealBroken:
            self._end(connection, begun, begun.over(State.FAILED, "seal_broken"))
            raise
        except PortalRejected:
            self._end(connection, begun, begun.over(State.FAILED, "rejected"))
            raise AuthorizationRejected from None
        except (PortalUnclear, PortalUnusable) as unclear:
            if begun.sent >= 2:
                self._end(connection, begun, begun.over(State.UNKNOWN, "outcome_unknown"))
                raise Gone("outcome_unknown") from None
            if isinstance(unclear, PortalUnclear):
                unclear.retry_after = attempts_.LEASE_SECONDS
            raise

    def _begin(self, connection: Connection, owner: str, handle: str) -> Attempt | None:
        """The attempt with its lease taken, or None when the exchange was done before."""
        for _ in range(3):
            attempt = self.attempts.get(connection.attempt or "")
            if attempt is None or attempt.connection_id != connection.id:
                raise Gone("expired") if same(connection.owner, owner) else NotFound
            step = attempts_.begin_exchange(attempt, owner, handle, self.clock())
            if step.attempt is not attempt:
                try:
                    self._store(connection, attempt, step.attempt)
                except Conflict:
                    continue
            if step.attempt.state is State.BURNED and attempt.state is not State.BURNED:
                self.burned()
            if step.error:
                raise step.error
            return None if step.done else step.attempt
        raise Conflict

    def _verified(self, connection: Connection, verify: Verify | None) -> Connection:
        tokens = self._tokens(connection)
        if verify is None or tokens is None or connection.reason != UNVERIFIED:
            return connection
        with suppress(Conflict):
            verify(connection, tokens)
        return self._reread(connection, None)

    def _send(self, connection: Connection, attempt: Attempt, *, held: bool) -> Connection:
        # Keys and schedule first: once the code is on its way, nothing but storing the answer may be left to do.
        try:
            code, verifier = self._opened(attempt)
            before = self._tokens(connection) if attempt.reconnect else None
            seal = self._seal(connection)
            self.keep_alive.schedule(connection.id)
        except StorageUnavailable:
            self._end(connection, attempt, attempts_.not_sent(attempt, self.clock()))
            raise
        try:
            reply = self.integrator.exchange(attempt.portal_id, code.code, code.state, verifier)
        except PortalRejected as rejected:
            if token_refused(rejected) and not self.integrator.accepts_device_token():
                raise DeviceTokenRefused from None
            raise
        if attempt.reconnect and not _same_patient(before, reply.first()):
            raise DifferentPatient
        # A patient who came back the same was verified before, or still is not.
        held = held and (not attempt.reconnect or connection.status is Status.HELD)
        return self._activate(connection, attempt, reply, seal, held=held)

    def _opened(self, attempt: Attempt) -> tuple[HeldCode, Secret | None]:
        place = sealing.code_of(attempt.key, attempt.codes)
        code = HeldCode.from_bytes(self.sealer.open(place, attempt.code or b""))
        if not attempt.verifier:
            return code, None
        verifier = self.sealer.open(sealing.verifier_of(attempt.key), attempt.verifier)
        return code, Secret(verifier.decode())

    def _activate(
        self, connection: Connection, attempt: Attempt, reply: TokenReply, seal: Seal, *, held: bool
    ) -> Connection:
        now = self.clock()
        done = attempts_.connected(attempt, now)
        while True:
            activation = Activation(
                status=Status.HELD if held else Status.ACTIVE,
                reason=UNVERIFIED if held else None,
                tokens=seal.close(reply.first().to_bytes()),
                generation=connection.generation + 1,
                authorized_at=now,
                token_expires_at=now + reply.expires_in if reply.expires_in else None,
                token_lifetime=reply.expires_in,
                refreshable=reply.refresh is not None,
            )
            try:
                self.connections.activate(connection, activation, attempt, done)
            except Conflict:
                # This very commit, repeated after a lost answer. Or a refresh moved the generation while the
                # patient logged in again. Whatever else moved (deleted, superseded) shows on the next read.
                if self.attempts.get(attempt.key) == done:
                    return self._reread(connection, None)
                connection = self._reread(connection, attempt)
                if self.clock() >= now + PERSIST_SECONDS:
                    raise
                seal = self._seal(connection)
                self.sleep(0.05)
                continue
            except StorageUnavailable:
                if self.clock() >= now + PERSIST_SECONDS:
                    raise
                self.sleep(0.25)
                continue
            return self._reread(connection, None)

    def _reread(self, connection: Connection, attempt: Attempt | None) -> Connection:
        stored = self.connections.get(connection.id)
        if stored is None:
            raise NotFound
        if attempt is not None and self.attempts.get(attempt.key) != attempt:
            raise Gone("superseded")
        return stored

    def _seal(self, connection: Connection) -> Seal:
        return self.sealer.prepare(sealing.tokens_of(connection.id, connection.generation + 1))

    def _tokens(self, connection: Connection) -> Tokens | None:
        if connection.tokens is None:
            return None
        place = sealing.tokens_of(connection.id, connection.generation)
        return Tokens.from_bytes(self.sealer.open(place, connection.tokens))

    def _end(self, connection: Connection, old: Attempt, new: Attempt) -> None:
        try:
            self._store(connection, old, new)
        except Conflict:
            return  # somebody else moved the attempt meanwhile (deleted, superseded): theirs stands

    def _store(self, connection: Connection, old: Attempt, new: Attempt) -> None:
        if new.state in attempts_.OPEN:
            self.attempts.replace(old, new)
        else:
            self.connections.close(connection, old, new)


def _same_patient(before: Tokens | None, after: Tokens) -> bool:
    """A reconnect must come back with the same patient id; a portal that gives none gives none both times."""
    if before is None:
        return True
    old, new = before.patient_id, after.patient_id
    if old is None or new is None:
        return old is None and new is None
    return same(old.reveal(), new.reveal())
