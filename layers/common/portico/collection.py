"""Collecting a result while it arrives: resources into a sink by FHIR type, and a verdict on the whole.

Completion is recognised positively: an answer without resources counts as ready only when it says so.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from portico import ledger as ledger_
from portico.envelope import Envelope, Payload
from portico.errors import ResultMalformed
from portico.json_text import Flaw
from portico.ledger import Entry
from portico.records_request import RecordsRequest
from portico.resource import category_of
from portico.retrieval import FHIR_VERSIONS
from portico.splitter import Splitter
from portico.vendor import VendorError, errors_of


class Sink(Protocol):
    """Where resources go, one line each."""

    def write(self, type_: str, line: bytes) -> None:
        """Appends a line to what is kept of that FHIR type. Raises StorageUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """A result taken apart. `types` and `categories` are exact counts."""

    envelope: Envelope
    types: Mapping[str, int]
    categories: Mapping[str, int]
    errors: Sequence[VendorError]

    @property
    def pending(self) -> bool:
        """The vendor says, or leaves open, that there is no result yet."""
        if self.types or self.envelope.payload is Payload.PRESENT or self.envelope.skipped:
            return False
        if any(error.not_yet for error in self.errors):
            return True
        if self.refused:
            return False
        return not (self.envelope.fhir_version or self.envelope.content_type)

    @property
    def refused(self) -> bool:
        """The outcome is an error and nothing else."""
        return not self.types and any(not error.harmless for error in self.errors)

    def ledger(self, request: RecordsRequest) -> list[Entry]:
        """What became of every resource asked for."""
        skipped = Counter(resource.type for resource in self.envelope.skipped)
        return ledger_.ledger(request, self.types, self.categories, self.errors, skipped)

    def remarks(self) -> Iterable[bytes]:
        """OperationOutcome lines for everything that makes the result less than whole."""
        yield from (ledger_.outcome_of(error) for error in self.errors)
        for resource in self.envelope.skipped:
            yield ledger_.note(
                "too-long", f"A {resource.type} of {resource.size} bytes was too large to keep"
            )
        if self.envelope.next_link:
            yield ledger_.note("incomplete", "The result named a next page that only the vendor can follow")
        if (self.envelope.fhir_version or "") not in FHIR_VERSIONS:
            yield ledger_.note("not-supported", "The result is not FHIR R4; it is kept as it came")


def collect(chunks: Iterable[bytes], sink: Sink) -> Collected:
    """Reads a result to its end. Raises ResultMalformed, and what the chunks and the sink raise.

    Whatever was written before an error is for the caller to discard.
    """
    splitter = Splitter(chunks)
    types: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    for type_, raw in splitter:
        types[type_] += 1
        if type_ == "Observation" and (category := category_of(raw)):
            categories[category] += 1
        sink.write(type_, raw)
    envelope = splitter.envelope
    return Collected(envelope, types, categories, _errors(envelope))


def _errors(envelope: Envelope) -> Sequence[VendorError]:
    try:
        if envelope.error_data is not None:
            return errors_of({"errorData": json.loads(envelope.error_data)})
        return errors_of(json.loads(envelope.other)) if envelope.other is not None else []
    except (ValueError, RecursionError):  # such as a number of more digits than Python reads
        raise ResultMalformed(Flaw.NOT_JSON) from None
