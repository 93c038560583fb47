"""How fast results of 10, 100 and 400 MB are split into NDJSON, and in how much memory.

    python benchmarks/splitter.py [megabytes ...]

Every row is a process of its own, with its imports in its time; output goes to /dev/null. Only the splitter
keeps every resource's text; rows of libraries that are not installed are left out.
"""

import argparse
import base64
import importlib.util
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

ROOT: Final = Path(__file__).resolve().parent.parent
CHUNK: Final = 256 * 1024
LABS: Final = (
    ("8867-4", "Heart rate", "/min", "vital-signs"),
    ("8480-6", "Systolic blood pressure", "mm[Hg]", "vital-signs"),
    ("29463-7", "Body weight", "kg", "vital-signs"),
    ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", "laboratory"),
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", "laboratory"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "laboratory"),
)
WORDS: Final = re.findall(
    r"\w+",
    "patient denies chest pain dyspnea at rest history of hypertension and diabetes mellitus lungs clear "
    "bilaterally regular rhythm continue lisinopril follow up in three months with fasting labs",
)


# --- the result to be split ----------------------------------------------------------------------


def observation(rng: random.Random) -> dict[str, Any]:
    code, name, unit, category = rng.choice(LABS)
    identity, subject = f"{rng.getrandbits(128):032x}", f"Patient/{rng.getrandbits(128):032x}"
    day = f"20{rng.randint(10, 25)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    when = f"{day}T09:{rng.randint(10, 59)}:00Z"
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {
            "versionId": "1",
            "lastUpdated": when,
            "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"],
        },
        "identifier": [{"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.798268", "value": identity[:12]}],
        "status": "final",
        "category": [{"coding": [{"system": system, "code": category}], "text": category}],
        "code": {
            "coding": [
                {"system": "http://loinc.org", "code": code, "display": name},
                {
                    "system": "urn:oid:1.2.840.114350.1.13.0.1.7.5.737384",
                    "code": "5",
                    "display": name.upper(),
                },
            ],
            "text": name,
        },
        "subject": {"reference": subject, "display": 'Núñez, Carmen "Mina"'},
        "encounter": {"reference": f"Encounter/{rng.getrandbits(128):032x}"},
        "effectiveDateTime": when,
        "issued": when,
        "performer": [{"reference": f"Practitioner/{identity}", "display": "Aoife O'Neil, MD"}],
        "valueQuantity": {
            "value": round(rng.uniform(1, 200), rng.randint(0, 2)),
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
        "referenceRange": [{"low": {"value": 10.5, "unit": unit}, "high": {"value": 150, "unit": unit}}],
        "note": [{"text": " ".join(rng.choices(WORDS, k=10))}],
    }


