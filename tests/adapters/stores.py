"""The three tables as the functions have them, with a clock that the test holds."""

from dataclasses import dataclass, field

from portico.adapters.attempts_table import AttemptsTable
from portico.adapters.connections_table import ConnectionsTable
from portico.adapters.retrievals_table import RetrievalsTable
from portico.attempt import Attempt
from portico.connection import Connection
from portico.errors import Conflict
from portico.retrieval import TOMBSTONE_SECONDS  # noqa: F401 - for the tests of time-to-live
from tests.backends import Backend
from tests.samples import NOW

RETENTION = 7 * 86_400.0


@dataclass
class HeldClock:
    """A clock that moves only when it is told to."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Stores:
    """The tables of one stand-in for AWS."""

    backend: Backend
    clock: HeldClock = field(default_factory=HeldClock)

    def __post_init__(self) -> None:
        self.attempts = AttemptsTable(self.backend.attempts, self.clock)
        self.connections = ConnectionsTable(self.backend.connections, self.attempts)
        self.retrievals = RetrievalsTable(
            self.backend.retrievals, self.connections, self.clock, RETENTION
        )

    def started(self, connection: Connection, attempt: Attempt, superseded: Attempt | None = None) -> None:
        """The connection with its first attempt, as `start_connection` stores them."""
        known, revision = self.attempts.open_of(connection.owner)
        keys = [a.key for a in known if a.key != (superseded and superseded.key)] + [attempt.key]
        roll = self.attempts.roll_call(connection.owner, keys, revision, attempt.expires_at)
        self.connections.start(connection, attempt, superseded, roll, NOW)

    def put(self, connection: Connection) -> Connection:
        """A connection in whatever state, as if it had come so far."""
        from portico.adapters.connections_table import item_of

        item = item_of(connection)
        self.backend.client("dynamodb").put_item(TableName=self.backend.connections, Item=item)
        return connection

    def put_attempt(self, attempt: Attempt) -> Attempt:
        """An attempt in whatever state."""
        from portico.adapters.attempts_table import item_of

        self.backend.client("dynamodb").put_item(TableName=self.backend.attempts, Item=item_of(attempt))
        return attempt

    def ttl(self, table: str, key: dict[str, str]) -> int | None:
        """When DynamoDB may drop an item."""
        ((name, value),) = key.items()
        found = self.backend.client("dynamodb").get_item(TableName=table, Key={name: {"S": value}})
        return int(found["Item"]["ttl"]["N"]) if "ttl" in found["Item"] else None


def refused(write: object, *arguments: object) -> bool:
    """Whether a conditional write was refused."""
    assert callable(write)
    try:
        write(*arguments)
    except Conflict:
        return True
    return False
