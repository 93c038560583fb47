"""Reading a retrieval: how it goes, what it brought, why it failed, when it is over."""

from dataclasses import dataclass
from typing import Protocol

from portico.errors import (
    Gone,
    NotFound,
    PorticoError,
    ReauthorizationRequired,
    RetrievalFailed,
    RetrievalOverdue,
)
from portico.ids import is_id
from portico.instants import Clock
from portico.retrieval import Retrieval, Status


class Retrievals(Protocol):
    """The retrievals table."""

    def get(self, retrieval_id: str) -> Retrieval | None:
        """The retrieval, read consistently."""
        ...


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads retrievals for their owner."""

    retrievals: Retrievals
    clock: Clock

    def owned(self, retrieval_id: str, owner: str) -> Retrieval:
        """The retrieval, in whatever state: also one whose deletion did not get to its end. Raises NotFound."""
        retrieval = self.retrievals.get(retrieval_id) if is_id(retrieval_id) else None
        if retrieval is None:
            raise NotFound
        return retrieval.owned_by(owner)

    def read(self, retrieval_id: str, owner: str) -> Retrieval:
        """A running or completed retrieval.

        Raises NotFound, Gone after retention, and for a failed one its reason's error.
        """
        retrieval = self.owned(retrieval_id, owner)
        if retrieval.reason == "cancelled":
            raise NotFound
        now = self.clock()
        if retrieval.status is not Status.RUNNING and now >= retrieval.expires_at:
            raise Gone("retention_over")
        if retrieval.status is Status.FAILED:
            raise failure_of(retrieval.reason or "internal")
        if retrieval.lost(now):
            raise RetrievalOverdue
        return retrieval

    def retry_after(self, retrieval: Retrieval) -> int:
        """Seconds until asking again is worth while: as long as it has been running, at most half a minute."""
        return max(1, min(30, round((self.clock() - retrieval.created_at) / 4)))

    def progress(self, retrieval: Retrieval) -> str:
        """X-Progress: the vendor tells no percentage, so this tells how often it was asked."""
        return (
            f"waiting for the portal, asked {retrieval.polls} times" if retrieval.submitted_at else "starting"
        )


def failure_of(reason: str) -> PorticoError:
    """The error that tells why a retrieval failed."""
    match reason:
        case "reauthorization_required":
            return ReauthorizationRequired()
        case "retrieval_overdue" | "timeout":
            return RetrievalOverdue()
        case _:
            return RetrievalFailed(reason)
