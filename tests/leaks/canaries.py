"""Canaries: a random text of its own in every secret and health field, and how to know them again, however written.

A run's canaries are gathered by class while the world plays: those that we choose (people, charts, subjects,
the device token, the vendor's words), and those that the sandbox makes up (codes, tokens, transaction ids).
"""

import json
import re
import secrets
import string
from base64 import b64encode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

CLASSES = (
    "access token", "refresh token", "code", "verifier", "state", "handle", "ticket", "session", "cookie", "JWT",
    "device token", "signed URL", "subject", "patient id", "name", "date", "address", "FHIR content",
    "transaction id", "vendor's words", "portal id",
)  # fmt: skip
SHORTEST = 9
_WINDOW = 9


def word(length: int = 20) -> str:
    """A text that comes up nowhere by chance."""
    return "".join(secrets.choice(string.ascii_letters) for _ in range(length))


class Canaries:
    """The canaries of a run, by class."""

    def __init__(self) -> None:
        self.by_class: dict[str, set[str]] = defaultdict(set)

    def add(self, kind: str, *texts: str | None) -> None:
        assert kind in CLASSES, kind
        self.by_class[kind].update(text for text in texts if text and len(text) >= SHORTEST)

    def new(self, kind: str, length: int = 20) -> str:
        text = word(length)
        self.add(kind, text)
        return text

    def of(self, kind: str) -> list[str]:
        return sorted(self.by_class[kind])


def forms(text: str) -> set[str]:
    """How a text may be written: as it is, in a URL, in JSON, in base64 at any of its three positions, in hex."""
    data = text.encode()
    written = {
        text,
        json.dumps(text)[1:-1],
        quote(text, safe=""),
        quote_plus(text),
        data.hex(),
        data.hex().upper(),
    }
    written |= {re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), form) for form in written}
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(b"\0" * before + data).decode()
            # What depends on the neighbours is left off at both ends.
            written.add(encoded[-(-before * 4 // 3) : (before + len(data)) * 4 // 3])
    return {form for form in written if len(form) >= SHORTEST}


class Search:
    """Knows every form of every canary at once: one pass over a text, whatever their number."""

    def __init__(self, canaries: Canaries) -> None:
        self._forms: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for kind, texts in canaries.by_class.items():
            for text in texts:
                for form in forms(text):
                    self._forms[form[:_WINDOW]].append((form, kind))

    def classes_in(self, text: str) -> set[str]:
        """The classes of which the text holds a canary."""
        return {kind for kind, _ in self._hits(text)}

    def found(self, texts: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """(class, form, text) of every hit."""
        for text in texts:
            for kind, form in self._hits(text):
                yield kind, form, text

    def _hits(self, text: str) -> Iterator[tuple[str, str]]:
        known = self._forms
        for at in range(len(text) - _WINDOW + 1):
            if (start := text[at : at + _WINDOW]) in known:
                yield from ((kind, form) for form, kind in known[start] if text.startswith(form, at))


_KEPT = {"resourceType", "system", "category", "mode", "type", "valueUri"}
_DAY = re.compile(r"\d{4}(-\d\d){0,2}")


def in_a_chart(canaries: Canaries, chart: Iterable[dict[str, Any]], known: set[str]) -> list[dict[str, Any]]:
    """The same resources, every text in them a canary but what says which kind of record it is."""
    return [_marked(canaries, resource, "", known) for resource in chart]


def _marked(canaries: Canaries, value: Any, name: str, known: set[str]) -> Any:
    if isinstance(value, dict):
        return {n: v if n in _KEPT else _marked(canaries, v, n, known) for n, v in value.items()}
    if isinstance(value, list):
        return [_marked(canaries, one, name, known) for one in value]
    if not isinstance(value, str) or value in known:
        return value
    if _DAY.match(value):
        return _moment(canaries, value)
    return canaries.new("FHIR content")


def _moment(canaries: Canaries, like: str) -> str:
    """A time that no clock has shown: nine digits of a second."""
    moment = f"{like[:4]}-07-0{secrets.randbelow(9) + 1}T11:22:33.{secrets.randbelow(10**9):09d}Z"
    canaries.add("date", moment, moment.partition(".")[2])
    return moment
