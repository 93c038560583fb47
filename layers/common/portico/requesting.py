"""An app asks for records of one of its user's connections: at once, or later through the workflow."""

from dataclasses import dataclass
from typing import Protocol

from portico.connection import Connection, Status
from portico.errors import (
    Cancelled,
    ConnectionHeld,
    Gone,
    InvalidRequest,
    NotAuthorizedYet,
    NotFound,
    ReauthorizationRequired,
)
from portico.fetch import BundleWriter, Fetcher, Spill
from portico.ids import Random, base64url, new_id, same
from portico.instants import Clock
from portico.records_request import RecordsRequest
from portico.retrieval import FHIR_JSON, RESULTS, File, Result, Retrieval
from portico.retrieval import Status as RetrievalStatus

BUNDLE_FILE = "Bundle.json"


class Connections(Protocol):
    """The connections table."""

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently."""
        ...


class Retrievals(Protocol):
    """The retrievals table."""

    def start(self, retrieval: Retrieval) -> Retrieval:
        """Stores a new retrieval, unless one with the same connection and filter runs: then that one."""
        ...

    def store_completed(self, retrieval: Retrieval) -> None:
        """Stores a retrieval whose result is there already, and tells the connection. Raises Cancelled when
        that is gone."""
        ...


class Workflow(Protocol):
    """The retrieval workflow."""

    def start(self, retrieval_id: str) -> None:
        """Starts it, once. Raises StorageUnavailable."""
        ...


class Results(Protocol):
    """The results bucket."""

    def file(self, key: str, content_type: str) -> Spill:
        """A single file to be written."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records fetched at once: the Bundle, or the retrieval and file that it went into."""

    bundle: bytes | None
    retrieval_id: str = ""
    file: str = BUNDLE_FILE


@dataclass(frozen=True, slots=True)
class Requester:
    """Serves requests for records over the given stores, workflow and fetcher."""

    connections: Connections
    retrievals: Retrievals
    workflow: Workflow
    results: Results
    fetcher: Fetcher
    clock: Clock
    random: Random
    retention: float

    def later(self, connection_id: str, owner: str, request: RecordsRequest) -> Retrieval:
        """The retrieval that will bring the records: a running one for the same filter, or a new one.

        Raises NotFound, NotAuthorizedYet, ReauthorizationRequired, Gone, StorageUnavailable.
        """
        connection = self._usable(connection_id, owner)
        retrieval = self.retrievals.start(self._retrieval(connection, request))
        if not retrieval.submitted_at:
            # Also one that another request stored: whoever stored it may not have come to start it.
            self.workflow.start(retrieval.id)
        return retrieval

    def now(self, connection_id: str, owner: str, request: RecordsRequest) -> Fetched:
        """The records. Raises as `later`, InvalidRequest for params, and as Fetcher.fetch."""
        if request.params:
            # The vendor promises its time parameters for the asynchronous way alone.
            raise InvalidRequest("params", "needs Prefer: respond-async")
        connection = self._usable(connection_id, owner)
        retrieval = self._retrieval(connection, request)
        key = f"{retrieval.prefix}/{base64url(self.random(16))}"
        spilled: list[Spill] = []

        def spill() -> Spill:
            spilled.append(self.results.file(key, FHIR_JSON))
            return spilled[-1]

        bundle = self.fetcher.fetch(connection_id, request, lambda: BundleWriter(spill))
        if bundle is not None:
            return Fetched(bundle)
        try:
            self.retrievals.store_completed(self._stored(retrieval, key))
        except Cancelled:
            # Deleted while the portal answered: nothing of it may stay.
            spilled[-1].abort()
            raise NotFound from None
        return Fetched(None, retrieval.id)

    def _stored(self, retrieval: Retrieval, key: str) -> Retrieval:
        now = self.clock()
        return Retrieval(
            id=retrieval.id,
            connection_id=retrieval.connection_id,
            owner=retrieval.owner,
            request=retrieval.request,
            created_at=retrieval.created_at,
            prefix=retrieval.prefix,
            status=RetrievalStatus.COMPLETED,
            result=Result([File("Bundle", BUNDLE_FILE, key, 1)], [], "R4", now),
            expires_at=now + self.retention,
        )

    def _usable(self, connection_id: str, owner: str) -> Connection:
        connection = self.connections.get(connection_id)
        if connection is None or not same(connection.owner, owner):
            raise NotFound
        match connection.status_at(self.clock()):
            case Status.ACTIVE, _:
                return connection
            case Status.REAUTHORIZATION_REQUIRED, _:
                raise ReauthorizationRequired
            case Status.HELD, _:
                raise ConnectionHeld
            case Status.CLOSED, reason:
                raise Gone(reason or "closed")
            case _:
                raise NotAuthorizedYet

    def _retrieval(self, connection: Connection, request: RecordsRequest) -> Retrieval:
        return Retrieval(
            id=new_id(self.random),
            connection_id=connection.id,
            owner=connection.owner,
            request=request,
            created_at=self.clock(),
            prefix=f"{RESULTS}/{new_id(self.random)}",
        )
