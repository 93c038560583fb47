"""Who may import whom: the house's table, held by reading the code."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "common" / "portico"
EDGE = {"api", "browser", "task", "log"}
"""The HTTP and task edge; handlers alone build on it."""
SETTINGS = {"config", "deployment"}
AWS = {"boto3", "botocore"}
HTTP = {"httpx", "httpcore"}
POWERTOOLS = {"aws_lambda_powertools"}
# Time, randomness and surroundings are given to the domain, never fetched by it.
SURROUNDINGS = {"os", "time", "random", "secrets", "socket", "subprocess", "urllib.request", "logging"}


@dataclass(frozen=True)
class Rule:
    """What a kind of module may not import; `lazily` what it may import inside a function or for types alone."""

    forbidden: frozenset[str]
    lazily: frozenset[str] = field(default=frozenset())


def rule(*groups: set[str], lazily: set[str] | None = None) -> Rule:
    return Rule(frozenset().union(*groups), frozenset(lazily or set()))


def parts(names: set[str]) -> set[str]:
    return {f"portico.{name}" for name in names}


RULES = {
    "handler": rule(AWS, HTTP, {"os", "functions"}),
    "domain": rule(
        AWS, HTTP, POWERTOOLS, SURROUNDINGS, {"portico.adapters", "cryptography"}, parts(EDGE | SETTINGS)
    ),
    "adapter": rule(POWERTOOLS, {"os", "functions"}, parts(EDGE | SETTINGS)),
    "edge": rule(AWS, HTTP, {"os", "portico.adapters", "portico.deployment", "functions"}),
    "config": rule(AWS, HTTP, POWERTOOLS, {"portico.adapters", "portico.deployment"}, parts(EDGE)),
    "deployment": rule(
        AWS, HTTP, POWERTOOLS, {"os"}, {"portico.adapters"}, parts(EDGE), lazily={"portico.adapters"}
    ),
}


def kind_of(path: Path) -> str:
    """Which rule a module is under."""
    if path.name == "handler.py":
        return "handler"
    if path.parent.name == "adapters":
        return "adapter"
    if path.stem in EDGE:
        return "edge"
    return path.stem if path.stem in SETTINGS else "domain"


def imports(tree: ast.AST, *, at_once: bool = True) -> Iterator[tuple[str, bool]]:
    """Every module that is imported, and whether importing this module imports it too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield module, at_once
            yield from ((f"{module}.{alias.name}", at_once) for alias in node.names)
        else:
            later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _for_types(node)
            yield from imports(node, at_once=at_once and not later)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def violations(kind: str, source: str) -> list[str]:
    """The imports of a module's source that its rule forbids."""
    found = []
    for name, at_once in imports(ast.parse(source)):
        for forbidden in RULES[kind].forbidden:
            lazy = not at_once and forbidden in RULES[kind].lazily
            if not lazy and f"{name}.".startswith(f"{forbidden}."):
                found.append(name)
    return found


MODULES = sorted([*PACKAGE.rglob("*.py"), *ROOT.glob("functions/*/handler.py")])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_place_allows(path: Path) -> None:
    assert violations(kind_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("handler", "import boto3"),
        ("handler", "from os import environ"),
        ("handler", "def f():\n    import httpx"),
        ("handler", "from functions.exchange_token import handler"),
        ("domain", "from portico.adapters.aws import client"),
        ("domain", "from portico import config"),
        ("domain", "from portico import api"),
        ("domain", "import time"),
        ("domain", "from secrets import token_bytes"),
        ("domain", "from aws_lambda_powertools import Logger"),
        ("domain", "if TYPE_CHECKING:\n    from portico.adapters.aws import client"),
        ("adapter", "import os"),
        ("adapter", "from portico.api import answer"),
        ("adapter", "from portico import deployment"),
        ("edge", "import botocore.exceptions"),
        ("edge", "from portico.adapters import aws"),
        ("config", "from portico.adapters import aws"),
        ("deployment", "from portico.adapters.aws import client"),
    ],
)
def test_what_is_forbidden_is_found(kind: str, source: str) -> None:
    assert violations(kind, source)


def test_a_deployment_may_import_its_parts_when_they_are_made() -> None:
    source = "def sealer():\n    from portico.adapters.kms_sealer import KmsSealer"
    assert violations("deployment", source) == []


def test_the_errors_import_nothing() -> None:
    assert list(imports(ast.parse((PACKAGE / "errors.py").read_text()))) == []


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE / "adapters"])
def test_importing_the_package_costs_nothing(folder: Path) -> None:
    assert (folder / "__init__.py").read_text() == ""


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself, or nothing."""

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in clean:
            return []
        for following in sorted(graph.get(name, ())):
            if found := walk(following, [*way, name]):
                return found
        clean.add(name)
        return []

    clean: set[str] = set()
    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def test_no_module_imports_itself_by_a_detour() -> None:
    known = {
        "portico." + ".".join(p.relative_to(PACKAGE).with_suffix("").parts): p
        for p in MODULES
        if PACKAGE in p.parents
    }
    graph = {
        name: {imported for imported, _ in imports(ast.parse(path.read_text())) if imported in known}
        for name, path in known.items()
    }
    assert cycle(graph) == []


def test_a_detour_is_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}) == ["a", "b", "c", "a"]


def test_nothing_in_the_domain_reads_a_clock() -> None:
    """`datetime` is imported for formatting; asking it for the time is what is forbidden."""
    asking = {"now", "utcnow", "today", "urandom", "uuid4"}
    for path in PACKAGE.glob("*.py"):
        if kind_of(path) == "domain":
            named = {n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)}
            calls = {
                n.func.attr
                for n in ast.walk(ast.parse(path.read_text()))
                if isinstance(n, ast.Call)
                and isinstance(n.func, ast.Attribute)
                and isinstance(n.func.value, ast.Name)
                and n.func.value.id in ("datetime", "date", "time", "uuid", "os")
            }
            assert not calls & asking, path.name
            assert named >= calls