def document(rng: random.Random, size: int) -> dict[str, Any]:
    data = base64.b64encode(rng.randbytes(size * 3 // 4)).decode()
    return {
        "resourceType": "DocumentReference",
        "id": f"{rng.getrandbits(128):032x}",
        "status": "current",
        "type": {"text": "Scanned outside records"},
        "content": [{"attachment": {"contentType": "application/pdf", "data": data, "title": "Scan"}}],
    }


def write_result(path: Path, size: int) -> None:
    """Seven tenths of the bytes are Observations, the rest scans of 5 MB, or of a tenth when that is less."""
    rng, scan = random.Random(size), min(5_000_000, size // 10)
    written = scanned = 0
    with path.open("wb", CHUNK) as out:
        out.write(b'{"errorData":{"errors":[],"highestError":null},"fhirVersion":"R4","payload":')
        out.write(b'{"resourceType":"Bundle","type":"collection","entry":[')
        while written < size:
            with_scan = scanned < 0.3 * written - scan / 2
            resource = document(rng, scan) if with_scan else observation(rng)
            entry = {
                "fullUrl": f"urn:uuid:{resource['id']}",
                "resource": resource,
                "search": {"mode": "match"},
            }
            text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()
            scanned += len(text) if with_scan else 0
            written += out.write(b"," + text if written else text)
        out.write(b"]}}")


# --- the ways to split it ------------------------------------------------------------------------


class Sinks:
    """A file for every type, as the results bucket has them, but going nowhere."""

    def __init__(self) -> None:
        self._files: dict[str, BinaryIO] = {}
        self.count = 0

    def write(self, resource_type: str, raw: bytes) -> None:
        file = self._files.get(resource_type)
        if file is None:
            file = self._files[resource_type] = Path("/dev/null").open("wb", CHUNK)  # noqa: SIM115
        file.write(raw)
        file.write(b"\n")
        self.count += 1


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def with_splitter(path: Path, sinks: Sinks) -> None:
    sys.path.insert(0, str(ROOT / "layers" / "common"))
    from portico.splitter import Splitter

    for resource_type, raw in Splitter(chunks(path)):
        sinks.write(resource_type, raw)


def with_json(path: Path, sinks: Sinks) -> None:
    for entry in json.loads(path.read_bytes())["payload"]["entry"]:
        resource = entry["resource"]
        sinks.write(resource["resourceType"], json.dumps(resource, separators=(",", ":")).encode())


def with_msgspec(path: Path, sinks: Sinks) -> None:
    import msgspec

    for entry in msgspec.json.decode(path.read_bytes())["payload"]["entry"]:
        sinks.write(entry["resource"]["resourceType"], msgspec.json.encode(entry["resource"]))


def with_orjson_parse_only(path: Path, sinks: Sinks) -> None:
    import orjson

    sinks.count = len(orjson.loads(path.read_bytes())["payload"]["entry"])


def with_orjson(path: Path, sinks: Sinks) -> None:
    import orjson

    for entry in orjson.loads(path.read_bytes())["payload"]["entry"]:
        sinks.write(entry["resource"]["resourceType"], orjson.dumps(entry["resource"]))


def with_ijson(path: Path, sinks: Sinks) -> None:
    import ijson.backends.yajl2_c as ijson
    import orjson

    with path.open("rb") as file:
        for resource in ijson.items(file, "payload.entry.item.resource", use_float=True, buf_size=CHUNK):
            sinks.write(resource["resourceType"], orjson.dumps(resource))


WAYS: Final[dict[str, tuple[Callable[[Path, Sinks], None], tuple[str, ...]]]] = {
    "splitter": (with_splitter, ("msgspec",)),
    "json.loads + dumps": (with_json, ()),
    "msgspec, whole": (with_msgspec, ("msgspec",)),
    "orjson, parse only": (with_orjson_parse_only, ("orjson",)),
    "orjson, whole": (with_orjson, ("orjson",)),
    "ijson + orjson": (with_ijson, ("ijson", "orjson")),
}


# --- measuring -----------------------------------------------------------------------------------


def measure(way: str, path: Path) -> None:
    """Split the file in this process, and print seconds, peak megabytes and resources."""
    sinks, begun = Sinks(), time.perf_counter()
    WAYS[way][0](path, sinks)
    seconds = time.perf_counter() - begun
    status = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    print(json.dumps([seconds, int(status[1]) / 1024 if status else 0, sinks.count]))


def row(way: str, path: Path, runs: int) -> tuple[float, float, int]:
    """The best of some runs, each in a fresh process."""
    command = [sys.executable, __file__, "--measure", way, str(path)]
    measured = [
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(runs)
    ]
    seconds, megabytes, count = min(measured)
    return seconds, megabytes, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", nargs="*", type=int, default=[10, 100, 400])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], Path(arguments.measure[1]))
        return
    print(f"{'':20}{'MB':>6}{'seconds':>10}{'MB/s':>8}{'peak MB':>10}{'resources':>11}{'splitter is':>13}")
    for size in arguments.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "result.json"
            write_result(path, size * 1_000_000)
            best = 0.0
            for way, (_, needed) in WAYS.items():
                if not all(map(importlib.util.find_spec, needed)):
                    continue
                seconds, peak, count = row(way, path, arguments.runs)
                best = best or seconds
                print(
                    f"{way:20}{size:6}{seconds:10.3f}{size / seconds:8.0f}{peak:10.0f}{count:11}"
                    f"{seconds / best:12.1f}x"
                )


if __name__ == "__main__":
    main()
