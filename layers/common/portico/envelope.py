"""What a vendor's result says about itself, beside the resources in it."""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Payload(StrEnum):
    """What the result said of its payload. `EMPTY` is `{}`, `[]` or a blank string."""

    ABSENT = "absent"
    NULL = "null"
    EMPTY = "empty"
    PRESENT = "present"


class Skipped(NamedTuple):
    """A resource above the size cap, passed over: its type and its size in bytes."""

    type: str
    size: int


class Envelope(msgspec.Struct):
    """Complete only when the result was read to its end.

    `error_data` is the vendor's `errorData` as JSON; `other` is the whole result when that is an object but
    neither an envelope nor FHIR, as a flat error is. `next_link`: a Bundle named a next page, which only the
    vendor could follow, so the result is incomplete.
    """

    payload: Payload = Payload.ABSENT
    error_data: bytes | None = None
    fhir_version: str | None = None
    content_type: str | None = None
    transaction_id: str | None = None
    other: bytes | None = None
    next_link: bool = False
    skipped: list[Skipped] = msgspec.field(default_factory=list)
