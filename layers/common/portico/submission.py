"""Starting an asynchronous retrieval at the vendor (vendor guide, "Asynchronous FHIR Queries", step 1)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from portico import retrieval as retrieval_
from portico import sealing
from portico.connection import Connection
from portico.errors import Cancelled, PortalRejected
from portico.instants import Clock
from portico.records_request import RecordsRequest
from portico.refresh import Refresher
from portico.retrieval import Retrieval, Status
from portico.sealing import Sealer
from portico.tokens import Tokens


class Retrievals(Protocol):
    """The retrievals table, as far as a submission goes."""

    def get(self, retrieval_id: str) -> Retrieval | None:
        """The retrieval, read consistently."""
        ...

    def submitted(self, retrieval: Retrieval, transaction: bytes, now: float) -> None:
        """Keeps the vendor's transaction. Raises Cancelled when the retrieval no longer runs."""
        ...


class Integrator(Protocol):
    """The vendor's asynchronous query."""

    def start(self, portal_id: str, tokens: Tokens, request: RecordsRequest) -> Sequence[str]:
        """The transaction's ids in the order to poll. Raises what the fault matrix names."""
        ...


@dataclass(frozen=True, slots=True)
class Submitter:
    """Begins retrievals. A lost reply is answered by beginning again: the newest transaction wins."""

    retrievals: Retrievals
    refresher: Refresher
    integrator: Integrator
    sealer: Sealer
    clock: Clock
    first_wait: float

    def begin(self, retrieval_id: str) -> dict[str, Any]:
        """What the workflow goes on with: ids, `status` and the seconds to wait.

        A repeated call for a retrieval that was submitted already submits nothing.
        """
        retrieval = self.retrievals.get(retrieval_id)
        if retrieval is None or retrieval.status is not Status.RUNNING:
            return stopped(retrieval_id)
        if retrieval.transaction is None:
            ids = self._start(retrieval)
            sealed = self.sealer.prepare(sealing.transaction_of(retrieval.id)).close(json.dumps(ids).encode())
            try:
                self.retrievals.submitted(retrieval, sealed, self.clock())
            except Cancelled:
                return stopped(retrieval_id)
        return running(retrieval, retrieval_.wait_before(0, self.first_wait))

    def _start(self, retrieval: Retrieval) -> Sequence[str]:
        refused = retrieval.token_refused

        def once(connection: Connection, tokens: Tokens) -> Sequence[str]:
            nonlocal refused
            if refused:
                # A refusal that came inside the result is answered as if it had come at once: by a refresh.
                refused = False
                raise PortalRejected(401)
            return self.integrator.start(connection.portal_id, tokens, retrieval.request)

        return self.refresher.using(retrieval.connection_id, once)


def running(retrieval: Retrieval, wait: int) -> dict[str, Any]:
    """The workflow's data while a retrieval runs."""
    return {
        "retrievalId": retrieval.id,
        "connectionId": retrieval.connection_id,
        "status": "running",
        "wait": wait,
    }


def stopped(retrieval_id: str) -> dict[str, Any]:
    """The workflow's data when nobody waits for this retrieval any more."""
    return {"retrievalId": retrieval_id, "status": "stopped"}
