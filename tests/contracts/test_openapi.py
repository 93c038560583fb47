"""openapi.yaml says what the template deploys and what the functions do."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from portico import api, connection, errors, retrieval
from portico.records_request import RESOURCES
from sandbox.world import template
from tests.openapi_traffic import (
    METHODS,
    PROBLEM,
    ROOT,
    Operation,
    Traffic,
    Undescribed,
    below,
    document,
    faults_of,
    operation_of,
    operations,
    resolved,
    slug_of,
)
from tools.expand_template import expanded

TEMPLATE = template.load(ROOT / "template.yaml")
SCHEMAS = document()["components"]["schemas"]
PROBLEMS = {
    name: schema
    for name, schema in SCHEMAS.items()
    if schema.get("allOf") == [{"$ref": "#/components/schemas/Problem"}]
}


def test_it_is_valid_openapi_3_1() -> None:
    assert document()["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document()).validate()


# --- the template ----------------------------------------------------------------------------------


def api_of_the_template() -> dict[tuple[str, str], list[Any]]:
    """(method, path) -> the scopes that the authorizer wants, nothing for a public route."""
    body = expanded()["Resources"]["Api"]["Properties"]["Body"]
    return {
        (method.upper(), path): [s["AppUser"] for s in operation.get("security", []) if "AppUser" in s]
        for path, item in body["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_it_has_the_routes_of_the_template_and_no_other() -> None:
    assert {(o.method, o.path) for o in operations()} == set(api_of_the_template())


def test_a_route_is_public_here_exactly_where_the_template_takes_its_authorizer_away() -> None:
    asked = {route for route, scopes in api_of_the_template().items() if scopes}
    assert {(o.method, o.path) for o in operations() if not o.public} == asked


def test_every_route_that_is_not_public_wants_the_deployed_scope() -> None:
    scope = TEMPLATE["Parameters"]["JwtScope"]["Default"]
    assert document()["security"] == [{"appUser": [scope]}]
    assert all(o.node.get("security") in (None, []) for o in operations())
    assert all(s in ([], [[{"Ref": "JwtScope"}]]) for s in api_of_the_template().values())


def test_parameters_of_the_path_are_described_under_the_names_that_the_template_gives_them() -> None:
    for operation in operations():
        names = set(re.findall(r"\{(\w+)\}", operation.path))
        assert {p["name"] for p in parameters_of(operation) if p["in"] == "path"} == names, operation.id


# --- completeness ----------------------------------------------------------------------------------


def parameters_of(operation: Operation) -> list[dict[str, Any]]:
    shared = document()["paths"][operation.path].get("parameters", [])
    return [resolved(node, "")[0] for node in [*shared, *operation.node.get("parameters", [])]]


def test_every_operation_is_told_to_a_reader() -> None:
    for operation in operations():
        assert operation.node["summary"] and operation.node["tags"], operation.id
    assert len({o.id for o in operations()}) == len(operations())


def test_requests_know_every_one_of_their_fields() -> None:
    for operation in operations():
        if "requestBody" in operation.node:
            schema, _ = resolved(operation.node["requestBody"]["content"]["application/json"]["schema"], "")
            assert schema["additionalProperties"] is False, operation.id


def test_every_object_says_whether_it_may_hold_more() -> None:
    """FHIR resources may; a problem and a connection are closed where they are used."""
    open_ones = {"Problem", "ConnectionFields", "Bundle/properties/entry/items/properties/resource"}

    def objects(node: Any, at: str) -> Iterator[str]:
        if isinstance(node, dict):
            kinds = node.get("type")
            if "object" in (kinds if isinstance(kinds, list) else [kinds]) or "allOf" in node:
                closed = False in (node.get("additionalProperties"), node.get("unevaluatedProperties"))
                if not closed and ("properties" in node or "type" in node):
                    yield at
            for name, child in node.items():
                yield from objects(child, f"{at}/{name}")

    found = {at for name, schema in SCHEMAS.items() for at in objects(schema, name)}
    assert found == open_ones


def test_every_component_is_used() -> None:
    text = json.dumps(document())
    for kind, components in document()["components"].items():
        if kind != "securitySchemes":
            for name in components:
                assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name}"


def test_every_example_is_one_of_what_it_stands_for() -> None:
    for at, example, schema in examples(document(), ""):
        assert not faults_of(example, schema), at


def examples(node: Any, at: str) -> Iterator[tuple[str, Any, str]]:
    """(where, value, pointer of its schema) of every example."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from examples(child, f"{at}/{index}")
    if not isinstance(node, dict):
        return
    if "schema" in node:
        for name, found in node.get("examples", {}).items():
            yield below(at, "examples", name), resolved(found, "")[0]["value"], below(at, "schema")
        if "example" in node:
            yield below(at, "example"), node["example"], below(at, "schema")
    for name, child in node.items():
        yield from examples(child, below(at, name))


