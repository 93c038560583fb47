"""A retrieval: one fetch of records over a connection, from the request to the files and their retention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from portico.errors import NotFound
from portico.ids import same
from portico.instants import rfc3339
from portico.ledger import Entry
from portico.records_request import RecordsRequest

DEADLINE_SECONDS = 3600
# From the deadline to the moment at which a retrieval that still runs is taken for dead.
GRACE_SECONDS = 1200
BACKOFF = 1.4
LONGEST_WAIT = 600
TOMBSTONE_SECONDS = 30 * 86_400
# The folder whose objects the bucket's retention rule deletes.
RESULTS = "results"
FHIR_NDJSON = "application/fhir+ndjson"
FHIR_JSON = "application/fhir+json"
FHIR_VERSIONS = ("", "R4", "4.0", "4.0.0", "4.0.1")


class Status(StrEnum):
    """`status` of a retrieval; a cancelled or deleted one is not kept."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class File:
    """A stored file: `name` is public, `key` is where it lies in the results bucket."""

    type: str
    name: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished retrieval holds."""

    files: Sequence[File]
    ledger: Sequence[Entry]
    fhir_version: str
    finished_at: float

    @property
    def counts(self) -> dict[str, int]:
        """Resources by FHIR type, for the event."""
        return {file.type: file.count for file in self.files}


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A retrieval as stored. `transaction` holds the vendor's ids under seal; `prefix` is random.

    `token_refused`: the last result only said that the patient's token was refused, so refresh before the next.
    """

    id: str
    connection_id: str
    owner: str
    request: RecordsRequest
    created_at: float
    prefix: str
    status: Status = Status.RUNNING
    transaction: bytes | None = None
    submitted_at: float = 0
    polls: int = 0
    troubles: int = 0
    restarts: int = 0
    ready: bool = False
    token_refused: bool = False
    reason: str | None = None
    result: Result | None = None
    expires_at: float = 0

    def owned_by(self, owner: str) -> "Retrieval":
        """Itself, or NotFound for anybody else."""
        if not same(self.owner, owner):
            raise NotFound
        return self

    def file(self, name: str) -> File:
        """The file with that public name. Raises NotFound."""
        found = next((f for f in self.result.files if f.name == name), None) if self.result else None
        if found is None:
            raise NotFound
        return found

    def deadline(self) -> float:
        """When the vendor must have had a result."""
        return (self.submitted_at or self.created_at) + DEADLINE_SECONDS

    def lost(self, now: float) -> bool:
        """Still running although its workflow must be over."""
        return self.status is Status.RUNNING and now > self.deadline() + GRACE_SECONDS

    def summary(self, finished_at: float) -> dict[str, Any]:
        """`lastRetrieval` of a connection."""
        return {"id": self.id, "status": self.status.value, "finishedAt": rfc3339(finished_at)}


def wait_before(poll: int, first: float) -> int:
    """Seconds to wait before the n-th poll (from 0): growing by 1.4, at most ten minutes.

    Keeps the delay of noticing in proportion to the job's own length with few billed calls.
    """
    return round(min(first * BACKOFF ** min(poll, 100), LONGEST_WAIT)) if first else min(poll, 5)


def manifest(retrieval: Retrieval, request_url: str, files_url: str) -> dict[str, Any]:
    """The manifest of a completed retrieval in the shape of FHIR Bulk Data Access, Complete Status.

    `error` is present even when empty: standard clients rely on it.
    """
    result = retrieval.result
    assert result is not None

    def shown(file: File) -> Mapping[str, Any]:
        return {"type": file.type, "url": f"{files_url}/{file.name}", "count": file.count}

    return {
        "transactionTime": rfc3339(retrieval.submitted_at or retrieval.created_at),
        "request": request_url,
        "requiresAccessToken": True,
        "output": [shown(file) for file in result.files if file.type != "OperationOutcome"],
        "error": [shown(file) for file in result.files if file.type == "OperationOutcome"],
        "extension": {
            "fhirVersion": result.fhir_version,
            "ledger": [entry.as_json() for entry in result.ledger],
        },
    }
