"""Where sealed data belongs. A seal opens only in the place that it was made for."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Place:
    """Table, item, attribute and generation: encryption context of the data key and AAD of the data.

    `table` is the table's role (attempts, connections, retrievals), so that a restored copy still opens;
    `key` is random or a digest, so that it says nothing in KMS's own logs.
    """

    table: str
    key: str
    attribute: str
    generation: int = 0

    def context(self) -> dict[str, str]:
        """The KMS encryption context."""
        return {
            "table": self.table,
            "key": self.key,
            "attribute": self.attribute,
            "generation": str(self.generation),
        }


class Seal(Protocol):
    """A data key in hand: closes without any further call."""

    def close(self, plaintext: bytes) -> bytes:
        """The sealed bytes for the place that the seal was prepared for."""
        ...


class Sealer(Protocol):
    """Envelope encryption."""

    def prepare(self, place: Place) -> Seal:
        """Fetches a data key before anything is in flight. Raises StorageUnavailable."""
        ...

    def open(self, place: Place, sealed: bytes) -> bytes:
        """Raises SealBroken when the bytes are not what was closed for this place; StorageUnavailable."""
        ...


def tokens_of(connection_id: str, generation: int) -> Place:
    """The place of a connection's tokens."""
    return Place("connections", connection_id, "tokens", generation)


def verifier_of(attempt_key: str) -> Place:
    """The place of an attempt's PKCE verifier."""
    return Place("attempts", attempt_key, "verifier")


def code_of(attempt_key: str, ordinal: int) -> Place:
    """The place of an attempt's n-th authorization code."""
    return Place("attempts", attempt_key, "code", ordinal)


def transaction_of(retrieval_id: str) -> Place:
    """The place of a retrieval's vendor transaction ids."""
    return Place("retrievals", retrieval_id, "transaction")
