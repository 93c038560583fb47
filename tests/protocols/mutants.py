"""Faults planted into the real refresh protocol. A proof that does not find each of them proves nothing.

Each is what somebody could write in good faith: a subclass of the real code, or of the table's conditions,
with one decision changed.

    python -m tests.protocols.mutants     prints how many histories each one survives
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn
from unittest.mock import patch

from portico import refresh, sealing
from portico.connection import Connection, Status
from portico.errors import (
    Conflict,
    PortalRejected,
    PortalUnusable,
    ReauthorizationRequired,
    RefreshInProgress,
    Retryable,
    StorageUnavailable,
)
from portico.refresh import Failure, Refresher, Renewal
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from tests.protocols import refresh_world
from tests.protocols.effects import Make
from tests.protocols.items import MemoryItems, Seal, marked, opened, renewed
from tests.protocols.refresh_world import broken

MOST_HISTORIES = 40_000


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted fault: what was changed, and what it is made of."""

    name: str
    make: Make = field(default_factory=Make)
    changed: Callable[[], Any] | None = None

    @contextmanager
    def planted(self) -> Iterator[Make]:
        """While it lasts, histories are played with the fault."""
        if self.changed is None:
            yield self.make
            return
        with self.changed():
            yield self.make

    def survives(self, most: int = MOST_HISTORIES) -> tuple[int, int, str] | None:
        """How many histories it took to find it, in which seed, by which promise; None if it was not found."""
        with self.planted() as make:
            return broken(range(most), make)


# --- the table's conditions ------------------------------------------------------------------------


class NoLease(MemoryItems):
    def lease(self, connection: Connection, until: float, now: float) -> None:
        if self.item is None:
            raise Conflict
        self.item = replace(self.item, lease_until=until, sent=connection.sent + 1)


class LeaseIgnoresGeneration(MemoryItems):
    def lease(self, connection: Connection, until: float, now: float) -> None:
        if self.item is None or self.item.lease_until > now or self.item.status is not Status.ACTIVE:
            raise Conflict
        self.item = replace(self.item, lease_until=until, sent=connection.sent + 1)


class SentNotCounted(MemoryItems):
    def lease(self, connection: Connection, until: float, now: float) -> None:
        super().lease(connection, until, now)
        assert self.item is not None
        self.item = replace(self.item, sent=0)


class BlindCommit(MemoryItems):
    def renew(self, connection_id: str, renewal: Renewal) -> None:
        if self.item is None:
            raise Conflict
        self.item = renewed(self.item, renewal)


class CommitOnLease(MemoryItems):
    def renew(self, connection_id: str, renewal: Renewal) -> None:
        if self.item is None or self.item.lease_until < renewal.refreshed_at + 10:
            raise Conflict
        super().renew(connection_id, renewal)


class CommitRefusedOnceMarked(MemoryItems):
    def renew(self, connection_id: str, renewal: Renewal) -> None:
        if self.item is None or self.item.status is not Status.ACTIVE:
            raise Conflict
        super().renew(connection_id, renewal)


class CommitResurrects(MemoryItems):
    last: Connection | None = None

    def delete(self, connection: Connection) -> None:
        self.last = self.item
        super().delete(connection)

    def renew(self, connection_id: str, renewal: Renewal) -> None:
        if self.item is None and self.last is not None:
            self.item = renewed(self.last, renewal)
            return
        super().renew(connection_id, renewal)


class MarkBlindly(MemoryItems):
    def require_reauthorization(self, connection: Connection) -> None:
        if self.item is None:
            raise Conflict
        self.item = marked(self.item)


class FailureWipesTokens(MemoryItems):
    def release(self, connection: Connection, failure: Failure) -> None:
        super().release(connection, failure)
        assert self.item is not None
        place = sealing.tokens_of(self.item.id, self.item.generation)
        kept = replace(Tokens.from_bytes(opened(place, self.item.tokens or b"")), refresh=None)
        self.item = replace(self.item, tokens=Seal(place).close(kept.to_bytes()))


