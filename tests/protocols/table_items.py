"""The connections table's adapter in the place of the memory table: the same histories, over real expressions."""

import itertools
from dataclasses import replace

from portico.adapters import aws, connections_table
from portico.adapters.connections_table import ConnectionsTable
from portico.attempt import Attempt, State
from portico.connection import Connection
from portico.exchange import Activation
from portico.refresh import Failure, Renewal
from tests.backends import Backend
from tests.protocols.effects import START
from tests.protocols.items import CONNECTION

_numbers = itertools.count(1)


class TableItems:
    """One connection in DynamoDB, under a key of this history's own."""

    def __init__(self, backend: Backend) -> None:
        self._id = f"{CONNECTION[:14]}{next(_numbers):08d}"
        self._backend = backend
        from portico.adapters.attempts_table import AttemptsTable

        self._attempts = AttemptsTable(backend.attempts, lambda: START)
        self._table = ConnectionsTable(backend.connections, self._attempts)

    def put(self, connection: Connection) -> None:
        aws.client("dynamodb").put_item(
            TableName=self._backend.connections, Item=connections_table.item_of(self._own(connection))
        )

    def get(self, connection_id: str) -> Connection | None:
        found = self._table.get(self._id)
        return replace(found, id=CONNECTION) if found else None

    def lease(self, connection: Connection, until: float, now: float) -> None:
        self._table.lease(self._own(connection), until, now)

    def renew(self, connection_id: str, renewal: Renewal) -> None:
        self._table.renew(self._id, renewal)

    def release(self, connection: Connection, failure: Failure) -> None:
        self._table.release(self._own(connection), failure)

    def require_reauthorization(self, connection: Connection) -> None:
        self._table.require_reauthorization(self._own(connection))

    def restart(self, connection: Connection, attempt: str) -> None:
        known, revision = self._attempts.open_of(connection.owner)
        roll = self._attempts.roll_call(connection.owner, [a.key for a in known], revision, START)
        self._table.restart(self._own(connection), self._attempt(attempt), None, roll)

    def activate(self, connection: Connection, attempt: str, activation: Activation) -> None:
        begun = self._attempts.get(self._attempt(attempt).key) or self._attempt(attempt)
        done = begun.becomes(State.CONNECTED)
        self._table.activate(self._own(connection), activation, begun, done)

    def delete(self, connection: Connection) -> None:
        self._table.delete(self._own(connection))

    def _own(self, connection: Connection) -> Connection:
        return replace(connection, id=self._id)

    def _attempt(self, name: str) -> Attempt:
        return Attempt(
            key=f"{self._id}.{name}",
            connection_id=self._id,
            owner="0wner",
            portal_id="maple-ridge",
            return_url="https://app.example/connected",
            outbound="https://redirector.onerecord.com/outbound/?portalURL=https%3A%2F%2Flogin.example",
            reconnect=True,
            state=State.CREATED,
            created_at=START,
            expires_at=START + 600,
        )
