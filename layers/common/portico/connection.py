"""A connection: one patient's authorized link to one portal, owned by one app user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from portico.instants import rfc3339


class Status(StrEnum):
    """`status` of the HTTP contract."""

    PENDING = "pending"
    ACTIVE = "active"
    REAUTHORIZATION_REQUIRED = "reauthorization_required"
    HELD = "held"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as stored. `tokens` is sealed in the place that `generation` names.

    `attempt` is the key of the newest attempt; `pending_until` is when an unfinished first one is over.
    """

    id: str
    owner: str
    portal_id: str
    portal: Mapping[str, Any]
    status: Status
    created_at: float
    attempt: str | None = None
    pending_until: float = 0
    reason: str | None = None
    authorized_at: float | None = None
    token_expires_at: float | None = None
    token_lifetime: float | None = None
    refreshable: bool = False
    generation: int = 0
    tokens: bytes | None = None
    lease_until: float = 0
    next_refresh_at: float = 0
    refreshed_at: float = 0
    sent: int = 0
    failures: int = 0
    failing_since: float = 0
    last_retrieval: Mapping[str, Any] | None = None

    def status_at(self, now: float) -> tuple[Status, str | None]:
        """Status and reason: an attempt that nobody finished in time was abandoned."""
        if self.status is Status.PENDING and now >= self.pending_until:
            return Status.CLOSED, "abandoned"
        return self.status, self.reason

    def as_json(self, now: float) -> dict[str, Any]:
        """`Connection` of the HTTP contract: no token, code or patient id."""
        status, reason = self.status_at(now)
        shown = {
            "id": self.id,
            "status": status.value,
            "portal": dict(self.portal),
            "createdAt": rfc3339(self.created_at),
            "authorizedAt": rfc3339(self.authorized_at) if self.authorized_at else None,
            "tokenExpiresAt": rfc3339(self.token_expires_at) if self.token_expires_at else None,
            "refreshable": self.refreshable,
            "lastRetrieval": dict(self.last_retrieval) if self.last_retrieval else None,
        }
        return shown | ({"reason": reason} if reason else {})


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """Some of an owner's connections, newest first, with the cursor of the next page."""

    connections: Sequence[Connection]
    next: str | None
