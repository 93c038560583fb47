"""The forms in which a payload may come, and the envelope around it, as a stream of bytes."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from sandbox.onerecord.charts import Encoded
from sandbox.onerecord.scenarios import PayloadForm, Scenario

_BLOCK = 128 * 1024
_OUTCOME = Encoded(
    "OperationOutcome",
    "",
    b'{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"incomplete",'
    b'"diagnostics":"Some results were left out because the portal holds them back for review."}]}',
)


def body(
    scenario: Scenario, found: Iterable[Encoded] | None, error_data: dict[str, Any], portal: str
) -> Iterator[bytes]:
    """A result's body in the scenario's form; without resources the payload is null."""
    return _in_blocks(_body(scenario, found, error_data, portal))


def _body(
    scenario: Scenario, found: Iterable[Encoded] | None, error_data: dict[str, Any], portal: str
) -> Iterator[bytes]:
    if found is not None and scenario.operation_outcome:
        found = _with_outcome(found)
    payload: Iterable[bytes] = (b"null",)
    if found is not None:
        payload = _FORMS[scenario.payload](found, portal, next_link=scenario.next_link)
    if scenario.payload == "bare-bundle" and found is not None:
        yield from payload
        return
    told = b'"errorData":' + _json(error_data)
    fields = [told] if scenario.error_data == "first" else []
    if scenario.fhir_version is not None:
        fields.append(b'"fhirVersion":' + _json(scenario.fhir_version))
    if scenario.content_type is not None:
        fields.append(b'"contentType":' + _json(scenario.content_type))
    yield b"{" + b"".join(field + b"," for field in fields) + b'"payload":'
    yield from payload
    yield b"," + told + b"}" if scenario.error_data == "last" else b"}"


def _bundle(found: Iterable[Encoded], portal: str, *, next_link: bool = False) -> Iterator[bytes]:
    link = [{"relation": "self", "url": f"{portal}/fhir"}]
    link += [{"relation": "next", "url": f"{portal}/fhir?page=2"}] if next_link else []
    yield b'{"resourceType":"Bundle","type":"searchset","link":' + _json(link) + b',"entry":['
    for number, one in enumerate(found):
        separator = b"," if number else b""
        if not one.id:
            yield separator + b'{"resource":' + one.json + b',"search":{"mode":"outcome"}}'
            continue
        address = f'{{"fullUrl":"{portal}/fhir/{one.type}/{one.id}","resource":'.encode()
        yield separator + address + one.json + b',"search":{"mode":"match"}}'
    yield b"]}"


def _array_of_resources(found: Iterable[Encoded], _portal: str, **_link: bool) -> Iterator[bytes]:
    yield b"["
    for number, one in enumerate(found):
        yield (b"," if number else b"") + one.json
    yield b"]"


def _array_of_bundles(found: Iterable[Encoded], portal: str, *, next_link: bool) -> Iterator[bytes]:
    yield b"["
    for number, (_, group) in enumerate(_by_type(found)):
        yield b"," if number else b""
        yield from _bundle(group, portal, next_link=next_link)
    yield b"]"


def _object_of_arrays(found: Iterable[Encoded], portal: str, **_link: bool) -> Iterator[bytes]:
    yield b"{"
    for number, (kind, group) in enumerate(_by_type(found)):
        yield (b"," if number else b"") + _json(kind) + b":"
        yield from _array_of_resources(group, portal)
    yield b"}"


def _json_string(found: Iterable[Encoded], portal: str, *, next_link: bool) -> Iterator[bytes]:
    yield b'"'
    for piece in _bundle(found, portal, next_link=next_link):
        yield _json(piece.decode())[1:-1]
    yield b'"'


def _nested_bundle(found: Iterable[Encoded], portal: str, *, next_link: bool) -> Iterator[bytes]:
    yield b'{"resourceType":"Bundle","type":"collection","entry":['
    for number, (_, group) in enumerate(_by_type(found)):
        yield (b"," if number else b"") + b'{"resource":'
        yield from _bundle(group, portal, next_link=next_link)
        yield b"}"
    yield b"]}"


def _without_entry(_found: Iterable[Encoded], _portal: str, **_link: bool) -> Iterator[bytes]:
    yield b'{"resourceType":"Bundle","type":"searchset","total":0}'


_FORMS: dict[PayloadForm, Callable[..., Iterator[bytes]]] = {
    "bundle": _bundle,
    "array-of-resources": _array_of_resources,
    "array-of-bundles": _array_of_bundles,
    "object-of-arrays": _object_of_arrays,
    "json-string": _json_string,
    "nested-bundle": _nested_bundle,
    "bare-bundle": _bundle,
    "bundle-without-entry": _without_entry,
}


def _with_outcome(found: Iterable[Encoded]) -> Iterable[Encoded]:
    return [*found, _OUTCOME] if isinstance(found, list) else chain(found, (_OUTCOME,))


def _by_type(found: Iterable[Encoded]) -> Iterator[tuple[str, Iterator[Encoded]]]:
    """Grouped by type; what is streamed comes in that order already."""
    ordered = sorted(found, key=attrgetter("type")) if isinstance(found, list) else found
    return groupby(ordered, key=attrgetter("type"))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _in_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Small pieces joined, so that a stream is not sent a resource at a time."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)
