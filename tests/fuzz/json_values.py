"""Any JSON that a vendor could send, leaning towards the names and the values that our readers look for."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

# Text that trips readers: halves of surrogate pairs, digits that are not ASCII, controls, look-alikes.
_HOSTILE = (
    "",
    " ",
    "\ud800",
    "x\udfffx",
    "\x00",
    "١٢",
    "1e400",
    "-1",
    "NaN",
    "null",
    "\u202e",
    "%",
    "{}",
    "a" * 300,
)
_EXPECTED = (
    "3600",
    "1_000",
    "S256",
    "active",
    "ERROR",
    "Information",
    "pending",
    "invalid_grant",
    "https://",
)
_WORDS = st.sampled_from(_HOSTILE + _EXPECTED)
_NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 10**400, -(10**400), 401, 403, 429, 503, 2**63, 1e308, -0.0, 180.1]),
)


def values(names: Sequence[str], words: st.SearchStrategy[str] = _WORDS) -> st.SearchStrategy[Any]:
    """Any JSON value; its objects often have members by these names."""
    keys = st.one_of(st.sampled_from(names), st.sampled_from(names).map(str.upper), st.text(max_size=8))
    texts = st.one_of(words, st.text(st.characters(), max_size=20))
    return st.recursive(
        st.one_of(st.none(), st.booleans(), _NUMBERS, texts),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
        max_leaves=6,
    )


def objects(
    names: Sequence[str], words: st.SearchStrategy[str] = _WORDS
) -> st.SearchStrategy[dict[str, Any]]:
    """A JSON object of such values."""
    keys = st.one_of(st.sampled_from(names), st.text(max_size=8))
    return st.dictionaries(keys, values(names, words), max_size=6)