class LeaseKeptAfterRenewal(MemoryItems):
    def renew(self, connection_id: str, renewal: Renewal) -> None:
        before = self.item
        super().renew(connection_id, renewal)
        assert before is not None
        assert self.item is not None
        self.item = replace(self.item, lease_until=before.lease_until, next_refresh_at=float("inf"))


# --- the protocol's steps --------------------------------------------------------------------------


class NoDurableRetry(Refresher):
    def retry(self, connection_id: str, generation: int) -> str:
        return "ignored"


class NoParking(Refresher):
    def _commit(self, held: Connection, renewal: Renewal, renewed: Tokens) -> tuple[Connection, Tokens]:
        self.connections.renew(held.id, renewal)
        return replace(held, tokens=renewal.tokens, generation=renewal.generation), renewed


class ParkedIsDropped(Refresher):
    def unpark(self, connection_id: str, renewal: Renewal) -> str:
        return "dropped"


class ParkedOverwrites(Refresher):
    def unpark(self, connection_id: str, renewal: Renewal) -> str:
        current = self.connections.get(connection_id)
        if current is None:
            return "over"
        generation = current.generation + 1
        place = sealing.tokens_of(connection_id, renewal.generation)
        bundle = self.sealer.open(place, renewal.tokens)
        seal = self.sealer.prepare(sealing.tokens_of(connection_id, generation))
        self.connections.renew(
            connection_id, replace(renewal, tokens=seal.close(bundle), generation=generation)
        )
        return "stored"


class KeyAfterTheReply(Refresher):
    def _commit(self, held: Connection, renewal: Renewal, renewed: Tokens) -> tuple[Connection, Tokens]:
        self.sealer.prepare(sealing.tokens_of(held.id, renewal.generation))
        return Refresher._commit(self, held, renewal, renewed)


class MarkOnAnyError(Refresher):
    def _failed(self, held: Connection, error: Exception) -> None:
        self._require_reauthorization(held)


class BelievesAnyRefusal(Refresher):
    def _rejected(self, held: Connection, rejected: PortalRejected) -> NoReturn:
        self._require_reauthorization(held)


class IgnoresTheDeviceToken(Refresher):
    def _ask(self, held: Connection, refresh_token: Secret) -> TokenReply:
        return self._post(held, refresh_token)

    def _require_reauthorization(self, held: Connection) -> NoReturn:
        self.connections.require_reauthorization(held)
        raise ReauthorizationRequired


class BelievesTheFirst401(Refresher):
    def _ask(self, held: Connection, refresh_token: Secret) -> TokenReply:
        return self._post(held, refresh_token)


class LostRaceIsARevocation(Refresher):
    def _require_reauthorization(self, held: Connection) -> NoReturn:
        try:
            Refresher._require_reauthorization(self, held)
        except RefreshInProgress:
            raise ReauthorizationRequired from None


class UnknownOutcomeForgotten(Refresher):
    def _release(self, held: Connection, wait: float, *, sent: int) -> None:
        Refresher._release(self, held, wait, sent=0)


class PresentsAtOnceAgain(Refresher):
    def _left_behind(self, held: Connection) -> None:
        return None


class TooEarlySendsAgain(Refresher):
    def _in_background(self, connection: Connection) -> str:
        if connection.next_refresh_at > self.clock():
            self.retries.later(connection.id, connection.generation)
        return Refresher._in_background(self, connection)


class PostsHoweverLate(Refresher):
    def _post(self, held: Connection, refresh_token: Secret) -> TokenReply:
        return self.integrator.refresh(held.portal_id, refresh_token)


class UnparksOnce(Refresher):
    def unpark(self, connection_id: str, renewal: Renewal) -> str:
        try:
            self.connections.renew(connection_id, renewal)
        except Conflict:
            return "superseded"
        except StorageUnavailable:
            return "dropped"
        return "stored"


class HandsOutTheOldToken(Refresher):
    def fresh(self, connection_id: str) -> tuple[Connection, Tokens]:
        try:
            return Refresher.fresh(self, connection_id)
        except (Retryable, PortalUnusable):
            connection = self._active(connection_id)
            return connection, self._open(connection)


