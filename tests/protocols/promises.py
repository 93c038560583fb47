"""The promises, as they are checked: at every write, at every answer, and when all is well again."""

from typing import Any

from portico import sealing
from portico.connection import Connection, Status
from portico.errors import (
    PorticoError,
    ReauthorizationRequired,
    StorageUnavailable,
)
from portico.refresh import (
    MOST_SENT,
)
from portico.tokens import Tokens
from tests.protocols.items import CONNECTION, Violation, opened
from tests.protocols.portal import FORGIVING, GRACE_SECONDS, Grant, Rotation
from tests.protocols.simulation import Worker
from tests.protocols.vendor import Vendor

REFRESH_FUNCTION_SECONDS = 25.0


class Promises(Vendor):
    """What must be true of the connection, whoever did what."""

    def check_write(self, before: Connection | None, after: Connection | None) -> None:
        if before is None:
            if after is not None:
                raise Violation("a deleted connection is back")
            return
        if after is None or after is before:
            return
        step = after.generation - before.generation
        if step not in (0, 1):
            raise Violation(f"the generation moved by {step}")
        if after.tokens == before.tokens:
            return
        if step == 0:
            raise Violation("tokens changed within a generation")
        was, now = self.refresh_of(before), self.refresh_of(after)
        if now is None:
            raise Violation("an empty refresh token is stored")
        if was is not None and now[0] < was[0]:
            raise Violation("an earlier login's tokens replaced a later one's")

    def check_mark(self) -> None:
        item = self.items.get(CONNECTION)
        assert item is not None
        grant, serial = self.grant_of(item)
        assert self.simulation.current is not None
        if self.simulation.current.refusals > 1:
            # Records were refused to access tokens as new as can be: there is nothing else left to try.
            self.refused_anew = True
        elif grant.accepts(serial, self.simulation.now):
            raise Violation("a login is asked for while the stored refresh token still works")

    def answered(self, worker: Worker, outcome: Any) -> None:
        now = self.simulation.now
        if isinstance(outcome, PorticoError):
            self.note(f"answered {type(outcome).__name__}")
            if isinstance(outcome, ReauthorizationRequired) and not (
                self.marked_at >= worker.started or self.is_marked()
            ):
                raise Violation("a login is asked for, and the connection is not marked")
            if isinstance(outcome, StorageUnavailable) and worker.holding is not None:
                self.orphan(*worker.holding)
            return
        self.note("answered")
        if isinstance(outcome, tuple):
            _, number, serial = outcome[1].access.reveal().split(".")
            grant = self.grants[int(number)]
            expected = grant.access_until(int(serial))
            if expected is not None and expected < now - 2 - 2 * self.plan.skew and self.plan.tells_life:
                raise Violation("an access token that is over was handed out")

    def is_marked(self) -> bool:
        item = self.items.get(CONNECTION)
        return item is not None and item.status is Status.REAUTHORIZATION_REQUIRED

    def refresh_of(self, item: Connection) -> tuple[int, int] | None:
        kept = Tokens.from_bytes(opened(sealing.tokens_of(CONNECTION, item.generation), item.tokens or b""))
        if kept.refresh is None:
            return None
        _, number, serial = kept.refresh.reveal().split(".")
        return int(number), int(serial)

    def grant_of(self, item: Connection) -> tuple[Grant, int]:
        kept = self.refresh_of(item)
        if kept is None:
            raise Violation("the refresh token is gone")
        return self.grants[kept[0]], kept[1]

    def check_kept(self, item: Connection) -> None:
        grant, serial = self.grant_of(item)
        now = self.simulation.now
        if serial < grant.received:
            raise Violation(f"r.{serial} is stored, though a worker that lived received r.{grant.received}")
        works = grant.accepts(serial, now)
        if works and item.status is not Status.ACTIVE and not self.refused_anew:
            raise Violation("a login is asked for, and the refresh token works")
        if works or grant.revoked:
            return
        # Tokens that came to the table late, by the queue or a slow worker, were as good as orphaned meanwhile.
        if grant.rotation is Rotation.STATIC or not (grant.orphaned or self.stored_late):
            raise Violation("the connection is lost without a reason")
        if grant.rotation in FORGIVING and grant.orphaned:
            # One mishap is what the window is for. Those before have used up the retries that come by themselves.
            lost = grant.orphaned[0]
            before = sum(t < lost - REFRESH_FUNCTION_SECONDS for t in self.troubles)
            after = any(lost < t <= lost + GRACE_SECONDS for t in self.troubles)
            if before < MOST_SENT - 1 and not after:
                raise Violation("one mishap lost a connection of a portal with a grace window")
