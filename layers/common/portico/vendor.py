"""What OneRecord answers, read without trust: JSON, both error shapes, and what an answer means for us.

Success is recognised positively; everything else falls into one class of the fault matrix: not sent, back
off, unclear, unusable, rejected.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portico.errors import (
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnusable,
    PorticoError,
)

TRANSACTION_HEADER = "onerecord-transaction-id"
_GRANT_REFUSED = re.compile(
    r"invalid_grant|invalid_client|unauthorized_client|access_denied|re-?authenticate", re.I
)
_NOT_YET = re.compile(r"not (yet )?(available|ready|found)|pending|in progress|processing", re.IGNORECASE)
_HARMLESS = {"warning", "warn", "information", "informational", "info", "none", "debug", "success"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the vendor: status, headers in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON without NaN or Infinity, or PortalUnusable."""
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise PortalUnusable from None

    def fields(self) -> Mapping[str, Any]:
        """The body as a JSON object, or PortalUnusable."""
        document = self.json()
        if not isinstance(document, dict):
            raise PortalUnusable
        return document

    @property
    def retry_after(self) -> int | None:
        """As `retry_after` of the headers."""
        return retry_after(self.headers)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is read while it arrives. `chunks` raises PortalUnclear, PortalTimeout, ResultTooLarge."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes] = field(repr=False)

    def whole(self) -> Reply:
        """The answer with its whole body, for the small ones."""
        return Reply(self.status, self.headers, b"".join(self.chunks))


@dataclass(frozen=True, slots=True)
class VendorError:
    """One error entry of either shape. `message` is the vendor's text: for matching, never for showing."""

    status: int | None
    code: int | None
    severity: str
    message: str = field(repr=False)
    path: str = field(repr=False)

    @property
    def harmless(self) -> bool:
        """A note or a warning by its severity's name."""
        return self.severity in _HARMLESS

    @property
    def not_yet(self) -> bool:
        """Says that a result is still being prepared."""
        return bool(_NOT_YET.search(self.message))


def errors_of(document: object) -> Sequence[VendorError]:
    """The errors in `errorData.errors[]`, or in the flat shape {timestamp, status, error, message}."""
    if not isinstance(document, Mapping):
        return []
    data = document.get("errorData")
    if isinstance(data, Mapping):
        rows = data.get("errors")
        return [_error(row) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    if "status" in document and ("error" in document or "message" in document):
        return [_error(document)]
    return []


def _error(row: Mapping[str, Any]) -> VendorError:
    words = " ".join(str(row[key]) for key in ("error", "message") if isinstance(row.get(key), str))
    path = row.get("path")
    return VendorError(
        status=_int(row.get("status")),
        code=_int(row.get("code")),
        severity=str(row.get("severity") or "").strip().lower(),
        message=words,
        path=path if isinstance(path, str) else "",
    )


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds of a Retry-After header, 1 s to 15 min; None when absent or a date."""
    text = headers.get("retry-after", "").strip()
    return min(max(int(text), 1), 900) if text.isascii() and text.isdigit() and len(text) < 10 else None


def failure(reply: Reply, errors: Sequence[VendorError]) -> PorticoError:
    """What an answer that is no success means for the request that was made (fault matrix, classes B to U)."""
    statuses = [reply.status, *(e.status for e in errors if e.status)]
    if any(_GRANT_REFUSED.search(e.message) for e in errors):
        return PortalRejected(next((s for s in statuses if 400 <= s < 500), reply.status), explicit=True)
    for status in statuses:
        if status in (429, 503):
            return PortalBusy(reply.retry_after)
        if 400 <= status < 500:
            return PortalRejected(status)
    return PortalUnclear() if any(s >= 500 for s in statuses) else PortalUnusable()


def refusal(reply: Reply) -> PorticoError:
    """`failure` for an answer whose body has not been looked at yet."""
    try:
        return failure(reply, errors_of(reply.json()))
    except PortalUnusable:
        return failure(reply, [])


def token_refused(error: PorticoError) -> bool:
    """Whether a failure may mean that the patient's (or our) token is no longer good."""
    return isinstance(error, PortalRejected) and error.status == 401


def transaction_ids(reply: Reply, document: Mapping[str, Any]) -> list[str]:
    """The transaction's ids in the order to poll: the header's, then the body's if different."""
    body = document.get("transactionId")
    ids = [reply.headers.get(TRANSACTION_HEADER, "").strip(), body.strip() if isinstance(body, str) else ""]
    return [i for i in dict.fromkeys(ids) if i and len(i) <= 200 and i.isprintable()]


def _int(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _refuse_constant(_: str) -> None:
    raise ValueError
