"""Instants: epoch seconds inside, RFC 3339 UTC outside."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]

# ISO 8601, which Python reads, knows many more spellings than RFC 3339.
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def rfc3339(seconds: float) -> str:
    """`2026-11-24T09:30:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def rfc3339_millis(seconds: float) -> str:
    """`2026-11-24T09:30:00.123Z`, as the vendor's params want it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> float:
    """Epoch seconds of an RFC 3339 date-time with a zone, within the years that UTC can tell; else ValueError."""
    if not _DATE_TIME.fullmatch(text):
        raise ValueError("not a date-time")
    instant = datetime.fromisoformat(text.upper())
    try:
        # By way of whole UTC: the very first and last days spill over into years that do not exist.
        return datetime.fromtimestamp(instant.timestamp(), UTC).timestamp()
    except OverflowError:
        raise ValueError("out of range") from None
