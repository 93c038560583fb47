"""The retrievals table: retrievals by id, found by connection through an index, and which filter runs."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from portico import retrieval as retrieval_
from portico.adapters import aws, items
from portico.adapters.connections_table import ConnectionsTable
from portico.errors import Cancelled, Conflict
from portico.instants import Clock
from portico.ledger import Entry
from portico.records_request import RecordsRequest
from portico.retrieval import File, Result, Retrieval, Status


class RetrievalsTable:
    """Stores Retrieval. Only a running retrieval is written to; `retention` seconds is how long results last."""

    def __init__(self, name: str, connections: ConnectionsTable, clock: Clock, retention: float) -> None:
        self.name, self._connections, self._clock, self._retention = name, connections, clock, retention

    def get(self, retrieval_id: str) -> Retrieval | None:
        """The retrieval, read consistently."""
        with aws.errors():
            found = aws.client("dynamodb").get_item(
                TableName=self.name, Key={"id": {"S": retrieval_id}}, ConsistentRead=True
            )
        return retrieval_of(found["Item"]) if "Item" in found else None

    def of_connection(self, connection_id: str) -> Sequence[str]:
        """The ids of all retrievals of a connection."""
        with aws.errors():
            pages = (
                aws.client("dynamodb")
                .get_paginator("query")
                .paginate(
                    TableName=self.name,
                    IndexName="by-connection",
                    KeyConditionExpression="#connectionId = :connection",
                    ExpressionAttributeNames={"#connectionId": "connectionId"},
                    ExpressionAttributeValues={":connection": {"S": connection_id}},
                )
            )
            return [row["id"]["S"] for page in pages for row in page["Items"]]

    def start(self, retrieval: Retrieval) -> Retrieval:
        """Stores a new retrieval, unless one with the same connection and filter runs: then that one.

        Raises Conflict when others start the same again and again.
        """
        for _ in range(3):
            lock = _lock(retrieval)
            with aws.errors():
                held = aws.client("dynamodb").get_item(
                    TableName=self.name, Key={"id": {"S": lock}}, ConsistentRead=True
                )
            before = items.plain(held["Item"])["retrieval"] if "Item" in held else None
            running = self.get(before) if before else None
            if running and running.status is Status.RUNNING and not running.lost(self._clock()):
                return running
            try:
                self._create(retrieval, lock, before)
            except Conflict:
                continue
            return retrieval
        raise Conflict

    def _create(self, retrieval: Retrieval, lock: str, before: str | None) -> None:
        ttl = int(retrieval.created_at + self._retention) + retrieval_.TOMBSTONE_SECONDS
        put = {
            "TableName": self.name,
            "Item": item_of(retrieval) | items.item({"ttl": ttl}),
            "ConditionExpression": "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#id": "id"},
        }
        locked: dict[str, Any] = {
            "TableName": self.name,
            "Item": items.item({"id": lock, "retrieval": retrieval.id, "ttl": ttl}),
            "ConditionExpression": "#retrieval = :before" if before else "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#retrieval": "retrieval"} if before else {"#id": "id"},
        }
        if before:
            locked["ExpressionAttributeValues"] = {":before": {"S": before}}
        aws.transact({"Put": put}, {"Put": locked})

    def store_completed(self, retrieval: Retrieval) -> None:
        """Stores a retrieval that never ran, its result is there from the start, and tells the connection in the
        same commit. Raises Cancelled when that is gone."""
        ttl = int(retrieval.created_at + self._retention) + retrieval_.TOMBSTONE_SECONDS
        put = {
            "TableName": self.name,
            "Item": item_of(retrieval) | items.item({"ttl": ttl}),
            "ConditionExpression": "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#id": "id"},
        }
        finished_at = retrieval.result.finished_at if retrieval.result else retrieval.created_at
        told = retrieval.summary(finished_at)
        try:
            aws.transact({"Put": put}, {"Update": self._connections.retrieved(retrieval.connection_id, told)})
        except Conflict:
            raise Cancelled from None

    def submitted(self, retrieval: Retrieval, transaction: bytes, now: float) -> None:
        """Keeps the vendor's transaction. Raises Cancelled."""
        self._write(
            retrieval,
            {
                "transaction": transaction,
                "submitted_at": now,
                "ready": False,
                "token_refused": False,
                "polls": 0,
            },
        )

    def polled(self, retrieval: Retrieval) -> None:
        """Keeps the counts of a poll. Raises Cancelled."""
        counts = {"polls": retrieval.polls, "troubles": retrieval.troubles, "ready": retrieval.ready}
        self._write(retrieval, counts)

    def restart(self, retrieval: Retrieval) -> None:
        """Forgets the transaction, to be begun anew. Raises Cancelled."""
        self._write(
            retrieval,
            {
                "transaction": None,
                "restarts": retrieval.restarts + 1,
                "troubles": 0,
                "token_refused": retrieval.token_refused,
            },
        )

    def complete(self, retrieval: Retrieval, result: Result) -> None:
        """Keeps the result and tells the connection in one commit. Raises Cancelled when either is gone."""
        self._end(
            retrieval,
            {
                "status": Status.COMPLETED.value,
                "result": _result_text(result),
                "transaction": None,
                "expires_at": result.finished_at + self._retention,
            },
            Status.COMPLETED,
            result.finished_at,
        )

    def fail(self, retrieval: Retrieval, reason: str, now: float) -> None:
        """Keeps the reason and tells the connection in one commit. Raises Cancelled when either is gone."""
        self._end(
            retrieval,
            {
                "status": Status.FAILED.value,
                "reason": reason,
                "transaction": None,
                "expires_at": now + self._retention,
            },
            Status.FAILED,
            now,
        )

    def cancel(self, retrieval: Retrieval) -> None:
        """A running one can no longer complete; whoever works on it finds out at its next write."""
        with suppress(Cancelled):
            self._write(
                retrieval, {"status": Status.FAILED.value, "reason": "cancelled", "transaction": None}
            )

    def delete(self, retrieval: Retrieval) -> None:
        """Gone, with the lock if it holds that; a function that still works on it finds out at its next write."""
        with suppress(Conflict), aws.errors():
            aws.client("dynamodb").delete_item(
                TableName=self.name,
                Key={"id": {"S": _lock(retrieval)}},
                ConditionExpression="#retrieval = :id",
                ExpressionAttributeNames={"#retrieval": "retrieval"},
                ExpressionAttributeValues={":id": {"S": retrieval.id}},
            )
        with aws.errors():
            aws.client("dynamodb").delete_item(TableName=self.name, Key={"id": {"S": retrieval.id}})

    def _end(
        self,
        retrieval: Retrieval,
        sets: Mapping[str, str | float | bool | bytes | None],
        status: Status,
        now: float,
    ) -> None:
        told = replace(retrieval, status=status).summary(now)
        try:
            aws.transact(
                {"Update": self._update(retrieval, sets)},
                {"Update": self._connections.retrieved(retrieval.connection_id, told)},
            )
        except Conflict:
            raise Cancelled from None

    def _write(self, retrieval: Retrieval, sets: Mapping[str, str | float | bool | bytes | None]) -> None:
        try:
            with aws.errors():
                aws.client("dynamodb").update_item(**self._update(retrieval, sets))
        except Conflict:
            raise Cancelled from None

    def _update(
        self, retrieval: Retrieval, sets: Mapping[str, str | float | bool | bytes | None]
    ) -> dict[str, Any]:
        running = {"running": Status.RUNNING.value}
        return {"TableName": self.name, "Key": {"id": {"S": retrieval.id}}} | items.update(
            sets, "#status = :running", running
        )


