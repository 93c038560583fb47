"""The Prefer header (RFC 7240)."""

from collections.abc import Mapping


def respond_async(headers: Mapping[str, str] | None) -> bool:
    """Whether the client would rather be answered later."""
    given = next((value for name, value in (headers or {}).items() if name.lower() == "prefer"), "")
    return any(word.split(";")[0].strip().lower() == "respond-async" for word in given.split(","))
