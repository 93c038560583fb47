"""Time that has passed: stored times are moved back, where waiting for them would take minutes or days."""

from typing import Any

from sandbox.world.world import World


def _set(world: World, table: str, key: dict[str, Any], **numbers: float) -> None:
    world.aws("dynamodb").update_item(
        TableName=world.stack.outputs[f"{table}TableName"],
        Key=key,
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in numbers),
        ConditionExpression="attribute_exists(#owner)",
        ExpressionAttributeNames={f"#{name}": name for name in (*numbers, "owner")},
        ExpressionAttributeValues={f":{name}": {"N": repr(value)} for name, value in numbers.items()},
    )


def stored(world: World, table: str, item_id: str) -> dict[str, Any] | None:
    """The item of a connection or retrieval."""
    found = world.aws("dynamodb").get_item(
        TableName=world.stack.outputs[f"{table}TableName"], Key={"id": {"S": item_id}}, ConsistentRead=True
    )
    item: dict[str, Any] | None = found.get("Item")
    return item


def attempt(world: World, connection_id: str, **numbers: float) -> None:
    """Times of a connection's newest attempt."""
    connection = stored(world, "Connections", connection_id)
    assert connection is not None
    _set(world, "Attempts", {"key": connection["attempt"]}, **numbers)


def connection(world: World, connection_id: str, **numbers: float) -> None:
    """Times of a connection."""
    _set(world, "Connections", {"id": {"S": connection_id}}, **numbers)


def retrieval(world: World, retrieval_id: str, **numbers: float) -> None:
    """Times of a retrieval."""
    _set(world, "Retrievals", {"id": {"S": retrieval_id}}, **numbers)