def item_of(retrieval: Retrieval) -> items.Item:
    """The retrieval as an item."""
    return items.item(
        {
            "id": retrieval.id,
            "connectionId": retrieval.connection_id,
            "owner": retrieval.owner,
            "request": retrieval.request.as_json(),
            "created_at": retrieval.created_at,
            "prefix": retrieval.prefix,
            "status": retrieval.status.value,
            "transaction": retrieval.transaction,
            "submitted_at": retrieval.submitted_at,
            "polls": retrieval.polls,
            "troubles": retrieval.troubles,
            "restarts": retrieval.restarts,
            "ready": retrieval.ready,
            "token_refused": retrieval.token_refused,
            "reason": retrieval.reason,
            "result": _result_text(retrieval.result) if retrieval.result else None,
            "expires_at": retrieval.expires_at,
        }
    )


def retrieval_of(stored: items.Item) -> Retrieval:
    """The retrieval of an item."""
    kept = items.plain(stored)
    return Retrieval(
        id=kept["id"],
        connection_id=kept["connectionId"],
        owner=kept["owner"],
        request=RecordsRequest.from_json(kept["request"]),
        created_at=kept["created_at"],
        prefix=kept["prefix"],
        status=Status(kept["status"]),
        transaction=bytes(kept["transaction"]) if "transaction" in kept else None,
        submitted_at=kept.get("submitted_at", 0),
        polls=kept.get("polls", 0),
        troubles=kept.get("troubles", 0),
        restarts=kept.get("restarts", 0),
        ready=kept.get("ready", False),
        token_refused=kept.get("token_refused", False),
        reason=kept.get("reason"),
        result=_result_of(kept["result"]) if "result" in kept else None,
        expires_at=kept.get("expires_at", 0),
    )


def _lock(retrieval: Retrieval) -> str:
    return f"running.{retrieval.connection_id}.{retrieval.request.fingerprint}"


def _result_text(result: Result) -> str:
    return json.dumps(asdict(result))


def _result_of(text: str) -> Result:
    kept = json.loads(text)
    return Result(
        files=[File(**file) for file in kept["files"]],
        ledger=[Entry(**entry) for entry in kept["ledger"]],
        fhir_version=kept["fhir_version"],
        finished_at=kept["finished_at"],
    )
