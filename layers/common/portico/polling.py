"""Polling for an asynchronous result and taking it in (vendor guide, "Asynchronous FHIR Queries", step 2).

The vendor says nowhere how "not yet" looks, keeps a result for two hours, and may answer with an error that
is the result. So: anything that is not positively a result or a final error is waited on until the deadline,
a result is stored durably the first time that it is seen, and trouble is counted before it is believed.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Protocol

from portico import retrieval as retrieval_
from portico import sealing
from portico.collection import Collected, Sink, collect
from portico.errors import (
    Cancelled,
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    ResultExpired,
    ResultMalformed,
    RetrievalFailed,
    RetrievalOverdue,
    Retryable,
)
from portico.instants import Clock
from portico.retrieval import File, Result, Retrieval, Status
from portico.sealing import Sealer
from portico.submission import running, stopped
from portico.vendor import Stream, refusal, retry_after

MOST_UNUSABLE = 3
MOST_UNCLEAR = 5
MOST_RESTARTS = 1
_NOT_YET = frozenset({202, 204, 409, 425})


class Retrievals(Protocol):
    """The retrievals table, as far as polling goes. Writes raise Cancelled when it no longer runs."""

    def get(self, retrieval_id: str) -> Retrieval | None:
        """The retrieval, read consistently."""
        ...

    def polled(self, retrieval: Retrieval) -> None:
        """Keeps the counts of a poll without result."""
        ...

    def restart(self, retrieval: Retrieval) -> None:
        """Forgets the transaction, to be begun anew."""
        ...

    def complete(self, retrieval: Retrieval, result: Result) -> None:
        """Keeps the result, and tells the connection, in one commit."""
        ...


class Files(Sink, Protocol):
    """The files of one retrieval while they are written."""

    def finish(self) -> Sequence[File]:
        """Everything written is durable. Raises StorageUnavailable."""
        ...

    def discard(self) -> None:
        """Nothing of what was written remains."""
        ...


class Integrator(Protocol):
    """The vendor's result cache."""

    def result(self, transaction_id: str) -> AbstractContextManager[Stream]:
        """The answer to one poll. Raises PortalUnreachable, PortalUnclear."""
        ...


