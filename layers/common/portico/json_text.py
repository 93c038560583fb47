"""JSON text as it is held and checked: by RFC 8259, with what is wrong named from a fixed list."""

from collections.abc import Callable
from enum import StrEnum
from io import BytesIO
from typing import Final

import msgspec

from portico.errors import ResultMalformed

LONGEST_TOKEN: Final = 4096
"""Bytes that a name, a short text or a number may have."""


class Flaw(StrEnum):
    """What can be wrong with a result: the vocabulary of `ResultMalformed.why`."""

    TRUNCATED = "truncated"
    NOT_JSON = "not-json"
    NOT_UTF8 = "not-utf-8"
    DUPLICATE_MEMBER = "duplicate-member"
    TOO_DEEP = "too-deep"
    TOO_LARGE = "too-large"
    NOT_FHIR = "not-fhir"


check: Final = msgspec.json.Decoder(msgspec.Raw).decode
decode_text: Final = msgspec.json.Decoder(str).decode


def decoded[T](text: bytes, decode: Callable[[bytes], T]) -> T:
    """The text decoded; what the decoder says about it is turned into a reason."""
    try:
        return decode(text)
    except msgspec.ValidationError:
        raise ResultMalformed(Flaw.NOT_FHIR) from None
    except msgspec.DecodeError:
        raise ResultMalformed(Flaw.NOT_JSON) from None
    except RecursionError:
        raise ResultMalformed(Flaw.TOO_DEEP) from None


def _check_beginning(text: bytes) -> None:
    """Whether a text too long to be held could still become JSON: its beginning must fail at its end only."""
    end, floor = len(text), max(0, len(text) - LONGEST_TOKEN)
    # The decoder takes a number cut in two for a wrong one.
    while end > floor and text[end - 1] in b"+-.0123456789eE":
        end -= 1
    try:
        check(memoryview(text)[:end])
    except RecursionError:
        raise ResultMalformed(Flaw.TOO_DEEP) from None
    except msgspec.DecodeError as error:
        if "truncated" not in str(error):
            raise ResultMalformed(Flaw.NOT_JSON) from None


class Recording:
    """The bytes of one value as they pass by; let go once they are more than `limit`, but still counted."""

    __slots__ = ("_held", "_limit", "size", "start")

    def __init__(self, start: int, limit: int) -> None:
        self.start = start
        self.size = 0
        self._limit = limit
        self._held: BytesIO | None = BytesIO()

    def add(self, text: bytes) -> None:
        self.size += len(text)
        if self._held is None:
            return
        if self.size <= self._limit:
            self._held.write(text)
        else:
            _check_beginning(self._held.getvalue())
            self._held = None

    def text(self) -> bytes | None:
        """Everything recorded, without a second copy of it in memory; None when it was too much."""
        return None if self._held is None else self._held.getvalue()
