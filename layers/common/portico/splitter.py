"""Takes a retrieved result apart into FHIR resources while it arrives.

Decides what in a vendor's result is a resource. A result is an envelope `{errorData, fhirVersion,
contentType, payload}` with its members in any order, or FHIR without one. The payload is a Bundle, a
resource, an array of them, an object of arrays by type, or a JSON string that holds one of these; Bundles
may hold Bundles. Resources come out as the vendor wrote them, byte for byte, but on one line.

Whatever is wrong with a result is told by `ResultMalformed`, possibly after resources were handed out:
only a result read to its end, with its envelope told, is a result.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from enum import Enum, auto
from functools import partial
from itertools import chain
from typing import Final

import msgspec

from portico.envelope import Envelope, Payload, Skipped
from portico.errors import ResultMalformed
from portico.json_reader import (
    CLOSE_ARRAY,
    END,
    OPEN_ARRAY,
    OPEN_OBJECT,
    QUOTE,
    JsonReader,
)
from portico.json_text import Flaw, Recording, decoded
from portico.resource import SHALLOW, Resource, nests_too_deep, on_one_line, typed_only
from portico.resource_run import Run, run_of_entries, run_of_resources

MEBIBYTE: Final = 1024 * 1024
LARGEST_RESOURCE: Final = 96 * MEBIBYTE
LARGEST_MEMBER: Final = MEBIBYTE
DEEPEST_BUNDLE: Final = 16
MOST_NAMES: Final = 256

_PIECE: Final = 64 * 1024
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{1,63}")
_ENVELOPE: Final = frozenset({"errorData", "fhirVersion", "contentType", "payload", "transactionId"})
_ENTRY: Final = frozenset({"fullUrl", "resource", "link", "search", "request", "response"})


class _Place(Enum):
    """Where an object stands: a resource can be anywhere, an envelope can not."""

    ROOT = auto()
    PAYLOAD = auto()
    ITEM = auto()


class _Kind(Enum):
    """What an object turned out to be, by the member that told."""

    RESOURCE = auto()
    BUNDLE = auto()
    BUNDLE_WITH_ENTRIES_READ = auto()
    BUNDLE_INSIDE_FIRST_ENTRY = auto()
    ENVELOPE = auto()
    ARRAYS_BY_TYPE = auto()
    EMPTY = auto()
    UNKNOWN = auto()


class _Bundle(msgspec.Struct):
    """What was read of a Bundle before it was known to be one."""

    typed: bool = False
    entries: bool = False
    next_link: bool = False


class _Link(msgspec.Struct, gc=False):
    relation: str = ""


# The walk hands out resources by the run: through its many levels a resource each would cost as much as JSON.
type _Steps[T] = Generator[Iterable[Resource], None, T]

_text: Final = msgspec.json.Decoder(str | int | None).decode
_links: Final = msgspec.json.Decoder(list[_Link]).decode
_resource: Final[Callable[[tuple[str, bytes]], Resource]] = partial(tuple.__new__, Resource)


class Splitter:
    """Iterate over it once for the resources of one result; its `envelope` is there after the last."""

    def __init__(self, chunks: Iterable[bytes], *, max_resource: int = LARGEST_RESOURCE) -> None:
        self._chunks = chunks
        self._max_resource = max_resource
        self._envelope = Envelope()
        self._complete = False
        self._level = 0
        self._types: set[str] = set()

    @property
    def envelope(self) -> Envelope:
        """What the result said about itself; there is none before its end was reached."""
        if not self._complete:
            raise ResultMalformed(Flaw.TRUNCATED)
        return self._envelope

    def __iter__(self) -> Iterator[Resource]:
        return chain.from_iterable(self._walk())

    def _walk(self) -> _Steps[None]:
        reader = JsonReader(self._chunks)
        if reader.peek() != END:
            self._envelope.payload = yield from self._value(reader, _Place.ROOT)
        reader.finish()
        self._complete = True

    # --- the forms that a result or its payload can have ---------------------------------------

    def _value(self, reader: JsonReader, place: _Place) -> _Steps[Payload]:
        byte = reader.peek()
        if byte == OPEN_OBJECT:
            return (yield from self._object(reader, place))
        if byte == OPEN_ARRAY:
            return (yield from self._array(reader))
        if byte == QUOTE and not reader.inside_string:
            return (yield from self._string(reader))
        if byte == END:
            raise ResultMalformed(Flaw.TRUNCATED)
        if byte == QUOTE or reader.scalar() != b"null":
            raise ResultMalformed(Flaw.NOT_FHIR)
        return Payload.NULL

    def _string(self, reader: JsonReader) -> _Steps[Payload]:
        inner = JsonReader(reader.unescaped(), inside_string=True)
        empty = inner.peek() == END
        payload = Payload.EMPTY if empty else (yield from self._value(inner, _Place.PAYLOAD))
        inner.finish()
        return payload

    def _array(self, reader: JsonReader) -> _Steps[Payload]:
        reader.enter()
        empty = reader.peek() == CLOSE_ARRAY
        yield from self._items(reader, self._item, run_of_resources)
        return Payload.EMPTY if empty else Payload.PRESENT

    def _object(self, reader: JsonReader, place: _Place) -> _Steps[Payload]:
        """An object, held until a member tells what it is, since it may be a resource."""
        recording = reader.record(self._max_resource)
        reader.enter()
        bundle = _Bundle()
        kind, name = self._recognise(reader, place, bundle)
        match kind:
            case _Kind.RESOURCE | _Kind.BUNDLE_WITH_ENTRIES_READ:
                reader.leave()
                yield from self._held(reader, recording, name)
            case _Kind.EMPTY | _Kind.UNKNOWN:
                return self._without_resources(reader, recording, place, kind)
            case _Kind.ENVELOPE:
                reader.forget(recording)
                return (yield from self._members_of_envelope(reader, name))
            case _Kind.ARRAYS_BY_TYPE:
                reader.forget(recording)
                yield from self._members_by_type(reader, name)
            case _Kind.BUNDLE:
                reader.forget(recording)
                yield from self._members_of_bundle(reader, bundle)
            case _Kind.BUNDLE_INSIDE_FIRST_ENTRY:
                reader.forget(recording)
                yield from self._members_of_bundle(reader, bundle, inside=name)
        return Payload.PRESENT

    def _recognise(self, reader: JsonReader, place: _Place, bundle: _Bundle) -> tuple[_Kind, str]:
        """Read on until a member tells: the kind, and the name last read or the resource's type."""
        kind = _Kind.EMPTY
        while (name := reader.name()) is not None:
            kind = _Kind.UNKNOWN
            if name == "resourceType":
                return self._kind_of(resource_type := reader.text(), bundle), resource_type
            if place is _Place.ROOT and name in _ENVELOPE:
                return _Kind.ENVELOPE, name
            if name[:1].isupper() and self._may_be_type(reader, place):
                return _Kind.ARRAYS_BY_TYPE, name
            if name == "entry":
                bundle.entries = True
                if first := self._first_name_of_entry(reader):
                    return _Kind.BUNDLE_INSIDE_FIRST_ENTRY, first
            elif name == "link":
                bundle.next_link = _names_next(reader)
            else:
                reader.ignore()
        return kind, ""

    def _may_be_type(self, reader: JsonReader, place: _Place) -> bool:
        """Whether a name like a type's is one; an error without an envelope may have such names, too."""
        holds = reader.peek() in (OPEN_ARRAY, OPEN_OBJECT)
        return place is _Place.PAYLOAD or (place is _Place.ROOT and holds)

    def _kind_of(self, resource_type: str, bundle: _Bundle) -> _Kind:
        if resource_type != "Bundle":
            return _Kind.RESOURCE
        bundle.typed = True
        return _Kind.BUNDLE_WITH_ENTRIES_READ if bundle.entries else _Kind.BUNDLE

    def _first_name_of_entry(self, reader: JsonReader) -> str | None:
        """If this `entry` can only be a Bundle's, its first item's first name; else pass over all of it."""
        if reader.peek() != OPEN_ARRAY:
            reader.ignore()
            return None
        reader.enter()
        if reader.item():
            if reader.peek() == OPEN_OBJECT:
                reader.enter()
                if (name := reader.name()) in _ENTRY:
                    return name
                if name is not None:
                    reader.leave()
            reader.leave()
        return None

    def _without_resources(
        self, reader: JsonReader, recording: Recording, place: _Place, kind: _Kind
    ) -> Payload:
        text = reader.recorded(recording)
        if place is _Place.ROOT:
            if text is None or len(text) > LARGEST_MEMBER:
                raise ResultMalformed(Flaw.NOT_FHIR)
            self._envelope.other = text
            return Payload.ABSENT
        if place is _Place.PAYLOAD and kind is _Kind.EMPTY:
            return Payload.EMPTY
        raise ResultMalformed(Flaw.NOT_FHIR)

    # --- members -------------------------------------------------------------------------------

    def _members_of_envelope(self, reader: JsonReader, first: str) -> _Steps[Payload]:
        envelope, payload = self._envelope, Payload.ABSENT
        for name in _names(reader, first):
            if name == "payload":
                payload = yield from self._value(reader, _Place.PAYLOAD)
            elif name == "errorData":
                envelope.error_data = _member(reader)
            elif name == "fhirVersion":
                envelope.fhir_version = _text_member(reader)
            elif name == "contentType":
                envelope.content_type = _text_member(reader)
            elif name == "transactionId":
                envelope.transaction_id = _text_member(reader)
            else:
                reader.ignore()
        return payload

    def _members_by_type(self, reader: JsonReader, first: str) -> _Steps[None]:
        for _ in _names(reader, first):
            if reader.peek() == OPEN_ARRAY:
                yield from self._array(reader)
            else:
                yield from self._item(reader)

    def _members_of_bundle(
        self, reader: JsonReader, bundle: _Bundle, inside: str | None = None
    ) -> _Steps[None]:
        """What is left of a Bundle; `inside` is the name last read when that is its first entry's."""
        self._level += 1
        if self._level > DEEPEST_BUNDLE:
            raise ResultMalformed(Flaw.TOO_DEEP)
        if inside is not None:
            yield from self._members_of_entry(reader, inside)
            yield from self._items(reader, self._entry, run_of_entries)
        while (name := reader.name()) is not None:
            if name == "resourceType":
                if bundle.typed:
                    raise ResultMalformed(Flaw.DUPLICATE_MEMBER)
                bundle.typed = reader.text() == "Bundle"
            elif name == "entry":
                if bundle.entries:
                    raise ResultMalformed(Flaw.DUPLICATE_MEMBER)
                bundle.entries = True
                yield from self._entries(reader)
            elif name == "link":
                bundle.next_link |= _names_next(reader)
            else:
                reader.ignore()
        if not bundle.typed:
            raise ResultMalformed(Flaw.NOT_FHIR)
        self._envelope.next_link |= bundle.next_link
        self._level -= 1

    def _members_of_entry(self, reader: JsonReader, first: str) -> _Steps[None]:
        seen = False
        name: str | None = first
        while name is not None:
            if name != "resource":
                reader.ignore()
            elif seen:
                raise ResultMalformed(Flaw.DUPLICATE_MEMBER)
            else:
                seen = True
                yield from self._item(reader)
            name = reader.name()

    # --- items ---------------------------------------------------------------------------------

    def _entries(self, reader: JsonReader) -> _Steps[None]:
        if reader.peek() == OPEN_ARRAY:
            reader.enter()
            yield from self._items(reader, self._entry, run_of_entries)
        elif reader.value(LARGEST_MEMBER) != b"null":
            raise ResultMalformed(Flaw.NOT_FHIR)

    def _items(
        self,
        reader: JsonReader,
        one: Callable[[JsonReader], _Steps[None]],
        many: Callable[[bytes], Run],
    ) -> _Steps[None]:
        """What is left of an array: whole runs while its items look alike, one exactly where they do not."""
        while True:
            for run in reader.alike(many):
                yield from self._run(run)
            if not reader.item():
                return
            yield from one(reader)

    def _run(self, run: Run) -> _Steps[None]:
        """A run of items; nearly always nothing in it needs a second look, and it goes out as a whole."""
        types = ["" if typed is None else typed.resourceType for typed in run.typed]
        texts = list(map(bytes, run.raw))
        if any(nests_too_deep(text) for text in texts if len(text) > SHALLOW):
            raise ResultMalformed(Flaw.TOO_DEEP)
        if run.on_one_line and self._types.issuperset(types) and max(map(len, texts)) <= self._max_resource:
            yield map(_resource, zip(types, texts, strict=True))
            return
        for text, typed in zip(texts, run.typed, strict=True):
            if typed is not None:
                yield from self._resource(typed.resourceType, text)

    def _entry(self, reader: JsonReader) -> _Steps[None]:
        if reader.peek() == OPEN_OBJECT:
            reader.enter()
            if (name := reader.name()) is not None:
                yield from self._members_of_entry(reader, name)
        elif reader.value(LARGEST_MEMBER) != b"null":
            raise ResultMalformed(Flaw.NOT_FHIR)

    def _item(self, reader: JsonReader) -> _Steps[None]:
        if reader.peek() == OPEN_OBJECT:
            yield from self._object(reader, _Place.ITEM)
        elif reader.value(LARGEST_MEMBER) != b"null":
            raise ResultMalformed(Flaw.NOT_FHIR)

    # --- resources -----------------------------------------------------------------------------

    def _held(self, reader: JsonReader, recording: Recording, resource_type: str) -> _Steps[None]:
        raw = reader.recorded(recording)
        if raw is not None:
            yield from self._resource(decoded(raw, typed_only).resourceType, raw)
        elif resource_type == "Bundle":
            raise ResultMalformed(Flaw.TOO_LARGE)
        else:
            self._envelope.skipped.append(Skipped(self._admitted(resource_type), recording.size))

    def _resource(self, resource_type: str, raw: bytes) -> _Steps[None]:
        if resource_type == "Bundle":
            nested = JsonReader(raw[at : at + _PIECE] for at in range(0, len(raw), _PIECE))
            nested.enter()
            yield from self._members_of_bundle(nested, _Bundle())
            nested.finish()
        elif len(raw) > self._max_resource:
            self._envelope.skipped.append(Skipped(self._admitted(resource_type), len(raw)))
        else:
            yield (Resource(self._admitted(resource_type), on_one_line(raw)),)

    def _admitted(self, resource_type: str) -> str:
        """The type, which names files: a name of FHIR's form, and one of not too many."""
        if resource_type not in self._types:
            if len(self._types) == MOST_NAMES or not _TYPE_NAME.fullmatch(resource_type):
                raise ResultMalformed(Flaw.NOT_FHIR)
            self._types.add(resource_type)
        return resource_type


