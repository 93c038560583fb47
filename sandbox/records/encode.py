"""Writes resources as JSON with every decimal exactly as it stands: 10.50 stays 10.50.

FHIR decimals carry their precision in their text. Resources hold `decimal.Decimal` where that matters,
and the standard library's encoder has no door for writing a number's own text, so a decimal passes
through it as a marked string and the marks are taken off afterwards. NUL, which FHIR forbids in strings,
is the mark.
"""

import json
import re
from decimal import Decimal

_MARKED = re.compile(r'"\\u0000([-+.0-9E]+)\\u0000"')


def _mark(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return f"\x00{value}\x00"
    raise TypeError(f"not a FHIR value: {type(value).__name__}")


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_mark)


def to_json(value: object) -> bytes:
    """Compact UTF-8 JSON of a resource, or of anything that holds resources."""
    return _MARKED.sub(r"\1", _encoder.encode(value)).encode()