class _NotYet(Exception):
    """No result yet; the vendor may have said when to ask again."""

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__()
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls over the given store, vendor and clock; `files` opens the sink under a retrieval's prefix."""

    retrievals: Retrievals
    integrator: Integrator
    sealer: Sealer
    files: Callable[[str], Files]
    clock: Clock
    first_wait: float

    def poll(self, retrieval_id: str) -> dict[str, Any]:
        """What the workflow goes on with: ids, and `status` running (with `wait`), restart, completed (with
        `counts`) or stopped.

        Raises RetrievalOverdue, RetrievalFailed, ResultMalformed, ResultExpired for good; StorageUnavailable
        to be called again.
        """
        retrieval = self.retrievals.get(retrieval_id)
        if retrieval is None or retrieval.status is Status.FAILED:
            return stopped(retrieval_id)
        if retrieval.result is not None:
            return _completed(retrieval, retrieval.result)
        if retrieval.transaction is None:
            return _restart(retrieval)
        try:
            return self._look(retrieval, retrieval.transaction)
        except Cancelled:
            return stopped(retrieval_id)

    def _look(self, retrieval: Retrieval, transaction: bytes) -> dict[str, Any]:
        place = sealing.transaction_of(retrieval.id)
        ids: list[str] = json.loads(self.sealer.open(place, transaction))
        arrival = _Arrival()
        try:
            return self._take(retrieval, ids, arrival)
        except _NotYet as not_yet:
            return self._again(replace(retrieval, troubles=0), not_yet.retry_after)
        except (PortalUnreachable, PortalBusy) as error:
            return self._again(retrieval, error.retry_after if isinstance(error, PortalBusy) else None)
        except _PatientTokenRefused:
            return self._begin_anew(replace(retrieval, token_refused=True), PortalRejected(401))
        except (PortalUnclear, PortalUnusable, ResultMalformed, PortalRejected) as error:
            most = MOST_UNCLEAR if isinstance(error, Retryable) else MOST_UNUSABLE
            if retrieval.troubles + 1 >= most:
                raise RetrievalFailed("vendor_error") if isinstance(error, Retryable) else error from None
            troubled = replace(
                retrieval, troubles=retrieval.troubles + 1, ready=retrieval.ready or arrival.begun
            )
            return self._again(troubled, None)

    def _take(self, retrieval: Retrieval, ids: Sequence[str], arrival: "_Arrival") -> dict[str, Any]:
        """Each of the transaction's ids in turn, until one has an answer."""
        without: list[Exception] = []
        for transaction_id in ids:
            sink = self.files(retrieval.prefix)
            try:
                collected = self._read(transaction_id, arrival.into(sink), retrieval.ready)
                result = self._keep(retrieval, collected, sink)
            except (_NotYet, PortalRejected, ResultExpired) as nothing:
                sink.discard()
                without.append(nothing)
                continue
            except BaseException:
                sink.discard()
                raise
            return self._complete(retrieval, result, sink)
        return self._nothing_yet(retrieval, without)

    def _nothing_yet(self, retrieval: Retrieval, without: Sequence[Exception]) -> dict[str, Any]:
        """No id has an answer: while one may still get it, that is waited for."""
        for kind in (_NotYet, PortalRejected):
            for error in without:
                if isinstance(error, kind):
                    raise error
        return self._begin_anew(retrieval, ResultExpired())

    def _read(self, transaction_id: str, sink: Sink, was_ready: bool) -> Collected:
        with self.integrator.result(transaction_id) as answer:
            if answer.status == 404 and was_ready:
                raise ResultExpired
            if answer.status in _NOT_YET or answer.status == 404:
                raise _NotYet(retry_after(answer.headers))
            if not 200 <= answer.status < 300:
                raise refusal(answer.whole())
            collected = collect(answer.chunks, sink)
        if collected.pending:
            raise _NotYet(retry_after(answer.headers))
        if collected.refused:
            if any(error.status == 401 for error in collected.errors):
                raise _PatientTokenRefused
            raise RetrievalFailed("vendor_error")
        return collected

    def _keep(self, retrieval: Retrieval, collected: Collected, sink: Files) -> Result:
        if not retrieval.ready:
            # From here on a missing result is an expired one, even if this function dies before the commit.
            self.retrievals.polled(replace(retrieval, ready=True))
        for line in collected.remarks():
            sink.write("OperationOutcome", line)
        return Result(
            files=sink.finish(),
            ledger=collected.ledger(retrieval.request),
            fhir_version=collected.envelope.fhir_version or "R4",
            finished_at=self.clock(),
        )

    def _complete(self, retrieval: Retrieval, result: Result, sink: Files) -> dict[str, Any]:
        try:
            self.retrievals.complete(retrieval, result)
        except Cancelled:
            sink.discard()
            raise
        # A commit whose outcome is unknown may have happened: its files stay, and the repeated task finds out.
        return _completed(retrieval, result)

    def _again(self, retrieval: Retrieval, asked: int | None) -> dict[str, Any]:
        left = retrieval.deadline() - self.clock()
        if left <= 0:
            raise RetrievalOverdue
        # The last look is at the deadline itself.
        wait = min(asked or retrieval_.wait_before(retrieval.polls + 1, self.first_wait), ceil(left))
        self.retrievals.polled(replace(retrieval, polls=retrieval.polls + 1))
        return running(retrieval, wait)

    def _begin_anew(self, retrieval: Retrieval, otherwise: Exception) -> dict[str, Any]:
        if retrieval.restarts >= MOST_RESTARTS:
            raise otherwise
        self.retrievals.restart(retrieval)
        return _restart(retrieval)


@dataclass(slots=True)
class _Arrival:
    """A sink that remembers whether anything came: a result that began to arrive had been ready."""

    begun: bool = False
    sink: Sink | None = None

    def into(self, sink: Sink) -> "_Arrival":
        self.sink = sink
        return self

    def write(self, type_: str, line: bytes) -> None:
        assert self.sink is not None
        self.begun = True
        self.sink.write(type_, line)


class _PatientTokenRefused(Exception):
    """The vendor tried with a patient token that the portal no longer takes."""


def _restart(retrieval: Retrieval) -> dict[str, Any]:
    return {"retrievalId": retrieval.id, "connectionId": retrieval.connection_id, "status": "restart"}


def _completed(retrieval: Retrieval, result: Result) -> dict[str, Any]:
    return {
        "retrievalId": retrieval.id,
        "connectionId": retrieval.connection_id,
        "status": "completed",
        "counts": result.counts,
    }
