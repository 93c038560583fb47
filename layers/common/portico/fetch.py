"""Fetching records at once (vendor guide, "Retrieving FHIR Resources"): a Bundle, or a file when it is large."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from portico.collection import Collected, collect
from portico.connection import Connection
from portico.errors import PortalRejected, PortalUnusable, RetrievalFailed
from portico.records_request import RecordsRequest
from portico.refresh import Refresher
from portico.tokens import Tokens
from portico.vendor import Stream, refusal

# Lambda carries 6 MB of JSON-encoded answer, in which a quote takes two bytes and a letter beyond ASCII six.
LARGEST_INLINE = 3_000_000
_HEAD = b'{"resourceType":"Bundle","type":"collection","entry":['
_TAIL = b"]}"


class Integrator(Protocol):
    """The vendor's synchronous query."""

    def records(
        self, portal_id: str, tokens: Tokens, request: RecordsRequest
    ) -> AbstractContextManager[Stream]:
        """The answer as it arrives. Raises PortalUnreachable, PortalUnclear, PortalTimeout."""
        ...


class Spill(Protocol):
    """A file that takes what is too large to answer with."""

    def write(self, data: bytes) -> None:
        """Appends. Raises StorageUnavailable."""
        ...

    def close(self) -> None:
        """Everything written is durable."""
        ...

    def abort(self) -> None:
        """Nothing of it remains."""
        ...


@dataclass(slots=True)
class BundleWriter:
    """Writes a collection Bundle of resources as they came, in memory up to a size, beyond it into a spill."""

    spill: Callable[[], Spill]
    largest: int = LARGEST_INLINE
    _parts: list[bytes] = field(default_factory=lambda: [_HEAD])
    _size: int = len(_HEAD)
    _entries: int = 0
    _file: Spill | None = None

    def write(self, type_: str, line: bytes) -> None:  # noqa: ARG002 - a Sink
        """A resource, as an entry."""
        entry = (b"," if self._entries else b"") + b'{"resource":' + line + b"}"
        self._entries += 1
        if self._file is not None:
            self._file.write(entry)
            return
        self._parts.append(entry)
        self._size += len(entry)
        if self._size > self.largest:
            self._file = self.spill()
            self._file.write(b"".join(self._parts))
            self._parts.clear()

    def finish(self) -> bytes | None:
        """The Bundle, or None when it is in the spill."""
        if self._file is None:
            return b"".join([*self._parts, _TAIL])
        self._file.write(_TAIL)
        self._file.close()
        return None

    def discard(self) -> None:
        """Nothing remains."""
        if self._file is not None:
            self._file.abort()


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches over the given refresher and vendor."""

    refresher: Refresher
    integrator: Integrator

    def fetch(
        self, connection_id: str, request: RecordsRequest, writer: Callable[[], BundleWriter]
    ) -> bytes | None:
        """The Bundle's bytes, or None when it went into the writer's spill.

        A writer is made for each try. Raises as Refresher.using does, and PortalRejected, PortalUnusable,
        RetrievalFailed, ResultMalformed.
        """

        def once(connection: Connection, tokens: Tokens) -> bytes | None:
            bundle = writer()
            try:
                collected = self._read(connection, tokens, request, bundle)
                for line in collected.remarks():
                    bundle.write("OperationOutcome", line)
                return bundle.finish()
            except BaseException:
                bundle.discard()
                raise

        return self.refresher.using(connection_id, once)

    def _read(
        self, connection: Connection, tokens: Tokens, request: RecordsRequest, writer: BundleWriter
    ) -> Collected:
        with self.integrator.records(connection.portal_id, tokens, request) as answer:
            if not 200 <= answer.status < 300:
                raise refusal(answer.whole())
            collected = collect(answer.chunks, writer)
        if collected.refused:
            statuses = [error.status for error in collected.errors if error.status]
            if 401 in statuses:
                raise PortalRejected(401)
            raise RetrievalFailed("vendor_error")
        if collected.pending:
            # No error, no payload, no word that there is none: not to be told as an empty chart.
            raise PortalUnusable
        return collected
