"""The three tables as the functions have them, with a clock that the test holds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

from portico.adapters import attempts_table, connections_table
from portico.adapters.attempts_table import AttemptsTable
from portico.adapters.connections_table import ConnectionsTable
from portico.adapters.retrievals_table import RetrievalsTable
from portico.attempt import Attempt
from portico.connection import Connection
from portico.errors import Conflict
from tests.backends import Backend
from tests.samples import NOW

RETENTION = 7 * 86_400.0


@dataclass
class HeldClock:
    """A clock that moves only when it is told to."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Whoever waits by this clock moves it on."""
        self.now += seconds


@dataclass
class Stores:
    """The tables of one stand-in for AWS."""

    backend: Backend
    clock: HeldClock = field(default_factory=HeldClock)

    def __post_init__(self) -> None:
        self.attempts = AttemptsTable(self.backend.attempts, self.clock)
        self.connections = ConnectionsTable(self.backend.connections, self.attempts)
        self.retrievals = RetrievalsTable(self.backend.retrievals, self.connections, self.clock, RETENTION)

    def started(self, connection: Connection, attempt: Attempt, superseded: Attempt | None = None) -> None:
        """The connection with its first attempt, as `start_connection` stores them."""
        known, revision = self.attempts.open_of(connection.owner)
        keys = [one.key for one in known if superseded is None or one.key != superseded.key]
        roll = self.attempts.roll_call(connection.owner, [*keys, attempt.key], revision, attempt.expires_at)
        self.connections.start(connection, attempt, superseded, roll, NOW)

    def put(self, connection: Connection) -> Connection:
        """A connection in whatever state, as if it had come so far."""
        item = connections_table.item_of(connection)
        self.backend.client("dynamodb").put_item(TableName=self.backend.connections, Item=item)
        return connection

    def put_attempt(self, attempt: Attempt) -> Attempt:
        """An attempt in whatever state."""
        item = attempts_table.item_of(attempt)
        self.backend.client("dynamodb").put_item(TableName=self.backend.attempts, Item=item)
        return attempt

    def forget_retrieval(self, retrieval_id: str) -> None:
        """No retrieval of that id is left from another test."""
        key = {"id": {"S": retrieval_id}}
        self.backend.client("dynamodb").delete_item(TableName=self.backend.retrievals, Key=key)

    def attribute(self, table: str, key: tuple[str, str], name: str) -> str | None:
        """One attribute of an item as DynamoDB holds it."""
        found = self.backend.client("dynamodb").get_item(TableName=table, Key={key[0]: {"S": key[1]}})
        return next(iter(found["Item"][name].values())) if name in found["Item"] else None


def at_once(workers: int, call: Callable[[int], object]) -> list[object]:
    """What comes of `call(0)`, `call(1)`, ... made at the same moment; a Conflict is an outcome."""
    barrier = Barrier(workers)

    def one(number: int) -> object:
        barrier.wait()
        try:
            return call(number)
        except Conflict as conflict:
            return conflict

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(workers)))
