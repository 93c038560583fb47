"""Many items of an array at once: nearly all of a chart is read here.

Each is taken twice, by a decoder that keeps its text and by one that keeps its type. Two passes of a decoder
cost less than a look at each text, and the second says what any reader of the resource will find.
"""

from typing import Final, NamedTuple

import msgspec

from portico.resource import Typed, is_on_one_line


class Run(NamedTuple):
    """Items of an array, each as its text and as its type; None is an item without a resource."""

    raw: list[msgspec.Raw]
    typed: list[Typed | None]
    on_one_line: bool


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = msgspec.Raw()


class _TypedEntry(msgspec.Struct, gc=False):
    resource: Typed | None = None


_raw_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_typed_items: Final = msgspec.json.Decoder(list[Typed | None]).decode
_raw_entries: Final = msgspec.json.Decoder(list[_Entry]).decode
_typed_entries: Final = msgspec.json.Decoder(list[_TypedEntry]).decode


def run_of_resources(text: bytes) -> Run:
    return Run(_raw_items(text), _typed_items(text), is_on_one_line(text))


def run_of_entries(text: bytes) -> Run:
    raw = [entry.resource for entry in _raw_entries(text)]
    return Run(raw, [entry.resource for entry in _typed_entries(text)], is_on_one_line(text))
