"""Instants: epoch seconds inside, RFC 3339 UTC outside."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]


def rfc3339(seconds: float) -> str:
    """`2026-11-24T09:30:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def rfc3339_millis(seconds: float) -> str:
    """`2026-11-24T09:30:00.123Z`, as the vendor's params want it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> float:
    """Epoch seconds of an RFC 3339 date-time with a zone; ValueError for anything else."""
    if "T" not in text.upper():
        raise ValueError("not a date-time")
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("no time zone")
    return instant.timestamp()
