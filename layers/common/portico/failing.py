"""The end of a retrieval that brought nothing: its reason is kept, and no file is left behind."""

from dataclasses import dataclass
from typing import Any, Protocol

from portico import errors
from portico.errors import Cancelled, PorticoError
from portico.instants import Clock
from portico.retrieval import Retrieval, Status
from portico.submission import stopped

# What the state machine calls its own failures.
_STATES = {"States.Timeout": "timeout", "States.TaskFailed": "internal"}
# It knows an error by its class alone; a task fails so for one reason only.
_TOLD_BY_CLASS = {"RetrievalFailed": "vendor_error"}


class Retrievals(Protocol):
    """The retrievals table."""

    def get(self, retrieval_id: str) -> Retrieval | None:
        """The retrieval, read consistently."""
        ...

    def fail(self, retrieval: Retrieval, reason: str, now: float) -> None:
        """Keeps the reason and tells the connection. Raises Cancelled."""
        ...


class Results(Protocol):
    """The results bucket."""

    def delete(self, prefix: str) -> int:
        """Everything under a prefix is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Failer:
    """Ends retrievals for the workflow."""

    retrievals: Retrievals
    results: Results
    clock: Clock

    def fail(self, retrieval_id: str, error: str) -> dict[str, Any]:
        """`status` failed with a `reason` from our own vocabulary, or stopped when nobody waits any more.

        A repeated call says the same again.
        """
        retrieval = self.retrievals.get(retrieval_id)
        if retrieval is None or retrieval.status is Status.COMPLETED or retrieval.reason == "cancelled":
            return stopped(retrieval_id)
        reason = retrieval.reason or reason_of(error)
        if retrieval.status is Status.RUNNING:
            self.results.delete(retrieval.prefix)
            try:
                self.retrievals.fail(retrieval, reason, self.clock())
            except Cancelled:
                return stopped(retrieval_id)
        return {
            "retrievalId": retrieval.id,
            "connectionId": retrieval.connection_id,
            "status": "failed",
            "reason": reason,
        }


def reason_of(error: str) -> str:
    """Our word for an error that the state machine caught by its name; anything unknown is internal."""
    if known := (_STATES | _TOLD_BY_CLASS).get(error):
        return known
    kind = getattr(errors, error, None)
    if isinstance(kind, type) and issubclass(kind, PorticoError) and kind is not errors.Defect:
        return kind.named()
    return "internal"