# --- numbers and bundles ---------------------------------------------------------------------------


def short_lease() -> Any:
    """The lease is over before the request is."""
    return patch.multiple(refresh, LEASE_SECONDS=8, UPSTREAM_SECONDS=0)


def early_retry() -> Any:
    """The delayed message comes before the lease is over."""
    return patch.object(refresh_world, "RETRY_SECONDS", 10)


def newer_reply_dropped() -> Any:
    """A reply that comes home after an earlier one was stored is taken for a lost race."""
    return patch.object(refresh, "_outdates", lambda *_: False)


def drops_the_rotated(self: Tokens, reply: TokenReply) -> Tokens:
    return Tokens(reply.access, self.refresh or reply.refresh, self.patient_id)


def stores_an_empty(self: Tokens, reply: TokenReply) -> Tokens:
    return Tokens(reply.access, reply.refresh, self.patient_id)


MUTANTS = (
    Mutant("no lease", Make(items=NoLease)),
    Mutant("a lease that ignores the generation", Make(items=LeaseIgnoresGeneration)),
    Mutant("a short lease", changed=short_lease),
    Mutant("a request however late in its lease", Make(refresher=PostsHoweverLate)),
    Mutant("sent is not counted", Make(items=SentNotCounted)),
    Mutant("a blind commit", Make(items=BlindCommit)),
    Mutant("a commit on the lease", Make(items=CommitOnLease)),
    Mutant("no commit once marked", Make(items=CommitRefusedOnceMarked)),
    Mutant("a commit that resurrects", Make(items=CommitResurrects)),
    Mutant("a mark without a look at the generation", Make(items=MarkBlindly)),
    Mutant("a failure that wipes the refresh token", Make(items=FailureWipesTokens)),
    Mutant("no more refreshes after the first", Make(items=LeaseKeptAfterRenewal)),
    Mutant("no durable retry", Make(refresher=NoDurableRetry)),
    Mutant("a durable retry before the lease ends", changed=early_retry),
    Mutant("no further try of the commit, no parking", Make(refresher=NoParking)),
    Mutant("parked tokens are dropped", Make(refresher=ParkedIsDropped)),
    Mutant("parked tokens overwrite a newer generation", Make(refresher=ParkedOverwrites)),
    Mutant("parked tokens come back once only", Make(refresher=UnparksOnce)),
    Mutant("the data key after the reply", Make(refresher=KeyAfterTheReply)),
    Mutant(
        "the rotated token is dropped", changed=lambda: patch.object(Tokens, "renewed", drops_the_rotated)
    ),
    Mutant("a newer reply is dropped", changed=newer_reply_dropped),
    Mutant("an empty token is stored", changed=lambda: patch.object(Tokens, "renewed", stores_an_empty)),
    Mutant("marked on any error", Make(refresher=MarkOnAnyError)),
    Mutant("any refusal is believed", Make(refresher=BelievesAnyRefusal)),
    Mutant("the device token is not looked at", Make(refresher=IgnoresTheDeviceToken)),
    Mutant("the first bare 401 is believed", Make(refresher=BelievesTheFirst401)),
    Mutant("a lost race taken for a revocation", Make(refresher=LostRaceIsARevocation)),
    Mutant("an unknown outcome is forgotten", Make(refresher=UnknownOutcomeForgotten)),
    Mutant("the same token at once again", Make(refresher=PresentsAtOnceAgain)),
    Mutant("a message that is too early sends another", Make(refresher=TooEarlySendsAgain)),
    Mutant("an access token that is over is handed out", Make(refresher=HandsOutTheOldToken)),
)


def main() -> None:
    for mutant in MUTANTS:
        found = mutant.survives()
        count, _, said = found or (0, 0, "NOT FOUND")
        print(f"{count:7,}  {mutant.name:48} {said}")  # noqa: T201


if __name__ == "__main__":
    main()
