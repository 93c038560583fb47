"""A patient's records as the vendor writes them: encoded once, selected as asked, repeated to any size."""

import base64
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

from sandbox.records import Patient, chart, select, to_json

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """One resource, with its own bytes."""

    type: str
    id: str
    json: bytes


@dataclass(frozen=True)
class Wanted:
    """Which of a patient's records a query asks for."""

    profile: str
    patient: Patient
    names: tuple[str, ...] | None = None
    from_time: str | None = None
    to_time: str | None = None
    exclude_undated: bool = False
    attachment_megabytes: int = 0

    @property
    def huge_megabytes(self) -> int:
        """The size to stream, or 0 for a chart that fits into memory."""
        _, _, megabytes = self.profile.partition("huge-")
        return int(megabytes or 0)


def resources(wanted: Wanted) -> Iterable[Encoded]:
    """The resources of an answer; those of a huge one are made while they are read."""
    if wanted.huge_megabytes:
        pool = [*_selected(wanted, "typical"), *_attachment(wanted)]
        return _repeated(sorted(pool, key=attrgetter("type")), wanted.huge_megabytes * _MEGABYTE)
    return [*_selected(wanted, wanted.profile), *_attachment(wanted)]


def _selected(wanted: Wanted, profile: str) -> list[Encoded]:
    whole, encoded = _encoded(profile, wanted.patient)
    names = list(wanted.names) if wanted.names is not None else None
    chosen = select(whole, names, wanted.from_time, wanted.to_time, wanted.exclude_undated)
    return [encoded[id(resource)] for resource in chosen]


@lru_cache(maxsize=8)
def _encoded(profile: str, patient: Patient) -> tuple[list[dict[str, object]], dict[int, Encoded]]:
    whole = chart(profile, patient)
    return whole, {
        id(one): Encoded(str(one["resourceType"]), str(one.get("id", "")), to_json(one)) for one in whole
    }


def _repeated(pool: Sequence[Encoded], size: int) -> Iterator[Encoded]:
    """The pool again and again, type by type, under ids of their own; the patient comes once."""
    rounds = max(1, -(-size // max(1, sum(len(one.json) for one in pool))))
    for kind, group in groupby(pool, key=attrgetter("type")):
        members = list(group)
        for number in range(1 if kind == "Patient" else rounds):
            for one in members:
                yield _renamed(one, f"{one.id[:54]}.{number}") if number else one


def _renamed(one: Encoded, new_id: str) -> Encoded:
    old, new = f'"id":"{one.id}"'.encode(), f'"id":"{new_id}"'.encode()
    return Encoded(one.type, new_id, one.json.replace(old, new, 1))


def _attachment(wanted: Wanted) -> list[Encoded]:
    """A scanned document of the size asked for, as incompressible as a real scan."""
    if not wanted.attachment_megabytes or (wanted.names and "DocumentReference" not in wanted.names):
        return []
    size = wanted.attachment_megabytes * _MEGABYTE // 4 * 4
    block = _scan()
    data = (block * (size // len(block) + 1))[:size]
    head = (
        '{"resourceType":"DocumentReference","id":"scan-1","status":"current",'
        '"type":{"coding":[{"system":"http://loinc.org","code":"18842-5","display":"Discharge summary"}]},'
        f'"subject":{{"reference":"Patient/{wanted.patient.id}"}},"date":"2025-11-03T16:20:00Z",'
        '"content":[{"attachment":{"contentType":"image/tiff","title":"Scanned discharge summary","data":"'
    )
    return [Encoded("DocumentReference", "scan-1", head.encode() + data + b'"}}]}')]


@lru_cache(maxsize=1)
def _scan() -> bytes:
    return base64.b64encode(random.Random(1948).randbytes(48 * 1024))
