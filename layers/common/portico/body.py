"""Request bodies read strictly: every field known, typed, given once. What is wrong is named, never echoed."""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from portico.errors import InvalidRequest

LARGEST_BODY = 64 * 1024


def fields_of(
    body: str | None, is_base64: bool, known: Mapping[str, type], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The JSON object of a request with exactly the `known` fields, each of its type.

    An absent body is an empty object. Raises InvalidRequest naming the field ("body" for the whole).
    """
    document = _decode(body or "", is_base64)
    if not isinstance(document, dict):
        raise InvalidRequest("body", "must be a JSON object")
    for name, value in document.items():
        if name not in known:
            raise InvalidRequest(_name(name), "is not a field of this request")
        if not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is not bool):
            raise InvalidRequest(name, f"must be {_NAMES[known[name]]}")
    for name in required:
        if name not in document:
            raise InvalidRequest(name, "is required")
    return document


_NAMES = {str: "a string", list: "an array", dict: "an object", bool: "true or false"}


def _decode(body: str, is_base64: bool) -> Any:
    try:
        data = b64decode(body, validate=True) if is_base64 else body.encode()
        if len(data) > LARGEST_BODY:
            raise InvalidRequest("body", "must be at most 64 KB")
        if not data.strip():
            return {}
        document = json.loads(data, object_pairs_hook=_once, parse_constant=_refuse)
        # An escaped half of a surrogate pair is no text: nothing could encode it (RFC 8259 section 8.2).
        json.dumps(document, ensure_ascii=False).encode()
        return document
    except (ValueError, RecursionError):
        raise InvalidRequest("body", "must be valid JSON") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(_name(name), "is given twice")
        found[name] = value
    return found


def _name(name: str) -> str:
    """A field's name is the caller's text: only a tame one is repeated."""
    return name if name.isascii() and name.isidentifier() and len(name) <= 40 else "body"


def _refuse(_: str) -> Any:
    raise ValueError