def _names(reader: JsonReader, first: str) -> Iterator[str]:
    """The names of an object's members, none of them twice, from one already read."""
    seen: set[str] = set()
    name: str | None = first
    while name is not None:
        if name in seen:
            raise ResultMalformed(Flaw.DUPLICATE_MEMBER)
        if len(seen) == MOST_NAMES:
            raise ResultMalformed(Flaw.TOO_LARGE)
        seen.add(name)
        yield name
        name = reader.name()


def _member(reader: JsonReader) -> bytes | None:
    """A member of the envelope as JSON; None when it is null."""
    value = reader.value(LARGEST_MEMBER)
    if value is None:
        raise ResultMalformed(Flaw.TOO_LARGE)
    return None if value == b"null" else value


def _text_member(reader: JsonReader) -> str | None:
    """A member of the envelope that should be text; numbers are taken for it, anything else for nothing."""
    value = _member(reader)
    try:
        text = _text(value) if value else None
    except msgspec.ValidationError:
        return None
    return None if text is None else str(text)


def _names_next(reader: JsonReader) -> bool:
    """Whether these links name a next page."""
    value = reader.value(LARGEST_MEMBER)
    try:
        return value is not None and any(link.relation == "next" for link in _links(value))
    except msgspec.ValidationError:
        return False
