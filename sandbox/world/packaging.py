"""What `sam package` does to a template, for the emulator: local folders become archives in a bucket.

The shared layer is built from source and from the libraries as they run on this machine, because the ones
that `sam build` makes are for arm64.
"""

import hashlib
import io
import py_compile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.world.emulator import ROOT

Json = dict[str, Any]
LAYER_LIBRARIES = ROOT / ".local" / "layer"
PYTHON_TAG = "cpython-313"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LOCAL_PATHS = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class PackagingError(Exception):
    """The template names something that is not there."""


def package(template: Json, base: Path, upload: Callable[[str, bytes], str]) -> Json:
    """The template with every local path replaced by the address that `upload(name, content)` gives.

    `template` itself stays as it is.
    """
    shared = template.get("Globals", {}).get("Function", {})
    resources = {}
    for name, resource in template["Resources"].items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        field = _LOCAL_PATHS.get(kind, "")
        path = properties.get(field, shared.get(field) if kind == "AWS::Serverless::Function" else None)
        if isinstance(path, str) and not path.startswith("s3://"):
            content, suffix = _content(kind, name, (base / path).resolve())
            key = hashlib.sha256(content).hexdigest()[:32] + suffix
            resource = resource | {"Properties": properties | {field: upload(key, content)}}
        resources[name] = resource
    packaged = template | {"Resources": resources}
    if "CodeUri" in shared:
        functions = {field: value for field, value in shared.items() if field != "CodeUri"}
        packaged["Globals"] = template["Globals"] | {"Function": functions}
    return packaged


def folders(template: Json) -> dict[str, str]:
    """Logical id of each function -> the name of the folder that it is written in."""
    shared = template.get("Globals", {}).get("Function", {}).get("CodeUri")
    found = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            path = resource["Properties"].get("CodeUri", shared)
            found[name] = Path(path).name if isinstance(path, str) else name
    return found


def _content(kind: str, name: str, path: Path) -> tuple[bytes, str]:
    if not path.exists():
        raise PackagingError(f"{name}: there is no {path}")
    if path.is_file():
        return path.read_bytes(), ""
    if kind == "AWS::Serverless::LayerVersion":
        return _layer(path), ".zip"
    return _archive(_sources(path, ".")), ".zip"


def _layer(path: Path) -> bytes:
    """python/ with the layer's packages, and their libraries if it has requirements."""
    members = list(_sources(path, "python"))
    members += [compiled for name, content in members if (compiled := _compiled(name, content))]
    if (path / "requirements.txt").exists():
        if not LAYER_LIBRARIES.is_dir():
            raise PackagingError("the layer's libraries are not installed: run `make setup`")
        members += _files(LAYER_LIBRARIES, "python")
    return _archive(members)


def _sources(path: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    return (member for member in _files(path, prefix) if "__pycache__" not in member[0])


def _files(path: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield (Path(prefix) / file.relative_to(path)).as_posix(), file.read_bytes()


def _compiled(name: str, source: bytes) -> tuple[str, bytes] | None:
    """The bytecode beside a module, never checked against it: a layer's files do not change."""
    if not name.endswith(".py"):
        return None
    module = Path(name)
    with tempfile.TemporaryDirectory() as folder:
        file, target = Path(folder) / module.name, Path(folder) / "code"
        file.write_bytes(source)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        try:
            py_compile.compile(str(file), str(target), f"/opt/{name}", doraise=True, invalidation_mode=mode)
        except py_compile.PyCompileError as error:
            raise PackagingError(str(error)) from None
        return f"{module.parent}/__pycache__/{module.stem}.{PYTHON_TAG}.pyc", target.read_bytes()


def _archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip archive that depends on nothing but names and contents. Stored: it never leaves this machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