def test_the_vocabularies_are_those_of_the_code() -> None:
    assert SCHEMAS["Resource"]["enum"] == list(RESOURCES)
    fields = SCHEMAS["ConnectionFields"]["properties"]
    assert set(fields["status"]["enum"]) == set(connection.Status)
    ends = {s.value for s in retrieval.Status} - {retrieval.Status.RUNNING.value}
    assert set(fields["lastRetrieval"]["properties"]["status"]["enum"]) == ends


def test_the_reasons_of_a_connection_are_those_that_the_code_gives() -> None:
    given = {"abandoned"}
    for path in (ROOT / "layers/common/portico").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                words = [a.value for a in node.args if isinstance(a, ast.Constant)]
                if node.func.attr == "over":
                    given |= {word for word in words if isinstance(word, str)}
    assert given <= set(SCHEMAS["ConnectionFields"]["properties"]["reason"]["enum"])


# --- problems --------------------------------------------------------------------------------------

TABLE = {(status, slug) for status, slug, _ in api._TABLE.values()}


def test_there_is_a_schema_for_every_problem_of_the_edge_and_none_beside() -> None:
    described = {(s["properties"]["status"]["const"], slug_of(s)) for s in PROBLEMS.values()}
    assert described == TABLE
    assert all(schema["unevaluatedProperties"] is False for schema in PROBLEMS.values())


def test_every_problem_is_described_where_its_status_is() -> None:
    for operation in operations():
        for status in operation.responses:
            for schema in operation.schemas(status):
                assert str(schema["properties"]["status"]["const"]) == status, operation.id


def handlers() -> dict[str, set[str]]:
    """Folder of each function -> the operations that it serves."""
    paths = {
        (event["Properties"]["Method"].upper(), event["Properties"]["Path"]): Path(
            resource["Properties"]["CodeUri"]
        ).name
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    served: dict[str, set[str]] = {}
    for operation in operations():
        served.setdefault(paths[operation.method, operation.path], set()).add(operation.id)
    return served


def told_in(source: Path) -> set[type[errors.PorticoError]]:
    """The errors that a module raises or makes, by name."""
    told: set[type[errors.PorticoError]] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        expression = node.exc if isinstance(node, ast.Raise) else node
        expression = expression.func if isinstance(expression, ast.Call) else expression
        if expression is node:  # neither raised nor called
            continue
        name = expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, errors.PorticoError):
            told.add(kind)
    return told


def slug_for(kind: type[errors.PorticoError]) -> str:
    """How the edge tells an error."""
    return next(api._TABLE[k][1] for k in kind.__mro__ if k in api._TABLE)


def modules_of(source: Path, *, deep: bool) -> set[Path]:
    """The modules of the layer that a file imports; with `deep`, those that these import, and so on."""
    layer = ROOT / "layers/common/portico"
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module == "portico":
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("portico."):
                names = [str(node.module).removeprefix("portico.")]
            for name in names:
                path = layer / f"{name.replace('.', '/')}.py"
                if path.exists() and path not in found and path.stem not in ("api", "errors"):
                    found.add(path)
                    if deep:
                        waiting.append(path)
    return found


def described_for(function: str) -> set[str]:
    """The slugs of all operations of a function."""
    return {slug for o in operations() if o.id in handlers()[function] for _, slug in o.slugs}


@pytest.mark.parametrize("function", handlers())
def test_what_a_functions_own_modules_tell_is_described_for_one_of_its_operations(function: str) -> None:
    handler = ROOT / "functions" / function / "handler.py"
    for module in [handler, *modules_of(handler, deep=False)]:
        assert {slug_for(kind) for kind in told_in(module)} <= described_for(function), module.name


@pytest.mark.parametrize("function", handlers())
def test_no_problem_is_described_that_no_module_of_its_function_tells(function: str) -> None:
    handler = ROOT / "functions" / function / "handler.py"
    told = {kind for module in modules_of(handler, deep=True) for kind in told_in(module)}
    assert described_for(function) <= {slug_for(kind) for kind in told} | {"not-found", "internal"}


