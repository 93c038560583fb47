"""Holds every answer of the API to openapi.yaml: what it does not describe must not happen.

    httpx.Client(base_url=world.api, event_hooks={"response": [Traffic.of_the_api()]})

Status, content type, headers and every field have to be described for the operation that was called.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEM = "application/problem+json"
_URI = "urn:portico:openapi"
Json = dict[str, Any]


class Undescribed(AssertionError):
    """An answer that openapi.yaml does not describe; the message says which, and in what."""


@cache
def document() -> Json:
    """openapi.yaml, references and all."""
    loaded: Json = yaml.safe_load(DOCUMENT.read_text())
    return loaded


@cache
def _registry() -> Registry[Any]:
    resource = Resource.from_contents(document(), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(_URI, resource)
    return registry


@cache
def _validator(pointer: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"{_URI}#{pointer}"},
        registry=_registry(),
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def faults_of(value: Any, pointer: str) -> list[str]:
    """What is wrong with a value by the schema that a JSON pointer into openapi.yaml names."""
    errors = sorted(_validator(pointer).iter_errors(value), key=lambda error: list(map(str, error.path)))
    return [f"{'/'.join(map(str, error.absolute_path)) or 'it'}: {error.message[:200]}" for error in errors]


def resolved(node: Any, pointer: str) -> tuple[Any, str]:
    """A node with its own reference followed, and where it stands then."""
    while isinstance(node, dict) and "$ref" in node:
        pointer = node["$ref"].removeprefix("#")
        node = document()
        for part in pointer.strip("/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
    return node, pointer


def below(pointer: str, *names: str) -> str:
    """A JSON pointer's children by name."""
    return pointer + "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


@dataclass(frozen=True)
class Operation:
    """An operation of openapi.yaml."""

    id: str
    method: str
    path: str
    node: Json = field(repr=False)
    pointer: str

    @property
    def public(self) -> bool:
        return self.node.get("security") == []

    @property
    def responses(self) -> dict[str, tuple[Json, str]]:
        """Status -> what is described for it, and where."""
        return {
            status: resolved(node, below(self.pointer, "responses", status))
            for status, node in self.node["responses"].items()
        }

    def schemas(self, status: str) -> list[Json]:
        """The problem schemas that a status may have."""
        response, pointer = self.responses[status]
        media = response.get("content", {}).get(PROBLEM)
        if media is None:
            return []
        schema, _ = resolved(media["schema"], below(pointer, "content", PROBLEM, "schema"))
        return [resolved(one, "")[0] for one in schema.get("oneOf", [schema])]

    @property
    def slugs(self) -> set[tuple[int, str]]:
        """Every kind of problem that is described, with its status."""
        return {
            (schema["properties"]["status"]["const"], slug_of(schema))
            for status in self.responses
            for schema in self.schemas(status)
        }


def slug_of(schema: Json) -> str:
    """The slug that a problem's schema stands for."""
    pattern: str = schema["properties"]["type"]["pattern"]
    return pattern.removeprefix("/problems/").removesuffix("$")


@cache
def operations() -> tuple[Operation, ...]:
    """All operations of openapi.yaml."""
    return tuple(
        Operation(node["operationId"], method.upper(), path, node, below("/paths", path, method))
        for path, item in document()["paths"].items()
        for method, node in item.items()
        if method in METHODS
    )


def operation_of(method: str, path: str) -> Operation | None:
    """The operation that a request is for. A path without variables goes before one with them, as in the API."""
    fitting = [o for o in operations() if o.method == method and _pattern(o.path).fullmatch(path)]
    return min(fitting, key=lambda o: o.path.count("{")) if fitting else None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


class Traffic:
    """An httpx event hook. `seen` counts the (operation, status) pairs that passed."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()

    @staticmethod
    @cache
    def of_the_api() -> "Traffic":
        """One for a whole process, so that what was never seen can be told at its end."""
        return Traffic()

    def __call__(self, answer: httpx.Response) -> None:
        """Raises Undescribed. What is only local (`/_local/`, `/app/`) is none of the API's."""
        path = unquote(answer.request.url.raw_path.partition(b"?")[0].decode())
        if path.startswith(("/_local/", "/app/")):
            return
        operation = operation_of(answer.request.method, path)
        answer.read()
        faults = faults_in(operation, answer.status_code, answer.headers, answer.content)
        if faults:
            name = operation.id if operation else "no operation"
            raise Undescribed(f"{answer.request.method} {name} {answer.status_code}: {'; '.join(faults)}")
        if operation:
            self.seen[operation.id, answer.status_code] += 1


def faults_in(operation: Operation | None, status: int, headers: httpx.Headers, content: bytes) -> list[str]:
    """What is undescribed about an answer; nothing when all is well."""
    if operation is None:
        # Neither route nor operation: only API Gateway itself may answer.
        body = _parsed(content)
        fine = status in (403, 404) and not faults_of(body, "/components/schemas/GatewayMessage")
        return [] if fine else ["the request is for no operation"]
    if str(status) not in operation.responses:
        return ["the status is not described"]
    response, pointer = operation.responses[str(status)]
    media = headers.get("content-type", "").strip().lower()
    by_gateway = media.startswith("application/json") and not faults_of(
        _parsed(content), "/components/schemas/GatewayMessage"
    )
    return [
        *_faults_of_headers(response, pointer, headers),
        *([] if by_gateway else _faults_of_ours(status, headers)),
        *_faults_of_content(response, pointer, media, content),
    ]


def _faults_of_headers(response: Json, pointer: str, headers: httpx.Headers) -> list[str]:
    described = {name.lower(): (name, node) for name, node in response.get("headers", {}).items()}
    always = {name.lower() for name in document()["x-gateway-headers"]}
    faults = [f"the header {n} is not described" for n in headers if n not in described.keys() | always]
    for lower, (name, node) in described.items():
        header, at = resolved(node, below(pointer, "headers", name))
        if lower not in headers:
            faults += [f"the header {name} is missing"] if header.get("required") else []
            continue
        values = headers.get_list(lower) if lower == "set-cookie" else [headers[lower]]
        for text in values:
            value = int(text) if header["schema"].get("type") == "integer" and text.isdigit() else text
            faults += [f"the header {name}: {fault}" for fault in faults_of(value, below(at, "schema"))]
    return faults


def _faults_of_ours(status: int, headers: httpx.Headers) -> list[str]:
    """What holds for every answer that is not API Gateway's own."""
    faults = [] if headers.get("cache-control") == "no-store" else ["the answer may be stored"]
    if status in (429, 503) and "retry-after" not in headers:
        faults.append("it does not say when to come back")
    return faults


def _faults_of_content(response: Json, pointer: str, media: str, content: bytes) -> list[str]:
    described = response.get("content")
    if not described:
        return ["there is content, and none is described"] if content else []
    if media not in described:
        return [f"the content type {media or 'of nothing'} is not described"]
    if not media.partition(";")[0].endswith("json"):
        return [] if content else ["there is no content"]
    try:
        value = json.loads(content)
    except ValueError:
        return ["the content is not JSON"]
    return faults_of(value, below(pointer, "content", media, "schema"))


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
