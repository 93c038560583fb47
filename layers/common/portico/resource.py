"""What Portico has to know of one FHIR resource: its type, how deep it nests, which list it belongs to.

Everything else in it is passed on unread, as the vendor wrote it: FHIR decimals (`10.50`) carry their
precision in their text, which a round through numbers would lose.
"""

import re
from itertools import accumulate
from typing import Final, Literal, NamedTuple

import msgspec

from portico.json_reader import DEEPEST

SHALLOW: Final = 2 * DEEPEST
"""Whatever is no longer than this has no room to be nested too deep."""


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_STEP: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_CATEGORIES: Final[dict[str, Literal["Vitals", "Labs"]]] = {"vital-signs": "Vitals", "laboratory": "Labs"}


class Resource(NamedTuple):
    """One resource: its type, and the vendor's own text of it without line breaks."""

    type: str
    raw: bytes


class Typed(msgspec.Struct, gc=False):
    """A resource of which nothing is looked at but its type."""

    resourceType: str  # noqa: N815 - FHIR's name


typed_only: Final = msgspec.json.Decoder(Typed).decode


def is_on_one_line(text: bytes) -> bool:
    """Whether the text can be a line of NDJSON as it is."""
    return b"\n" not in text and b"\r" not in text


def on_one_line(text: bytes) -> bytes:
    """JSON without line breaks, which can only stand between its tokens: a line of NDJSON."""
    return text if is_on_one_line(text) else text.translate(None, b"\r\n")


def nests_too_deep(text: bytes) -> bool:
    """Whether objects and arrays are nested deeper than readers of JSON can be expected to follow."""
    if text.count(b"{") + text.count(b"[") <= DEEPEST:
        return False
    brackets = _STRING.sub(b"", text).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > DEEPEST


class _Coding(msgspec.Struct, gc=False):
    code: str | None = None


class _Concept(msgspec.Struct, gc=False):
    coding: list[_Coding] | None = None


class _Categorized(msgspec.Struct, gc=False):
    category: list[_Concept] | _Concept | None = None


_categorized: Final = msgspec.json.Decoder(_Categorized).decode


def category_of(raw: bytes) -> Literal["Vitals", "Labs"] | None:
    """Which of the vendor's two lists of Observations this one is in; None when its category says neither.

    FHIR R4 has a list of categories, DSTU2 had a single one. The first category that is known decides.
    """
    try:
        category = _categorized(raw).category
    except msgspec.ValidationError:
        return None
    concepts = category if isinstance(category, list) else [category] if category else []
    codes = (coding.code for concept in concepts for coding in concept.coding or ())
    return next((_CATEGORIES[code] for code in codes if code in _CATEGORIES), None)
