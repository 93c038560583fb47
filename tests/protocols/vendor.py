"""The vendor and the portal behind it, with all the ways in which an answer does not come."""

from portico.connection import Connection
from portico.errors import (
    PortalBusy,
    PortalRejected,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
)
from portico.refresh import (
    UPSTREAM_SECONDS,
)
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from tests.protocols.effects import Effects
from tests.protocols.items import Violation
from tests.protocols.portal import Grant
from tests.protocols.simulation import Worker

VENDOR_TROUBLES = (
    *["unclear after"] * 3,
    *["too late"] * 2,
    "unreachable",
    "busy",
    "unclear before",
    "unusable before",
    "unusable after",
    "rejected otherwise",
)


class Vendor(Effects):
    """The token endpoint, the directory that tells of the device token, and records."""

    def login(self, now: float) -> Grant:
        grant = Grant(len(self.grants) + 1, self.plan.rotation, self.plan.life, now)
        self.grants[grant.number] = grant
        return grant

    def refresh(self, portal_id: str, refresh_token: Secret) -> TokenReply:
        simulation = self.simulation
        worker = simulation.current
        assert worker is not None
        if self.deleted_at is not None and (worker.leased_at is None or worker.leased_at > self.deleted_at):
            raise Violation("a deleted connection is refreshed")
        _, number, serial = refresh_token.reveal().split(".")
        grant = self.grants[int(number)]
        if grant.in_flight:
            raise Violation("two refreshes of one connection are in flight")
        if simulation.now + worker.skew + UPSTREAM_SECONDS > worker.leased_until:
            raise Violation("a request may outlive its lease")
        grant.in_flight = True
        try:
            reply = self.exchange_tokens(grant, int(serial), worker)
        finally:
            grant.in_flight = False
        if worker.crash is not None and worker.crash == ("refresh", True):
            self.die()
        return reply

    def exchange_tokens(self, grant: Grant, serial: int, worker: Worker) -> TokenReply:
        simulation, draw = self.simulation, worker.draw
        if self.healthy or draw.random() >= self.plan.vendor_trouble:
            patience = draw.random()
            simulation.wait(0.3 * patience if patience < 0.9 - self.plan.slow else 11 * draw.random())
            return self.answer(grant, serial, worker)
        self.trouble()
        trouble = draw.choice(VENDOR_TROUBLES)
        self.note(f"vendor: {trouble}")
        simulation.wait(0.3 * draw.random())
        match trouble:
            case "unreachable":
                raise PortalUnreachable
            case "busy":
                raise PortalBusy(draw.choice((1, 30, 900)))
            case "unclear before":
                raise PortalUnclear
            case "unclear after":
                self.act(grant, serial)
                simulation.wait(11 * draw.random())
                raise PortalUnclear
            case "too late":
                simulation.wait(11.5)
                simulation.at(simulation.now + 15 * draw.random(), lambda: self.act(grant, serial))
                raise PortalTimeout
            case "unusable before":
                raise PortalUnusable
            case "unusable after":
                self.act(grant, serial)
                raise PortalUnusable
        raise PortalRejected(draw.choice((403, 404, 422)))

    def act(self, grant: Grant, serial: int) -> None:
        """The portal grants what nobody will hear of."""
        if self.device_dead():
            return
        made = grant.present(serial, self.simulation.now)
        if made is not None and made[1] != serial:
            grant.orphaned.append(self.simulation.now)

    def answer(self, grant: Grant, serial: int, worker: Worker) -> TokenReply:
        simulation, draw = self.simulation, worker.draw
        if self.device_dead():
            self.trouble()
            raise PortalRejected(401)
        made = grant.present(serial, simulation.now)
        if made is None:
            self.note(f"refused r.{grant.number}.{serial}")
            raise PortalRejected(400, explicit=True) if draw.random() < 0.7 else PortalRejected(401)
        access, refresh = made
        self.note(f"r.{grant.number}.{serial} -> r.{grant.number}.{refresh}")
        worker.holding = grant, refresh, grant.received
        # On its way home, the reply may still be lost with the worker.
        simulation.wait(0.2 * draw.random())
        grant.received = max(grant.received, refresh)
        kept = refresh == serial and self.plan.omits_refresh
        return TokenReply(
            access=Secret(f"a.{grant.number}.{access}"),
            refresh=None if kept else Secret(f"r.{grant.number}.{refresh}"),
            patient_id=None,
            expires_in=self.plan.life if self.plan.tells_life else None,
        )

    def accepts_device_token(self) -> bool:
        assert self.simulation.current is not None
        self.simulation.wait(0.3 * self.simulation.current.draw.random())
        return not self.device_dead()

    def device_dead(self) -> bool:
        return not self.healthy and self.device_dead_until > self.simulation.now

    def fetch(self, connection: Connection, tokens: Tokens) -> str:
        """Records are read with an access token."""
        assert self.simulation.current is not None
        self.simulation.wait(2 * self.simulation.current.draw.random())
        _, number, serial = tokens.access.reveal().split(".")
        if self.device_dead():
            raise PortalRejected(401)
        if not self.grants[int(number)].honours(int(serial), self.simulation.now):
            self.simulation.current.refusals += 1
            raise PortalRejected(401)
        return "records"
