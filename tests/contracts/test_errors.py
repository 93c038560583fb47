"""Every error of ours is told, explained, and known to the workflow by its exact name."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portico import api, errors
from portico.errors import Defect, PorticoError, Retryable

ROOT = Path(__file__).parents[2]
PROBLEMS = (ROOT / "docs" / "problems.md").read_text()
WORKFLOW: dict[str, Any] = json.loads((ROOT / "statemachines" / "retrieve_records.asl.json").read_text())

CONTRACT = {
    "invalid-request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "not-authorized-yet": 409,
    "exchange-in-progress": 409,
    "different-patient": 409,
    "reauthorization-required": 409,
    "gone": 410,
    "authorization-rejected": 422,
    "invalid-handle": 400,
    "too-many-requests": 429,
    "portal-error": 502,
    "temporarily-unavailable": 503,
    "portal-timeout": 504,
    "internal": 500,
}
BY_API_GATEWAY = {"unauthorized"}
"""What the gateway refuses before any function of ours runs."""
HTTP_ALONE = {"TooManyRequests", "ExchangeInProgress"}
"""Errors of routes that no task of the workflow takes part in."""
# A poll counts the vendor's troubles itself, and reads no patient's tokens.
POLL_RAISES = {"StorageUnavailable", "KeyUnavailable"}


def instance(kind: type[PorticoError]) -> PorticoError:
    """An error of a kind, with whatever it wants to be told."""
    samples: dict[str, Any] = {"field": "field", "problem": "must be", "why": "why", "status": 418}
    wanted = inspect.signature(kind.__init__).parameters.values()
    return kind(*(samples[p.name] for p in wanted if p.default is p.empty and p.name in samples))


def kinds() -> Iterator[type[PorticoError]]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, PorticoError) and kind not in (PorticoError, Retryable):
            yield kind


KINDS = list(kinds())


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_told_by_a_status_and_slug_of_the_contract(kind: type[PorticoError]) -> None:
    status, slug, title = api.status_of(instance(kind))
    assert CONTRACT[slug] == status
    assert title


def test_every_slug_of_the_contract_is_some_errors_or_the_gateways() -> None:
    told = {api.status_of(instance(kind))[1] for kind in KINDS}
    assert told | BY_API_GATEWAY == CONTRACT.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_explained(kind: type[PorticoError]) -> None:
    _, slug, _ = api.status_of(instance(kind))
    section = sections(PROBLEMS).get(f"## {slug}", "")
    assert f"\n### {kind.__name__}\n" in section


@pytest.mark.parametrize("slug", CONTRACT)
def test_a_slug_is_explained(slug: str) -> None:
    assert f"\nStatus {CONTRACT[slug]}" in sections(PROBLEMS)[f"## {slug}"]


def test_nothing_is_explained_that_does_not_exist() -> None:
    headings = set(re.findall(r"^## (\S+)$", PROBLEMS, re.M))
    assert headings == CONTRACT.keys()
    named = set(re.findall(r"^### (\S+)$", PROBLEMS, re.M))
    assert named == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_drawn_in_the_tree(kind: type[PorticoError]) -> None:
    assert re.search(rf"── {kind.__name__} +\w", errors.__doc__ or "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_of_an_error_holds_only_fixed_words(kind: type[PorticoError]) -> None:
    assert re.fullmatch(r"[A-Za-z_ :]*(418)?", str(instance(kind)))


def sections(text: str) -> dict[str, str]:
    """The text under each second-level heading, the heading included."""
    found = re.split(r"^(?=## )", text, flags=re.M)[1:]
    return {section.splitlines()[0].strip(): section for section in found}


# --- the workflow ----------------------------------------------------------------------------------

NOT_OURS = ("States.", "Lambda.", "Runtime.", "Sandbox.")


def retried(state: dict[str, Any]) -> set[str]:
    return {name for retry in state.get("Retry", []) for name in retry["ErrorEquals"]}


def test_every_error_that_the_workflow_names_exists() -> None:
    named = {name for state in WORKFLOW["States"].values() for name in retried(state) if name}
    named |= {n for s in WORKFLOW["States"].values() for c in s.get("Catch", []) for n in c["ErrorEquals"]}
    ours = {name for name in named if not name.startswith(NOT_OURS)}
    assert ours <= {kind.__name__ for kind in KINDS}


def test_everything_that_may_be_tried_again_is_tried_again() -> None:
    retryable = {kind.__name__ for kind in KINDS if issubclass(kind, Retryable)} - HTTP_ALONE
    assert retryable <= retried(WORKFLOW["States"]["Begin"])
    assert retried(WORKFLOW["States"]["Poll"]) >= POLL_RAISES


def test_what_is_final_is_not_tried_again() -> None:
    final = {kind.__name__ for kind in KINDS if not issubclass(kind, Retryable)} - {"PortalUnusable"}
    for name in ("Begin", "Poll"):
        assert not retried(WORKFLOW["States"][name]) & final
    assert Defect.__name__ in final


def test_every_task_of_the_workflow_has_a_timeout_and_somewhere_to_go_when_it_fails() -> None:
    for name, state in WORKFLOW["States"].items():
        if state["Type"] == "Task" and not state["Resource"].endswith(":events:putEvents"):
            assert state["TimeoutSeconds"] > 0, name
            assert state.get("Catch") or "States.ALL" in retried(state), name
