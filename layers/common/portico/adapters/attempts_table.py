"""The attempts table: connect attempts by the digest of their session, and who has which open."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from portico.adapters import aws, items
from portico.attempt import OPEN, Attempt, State
from portico.instants import Clock

# Kept for a while after it is over, so that a late exchange is told why.
_KEPT_SECONDS = 86_400


class AttemptsTable:
    """Stores Attempt. Every replacement is conditional on the revision that was read, and on not being expired."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self._clock = name, clock

    def get(self, key: str) -> Attempt | None:
        """The attempt, read consistently."""
        with aws.errors():
            found = aws.client("dynamodb").get_item(
                TableName=self.name, Key={"key": {"S": key}}, ConsistentRead=True
            )
        return attempt_of(found["Item"]) if "Item" in found else None

    def replace(self, old: Attempt, new: Attempt) -> None:
        """Stores `new` if the attempt is still as `old` was read. Raises Conflict."""
        with aws.errors():
            aws.client("dynamodb").put_item(**self.replacement(old, new))

    def replacement(self, old: Attempt, new: Attempt) -> dict[str, Any]:
        """`replace`, as arguments of a Put."""
        condition, given = "#revision = :revision", {":revision": items.value(old.revision)}
        names = {"#revision": "revision"}
        if new.state in OPEN and old.state is not State.EXCHANGING:
            condition += " AND #expires_at > :now"
            names["#expires_at"] = "expires_at"
            given[":now"] = items.value(self._clock())
        return {
            "TableName": self.name,
            "Item": item_of(new),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": given,
        }

    def creation(self, attempt: Attempt) -> dict[str, Any]:
        """Arguments of a Put for a new attempt."""
        return {
            "TableName": self.name,
            "Item": item_of(attempt),
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": "key"},
        }

    def open_of(self, owner: str) -> tuple[Sequence[Attempt], int]:
        """The owner's attempts that were last known to be open, and the revision of that list."""
        with aws.errors():
            found = aws.client("dynamodb").get_item(
                TableName=self.name, Key={"key": {"S": _roll(owner)}}, ConsistentRead=True
            )
            if "Item" not in found:
                return [], 0
            roll = items.plain(found["Item"])
            keys = json.loads(roll["attempts"])
            read = [self.get(key) for key in keys]
        return [attempt for attempt in read if attempt is not None], roll["revision"]

    def delete_all_of(self, owner: str) -> int:
        """Every attempt of the owner's is gone, open or over, and the list of open ones; how many there were.

        Whoever works on one finds out at its next write. A scan: attempts live for a day, and erasures are rare.
        """
        deleted = 0
        with aws.errors():
            dynamodb = aws.client("dynamodb")
            dynamodb.delete_item(TableName=self.name, Key={"key": {"S": _roll(owner)}})
            for page in dynamodb.get_paginator("scan").paginate(
                TableName=self.name,
                FilterExpression="#owner = :owner",
                ProjectionExpression="#key",
                ExpressionAttributeNames={"#owner": "owner", "#key": "key"},
                ExpressionAttributeValues={":owner": {"S": owner}},
                ConsistentRead=True,
            ):
                for row in page["Items"]:
                    dynamodb.delete_item(TableName=self.name, Key={"key": row["key"]})
                    deleted += 1
        return deleted

    def roll_call(self, owner: str, keys: Sequence[str], revision: int, expires_at: float) -> dict[str, Any]:
        """Arguments of a Put that replaces the owner's list of open attempts."""
        return {
            "TableName": self.name,
            "Item": items.item(
                {
                    "key": _roll(owner),
                    "attempts": json.dumps(list(keys)),
                    "revision": revision + 1,
                    "ttl": int(expires_at) + _KEPT_SECONDS,
                }
            ),
            "ConditionExpression": "attribute_not_exists(#key) OR #revision = :revision",
            "ExpressionAttributeNames": {"#key": "key", "#revision": "revision"},
            "ExpressionAttributeValues": {":revision": items.value(revision)},
        }


def _roll(owner: str) -> str:
    return f"owner.{owner}"


def item_of(attempt: Attempt) -> items.Item:
    """The attempt as an item."""
    return items.item(asdict(attempt) | {"ttl": int(attempt.expires_at) + _KEPT_SECONDS})


def attempt_of(stored: items.Item) -> Attempt:
    """The attempt of an item."""
    attributes = items.plain(stored)
    known = {field.name for field in fields(Attempt)}
    kept = {name: content for name, content in attributes.items() if name in known}
    return Attempt(**kept | {"state": State(kept["state"])})
