"""The connections table: connections by id, found by owner through an index of keys only."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from portico.adapters import aws, items
from portico.adapters.attempts_table import AttemptsTable
from portico.attempt import Attempt, State
from portico.connection import Connection, ConnectionPage, Status
from portico.errors import Cancelled, Conflict, InvalidRequest, StorageUnavailable
from portico.exchange import Activation
from portico.ids import base64url, is_id
from portico.refresh import Failure, Renewal
from portico.rewrapping import Sealed, SealedPage

_UNFINISHED_KEPT_SECONDS = 30 * 86_400
# Items that one page of a sweep looks at: a second or two of KMS calls.
_SCANNED = 200
# How often what a throttled table left out of a batch is asked for again.
_ROUNDS = 5
# Nothing is in flight and nothing failed.
_SETTLED: Mapping[str, float] = {
    "lease_until": 0,
    "next_refresh_at": 0,
    "sent": 0,
    "failures": 0,
    "failing_since": 0,
}
_HELD = "#status = :active AND #generation = :generation AND #lease_until = :lease"


class ConnectionsTable:
    """Stores Connection. Every write is conditional; one to a deleted connection never recreates it."""

    def __init__(self, name: str, attempts: AttemptsTable) -> None:
        self.name, self._attempts = name, attempts

    # --- reading -----------------------------------------------------------------------------------

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently; what has not the form of an id costs no read."""
        if not is_id(connection_id):
            return None
        with aws.errors():
            found = aws.client("dynamodb").get_item(
                TableName=self.name, Key={"id": {"S": connection_id}}, ConsistentRead=True
            )
        return connection_of(found["Item"]) if "Item" in found else None

    def owned_by(self, owner: str, limit: int, cursor: str | None) -> ConnectionPage:
        """The owner's connections, newest first. Raises InvalidRequest for a bad cursor."""
        start = _start(owner, cursor) if cursor is not None else {}
        with aws.errors():
            page = aws.client("dynamodb").query(
                TableName=self.name,
                IndexName="by-owner",
                KeyConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":owner": {"S": owner}},
                ScanIndexForward=False,
                Limit=limit,
                **start,
            )
            ids = [row["id"]["S"] for row in page["Items"]]
            found = {c.id: c for c in self._batch(ids)} if ids else {}
        last = page.get("LastEvaluatedKey")
        more = base64url(json.dumps([last["createdAt"]["S"], last["id"]["S"]]).encode()) if last else None
        return ConnectionPage([found[i] for i in ids if i in found], more)

    def _batch(self, ids: list[str]) -> list[Connection]:
        wanted: Mapping[str, Any] = {
            self.name: {"Keys": [{"id": {"S": i}} for i in ids], "ConsistentRead": True}
        }
        found: list[Connection] = []
        for _ in range(_ROUNDS):
            answer = aws.client("dynamodb").batch_get_item(RequestItems=wanted)
            found += [connection_of(row) for row in answer["Responses"].get(self.name, [])]
            wanted = answer.get("UnprocessedKeys") or {}
            if not wanted:
                return found
        raise StorageUnavailable

    # --- connecting --------------------------------------------------------------------------------

    def start(
        self,
        connection: Connection,
        attempt: Attempt,
        superseded: Attempt | None,
        roll: Mapping[str, Any],
        now: float,
    ) -> None:
        """A new connection with its first attempt; an earlier attempt at the same portal ends. Raises Conflict."""
        created = {
            "TableName": self.name,
            "Item": item_of(connection) | items.item({"ttl": int(now) + _UNFINISHED_KEPT_SECONDS}),
            "ConditionExpression": "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#id": "id"},
        }
        aws.transact({"Put": created}, *self._beginnings(attempt, superseded, roll))

    def restart(
        self, connection: Connection, attempt: Attempt, superseded: Attempt | None, roll: Mapping[str, Any]
    ) -> None:
        """A further attempt for a connection that was authorized before. Raises Conflict."""
        pointed = self._update(
            connection.id,
            {"attempt": attempt.key},
            "#owner = :owner AND #status <> :pending",
            {"owner": connection.owner, "pending": Status.PENDING.value},
        )
        aws.transact({"Update": pointed}, *self._beginnings(attempt, superseded, roll))

    def _beginnings(
        self, attempt: Attempt, superseded: Attempt | None, roll: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        actions = [{"Put": self._attempts.creation(attempt)}, {"Put": dict(roll)}]
        if superseded is not None:
            actions += self._ending(superseded.connection_id, superseded, _superseded(superseded))
        return actions

    def close(self, connection: Connection, old: Attempt, new: Attempt) -> None:
        """Ends the attempt, and the connection with it if this was its first. Raises Conflict."""
        aws.transact(*self._ending(connection.id, old, new))

    def close_of(self, old: Attempt, new: Attempt) -> None:
        """As `close`, known by the attempt alone. Raises Conflict."""
        aws.transact(*self._ending(old.connection_id, old, new))

    def _ending(self, connection_id: str, old: Attempt, new: Attempt) -> list[dict[str, Any]]:
        actions = [{"Put": self._attempts.replacement(old, new)}]
        if not old.reconnect:
            closed = self._update(
                connection_id,
                {"status": Status.CLOSED.value, "reason": new.reason},
                "#status = :pending AND #attempt = :attempt",
                {"pending": Status.PENDING.value, "attempt": old.key},
            )
            actions.append({"Update": closed})
        return actions

    def activate(self, connection: Connection, activation: Activation, old: Attempt, new: Attempt) -> None:
        """Tokens and the attempt's end in one commit, on an unmoved generation. Raises Conflict."""
        stored = self._update(
            connection.id,
            {
                "status": activation.status.value,
                "tokens": activation.tokens,
                "generation": activation.generation,
                "authorized_at": activation.authorized_at,
                "token_expires_at": activation.token_expires_at,
                "token_lifetime": activation.token_lifetime,
                "refreshable": activation.refreshable,
                "refreshed_at": activation.authorized_at,
                **_SETTLED,
                "reason": activation.reason,
                "ttl": None,
            },
            "#attempt = :attempt AND #generation = :generation",
            {"attempt": old.key, "generation": connection.generation},
        )
        aws.transact({"Update": stored}, {"Put": self._attempts.replacement(old, new)})

    # --- refreshing --------------------------------------------------------------------------------

    def lease(self, connection: Connection, until: float, now: float) -> None:
        """Takes the refresh lease and counts the request about to be sent.

        Raises Conflict when it is held, the connection moved on, or it is too early.
        """
        self._write(
            connection.id,
            {"lease_until": until, "sent": connection.sent + 1},
            "#status = :active AND #generation = :generation AND #sent = :sent"
            " AND #lease_until <= :now AND #next_refresh_at <= :now",
            {
                "active": Status.ACTIVE.value,
                "generation": connection.generation,
                "sent": connection.sent,
                "now": now,
            },
        )

    def renew(self, connection_id: str, renewal: Renewal) -> None:
        """New tokens on the generation before, whoever holds the lease by now; a marked connection is active again.

        Raises Conflict.
        """
        self._write(
            connection_id,
            {
                "status": Status.ACTIVE.value,
                "reason": None,
                "tokens": renewal.tokens,
                "generation": renewal.generation,
                "refreshed_at": renewal.refreshed_at,
                "token_expires_at": renewal.token_expires_at,
                "token_lifetime": renewal.token_lifetime,
                "refreshable": renewal.refreshable,
                **_SETTLED,
            },
            "#generation = :generation AND (#status = :active OR #status = :marked)",
            {
                "generation": renewal.generation - 1,
                "active": Status.ACTIVE.value,
                "marked": Status.REAUTHORIZATION_REQUIRED.value,
            },
        )

    def release(self, connection: Connection, failure: Failure) -> None:
        """Gives the own lease back and keeps what was learned. Raises Conflict."""
        self._write(connection.id, {"lease_until": 0, **asdict(failure)}, _HELD, self._holding(connection))

    def require_reauthorization(self, connection: Connection) -> None:
        """Marks the connection, under the own lease and an unmoved generation; its tokens stay. Raises Conflict."""
        self._write(
            connection.id,
            {
                "status": Status.REAUTHORIZATION_REQUIRED.value,
                "reason": "portal_refused",
                "lease_until": 0,
            },
            _HELD,
            self._holding(connection),
        )

    # --- holding -----------------------------------------------------------------------------------

    def hold(self, connection: Connection, reason: str) -> None:
        """The connection answers no data route; on an unmoved generation. Raises Conflict."""
        self._write(
            connection.id,
            {"status": Status.HELD.value, "reason": reason, "lease_until": 0},
            "#generation = :generation AND attribute_exists(#tokens)",
            {"generation": connection.generation},
        )

    def lift_hold(self, connection: Connection) -> None:
        """A held connection is active, on an unmoved generation. Raises Conflict."""
        self._write(
            connection.id,
            {"status": Status.ACTIVE.value, "reason": None},
            "#status = :held AND #generation = :generation",
            {"held": Status.HELD.value, "generation": connection.generation},
        )

    # --- moving to another key ---------------------------------------------------------------------

    def sealed(self, after: str | None) -> SealedPage:
        """A page of all connections' tokens; `after` is an id that a page gave, or None for the first."""
        start = {"ExclusiveStartKey": {"id": {"S": after}}} if after is not None else {}
        with aws.errors():
            page = aws.client("dynamodb").scan(
                TableName=self.name,
                FilterExpression="attribute_exists(#tokens)",
                ProjectionExpression="#id, #generation, #tokens",
                ExpressionAttributeNames={"#id": "id", "#generation": "generation", "#tokens": "tokens"},
                ConsistentRead=True,
                Limit=_SCANNED,
                **start,
            )
        rows = [items.plain(row) for row in page["Items"]]
        last = page.get("LastEvaluatedKey")
        return SealedPage(
            [Sealed(row["id"], row["generation"], bytes(row["tokens"])) for row in rows],
            last["id"]["S"] if last else None,
        )

    def rewrap(self, before: Sealed, tokens: bytes) -> None:
        """Other bytes for the same tokens, if they are still the ones that were read. Raises Conflict."""
        self._write(
            before.connection_id,
            {"tokens": tokens},
            "#generation = :generation AND #tokens = :before",
            {"generation": before.generation, "before": before.tokens},
        )

    # --- the rest ----------------------------------------------------------------------------------

    def retrieved(self, connection_id: str, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of an Update that tells a connection of its last retrieval, if it still exists."""
        return self._update(
            connection_id, {"last_retrieval": json.dumps(dict(summary))}, "attribute_exists(#id)", {}
        )

    def delete(self, connection: Connection) -> None:
        """The connection is gone, tokens and all. Raises Cancelled when it was gone already."""
        try:
            with aws.errors():
                aws.client("dynamodb").delete_item(
                    TableName=self.name,
                    Key={"id": {"S": connection.id}},
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                    ExpressionAttributeValues={":owner": {"S": connection.owner}},
                )
        except Conflict:
            raise Cancelled from None

    def _holding(self, connection: Connection) -> dict[str, str | float]:
        return {
            "active": Status.ACTIVE.value,
            "generation": connection.generation,
            "lease": connection.lease_until,
        }

    def _update(
        self,
        connection_id: str,
        sets: Mapping[str, str | float | bool | bytes | None],
        condition: str,
        given: Mapping[str, str | float | bool | bytes],
    ) -> dict[str, Any]:
        arguments = items.update(sets, condition, given)
        if not arguments["ExpressionAttributeValues"]:
            del arguments["ExpressionAttributeValues"]
        return {"TableName": self.name, "Key": {"id": {"S": connection_id}}} | arguments

    def _write(
        self,
        connection_id: str,
        sets: Mapping[str, str | float | bool | bytes | None],
        condition: str,
        given: Mapping[str, str | float | bool | bytes],
    ) -> None:
        with aws.errors():
            aws.client("dynamodb").update_item(**self._update(connection_id, sets, condition, given))


def item_of(connection: Connection) -> items.Item:
    """The connection as an item."""
    return items.item(
        {
            "id": connection.id,
            "owner": connection.owner,
            "createdAt": f"{connection.created_at:017.6f}",
            "portal_id": connection.portal_id,
            "portal": json.dumps(dict(connection.portal)),
            "status": connection.status.value,
            "attempt": connection.attempt,
            "pending_until": connection.pending_until,
            "reason": connection.reason,
            "authorized_at": connection.authorized_at,
            "token_expires_at": connection.token_expires_at,
            "token_lifetime": connection.token_lifetime,
            "refreshable": connection.refreshable,
            "generation": connection.generation,
            "tokens": connection.tokens,
            "lease_until": connection.lease_until,
            "next_refresh_at": connection.next_refresh_at,
            "refreshed_at": connection.refreshed_at,
            "sent": connection.sent,
            "failures": connection.failures,
            "failing_since": connection.failing_since,
            "last_retrieval": json.dumps(connection.last_retrieval) if connection.last_retrieval else None,
        }
    )


def connection_of(stored: items.Item) -> Connection:
    """The connection of an item."""
    kept = items.plain(stored)
    last = kept.get("last_retrieval")
    return Connection(
        id=kept["id"],
        owner=kept["owner"],
        created_at=float(kept["createdAt"]),
        portal_id=kept["portal_id"],
        portal=json.loads(kept["portal"]),
        status=Status(kept["status"]),
        attempt=kept.get("attempt"),
        pending_until=kept.get("pending_until", 0),
        reason=kept.get("reason"),
        authorized_at=kept.get("authorized_at"),
        token_expires_at=kept.get("token_expires_at"),
        token_lifetime=kept.get("token_lifetime"),
        refreshable=kept.get("refreshable", False),
        generation=kept.get("generation", 0),
        tokens=bytes(kept["tokens"]) if "tokens" in kept else None,
        lease_until=kept.get("lease_until", 0),
        next_refresh_at=kept.get("next_refresh_at", 0),
        refreshed_at=kept.get("refreshed_at", 0),
        sent=kept.get("sent", 0),
        failures=kept.get("failures", 0),
        failing_since=kept.get("failing_since", 0),
        last_retrieval=json.loads(last) if last else None,
    )


def _superseded(attempt: Attempt) -> Attempt:
    return attempt.over(State.SUPERSEDED, "superseded")


def _start(owner: str, cursor: str) -> dict[str, Any]:
    try:
        created_at, connection_id = json.loads(urlsafe_b64decode(cursor[:512] + "=" * (-len(cursor) % 4)))
        if not is_id(connection_id) or f"{float(created_at):017.6f}" != created_at:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise InvalidRequest("cursor", "must be a cursor that a previous page gave") from None
    key = {"owner": {"S": owner}, "createdAt": {"S": created_at}, "id": {"S": connection_id}}
    return {"ExclusiveStartKey": key}