# What can come of each operation beside a problem of its input: the one place where it is told by hand.
EVERYWHERE = {"internal"}
STORED = EVERYWHERE | {"temporarily-unavailable"}
VENDOR = STORED | {"portal-error", "portal-timeout"}
EXPECTED = {
    "searchPortals": VENDOR | {"invalid-request", "not-found"},
    "startConnection": VENDOR | {"invalid-request", "not-found", "too-many-requests"},
    "reconnect": VENDOR | {"invalid-request", "not-found", "not-authorized-yet", "gone", "too-many-requests"},
    "launchConnection": STORED,
    "showProblem": STORED,
    "receiveCallback": STORED,
    "exchangeToken": VENDOR
    | {"invalid-request", "invalid-handle", "not-found", "not-authorized-yet", "exchange-in-progress"}
    | {"different-patient", "gone", "authorization-rejected"},
    "listConnections": STORED | {"invalid-request", "not-found"},
    "readConnection": STORED | {"not-found"},
    "deleteConnection": STORED | {"not-found"},
    "retrieveRecords": VENDOR
    | {"invalid-request", "not-found", "not-authorized-yet", "reauthorization-required", "forbidden", "gone"},
    "readRetrieval": VENDOR | {"not-found", "reauthorization-required", "gone"},
    "cancelRetrieval": STORED | {"not-found"},
    "readFile": VENDOR | {"not-found", "reauthorization-required", "gone"},
}


@pytest.mark.parametrize("operation", operations(), ids=lambda o: o.id)
def test_every_operation_describes_its_problems(operation: Operation) -> None:
    assert {slug for _, slug in operation.slugs} == EXPECTED[operation.id]


@pytest.mark.parametrize("operation", operations(), ids=lambda o: o.id)
def test_every_operation_describes_what_the_gateway_may_answer(operation: Operation) -> None:
    by_gateway = {
        status
        for status, (response, _) in operation.responses.items()
        if response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
        == "#/components/schemas/GatewayMessage"
    }
    always = {"429", "500", "503"}
    if not operation.public:
        always |= {"401", "403", "404"}
    assert by_gateway == always | ({"413"} if "requestBody" in operation.node else set())


# --- the checker itself ----------------------------------------------------------------------------


def answered(status: int, body: Any = None, path: str = "/v1/connections", **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    content = b"" if body is None else json.dumps(body).encode()
    request = httpx.Request("GET", f"http://127.0.0.1{path}")
    return httpx.Response(status, headers=given, content=content, request=request)


EMPTY: dict[str, Any] = {"connections": [], "next": None}
OURS = {"cache_control": "no-store", "content_type": "application/json"}


def test_the_checker_lets_a_described_answer_pass() -> None:
    traffic = Traffic()
    traffic(answered(200, EMPTY, **OURS, apigw_requestid="JKJaXmPLvHcESHA="))
    traffic(
        answered(
            401, {"message": "Unauthorized"}, www_authenticate="Bearer", content_type=OURS["content_type"]
        )
    )
    traffic(answered(404, {"message": "Not Found"}, path="/v1/nothing"))
    traffic(answered(200, None, path="/_local/status"))
    assert traffic.seen == {("listConnections", 200): 1, ("listConnections", 401): 1}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (answered(418, EMPTY, **OURS), "the status is not described"),
        (answered(200, EMPTY, content_type="application/json"), "Cache-Control is missing"),
        (answered(200, EMPTY, **OURS, x_powered_by="python"), "x-powered-by is not described"),
        (answered(200, EMPTY | {"total": 0}, **OURS), "'total' was unexpected"),
        (answered(200, {"next": None}, **OURS), "'connections' is a required property"),
        (answered(200, EMPTY, cache_control="no-store", content_type="text/json"), "content type text/json"),
        (answered(200, EMPTY, cache_control="max-age=1", content_type="application/json"), "no-store"),
        (answered(503, {}, cache_control="no-store", content_type=PROBLEM), "when to come back"),
        (answered(200, EMPTY, path="/v1/nothing", **OURS), "for no operation"),
        (answered(202, None, path="/v1/retrievals/x/files/y", **OURS), "the status is not described"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_checker_refuses_an_answer_that_is_not_described(answer: httpx.Response, fault: str) -> None:
    with pytest.raises(Undescribed, match=re.escape(fault)):
        Traffic()(answer)


def test_the_checker_knows_a_fixed_path_from_one_with_a_variable() -> None:
    assert operation_of("GET", "/connect/problem").id == "showProblem"  # type: ignore[union-attr]
    assert operation_of("GET", "/connect/x").id == "launchConnection"  # type: ignore[union-attr]
    assert operation_of("PUT", "/connect/x") is None
