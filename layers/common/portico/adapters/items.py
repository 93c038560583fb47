"""Dataclasses as DynamoDB items: strings, numbers, booleans and bytes; None is an absent attribute."""

from collections.abc import Mapping
from typing import Any

Item = dict[str, dict[str, Any]]


def value(content: str | float | bool | bytes) -> dict[str, Any]:
    """One attribute value."""
    match content:
        case bool():
            return {"BOOL": content}
        case str():
            return {"S": str(content)}
        case bytes():
            return {"B": content}
        case int() | float():
            return {"N": repr(content)}


def item(attributes: Mapping[str, str | float | bool | bytes | None]) -> Item:
    """An item without its absent attributes."""
    return {name: value(content) for name, content in attributes.items() if content is not None}


def plain(stored: Item) -> dict[str, Any]:
    """The attributes of an item; numbers come as int where they are whole."""
    return {name: _plain(attribute) for name, attribute in stored.items()}


def _plain(attribute: dict[str, Any]) -> Any:
    (kind, content), *_ = attribute.items()
    if kind == "N":
        number = float(content)
        return int(number) if number.is_integer() else number
    return content


def update(
    sets: Mapping[str, str | float | bool | bytes | None],
    condition: str,
    given: Mapping[str, str | float | bool | bytes],
) -> dict[str, Any]:
    """Arguments of UpdateItem: every attribute in `sets` is set, or removed when None, if `condition` holds.

    Attributes in the condition are written `#name`, values `:name` (from `given`).
    """
    put = {name: content for name, content in sets.items() if content is not None}
    gone = [name for name, content in sets.items() if content is None]
    parts = []
    if put:
        parts.append("SET " + ", ".join(f"#{name} = :set_{name}" for name in put))
    if gone:
        parts.append("REMOVE " + ", ".join(f"#{name}" for name in gone))
    named = set(sets) | names_in(condition)
    return {
        "UpdateExpression": " ".join(parts),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in sorted(named)},
        "ExpressionAttributeValues": {f":set_{n}": value(c) for n, c in put.items()}
        | {f":{n}": value(c) for n, c in given.items()},
    }


def names_in(expression: str) -> set[str]:
    """The attributes that an expression names with `#`."""
    return {
        word.lstrip("#").rstrip(",)") for word in expression.replace("(", " ").split() if word.startswith("#")
    }
