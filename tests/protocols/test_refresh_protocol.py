"""The refresh protocol keeps its promises in every history that is played, and the proof can tell when it does not."""

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from portico import attempt, refresh
from portico.adapters.onerecord import TOKEN_SECONDS
from sandbox.world.template import load
from tests import backends
from tests.backends import ROOT, Backend
from tests.protocols import refresh_world
from tests.protocols.effects import Make
from tests.protocols.items import MemoryItems
from tests.protocols.mutants import MUTANTS, Mutant
from tests.protocols.parallel import play_all
from tests.protocols.plans import Kind, plan
from tests.protocols.refresh_world import World
from tests.protocols.table_items import TableItems

HISTORIES = 200_000
OVER_DYNAMODB = 60


def test_no_history_breaks_a_promise() -> None:
    outcome = play_all(refresh_world.played, 0, HISTORIES)
    print(f"refresh histories: {outcome}")  # noqa: T201
    assert not outcome.broken, f"{outcome}\n{refresh_world.story(min(outcome.broken))}"
    assert outcome.played == HISTORIES


def test_every_planted_fault_is_found() -> None:
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork"), gc.freeze) as pool:
        found = dict(
            zip((mutant.name for mutant in MUTANTS), pool.map(_hunted, range(len(MUTANTS))), strict=True)
        )
    for name, caught in sorted(found.items()):
        print(f"{caught:>7}  {name}")  # noqa: T201
    assert [name for name, caught in found.items() if not caught] == []
    assert len(found) >= 14


def _hunted(number: int) -> int:
    found = MUTANTS[number].survives()
    return found[0] if found else 0


def test_a_seed_plays_the_same_history_every_time() -> None:
    for seed in range(200):
        assert _traced(seed, Make()) == _traced(seed, Make())


def test_a_broken_history_is_told_as_small_as_it_can_be() -> None:
    mutant = Mutant("no lease", next(m for m in MUTANTS if m.name == "no lease").make)
    caught = mutant.survives()
    assert caught is not None
    _, seed, said = caught
    story = refresh_world.story(seed, mutant.make)
    assert story.endswith(said)
    assert len(refresh_world.smallest(plan(seed), mutant.make).events) <= len(plan(seed).events)


def test_the_seeds_meet_every_kind_of_event() -> None:
    assert {event.kind for seed in range(2000) for event in plan(seed).events} == set(Kind)


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Backend]:
    with backends.moto() as backend:
        backend.use()
        yield backend


def test_the_tables_own_expressions_tell_the_same_stories(dynamodb: Backend) -> None:
    seeds = [seed for seed in range(1000) if len(plan(seed).events) > 2][:OVER_DYNAMODB]
    for seed in seeds:
        memory = _traced(seed, Make(items=MemoryItems))
        table = _traced(seed, Make(items=lambda: TableItems(dynamodb)))
        assert table == memory, f"seed {seed}"


def _traced(seed: int, make: Make) -> list[str]:
    trace: list[str] = []
    World(plan(seed), make, trace).play()
    return trace


# --- the numbers -----------------------------------------------------------------------------------


def test_the_numbers_keep_the_order_that_the_protocol_rests_on() -> None:
    assert refresh.UPSTREAM_SECONDS + refresh.PERSIST_SECONDS < refresh.FUNCTION_SECONDS
    assert refresh.FUNCTION_SECONDS < refresh.LEASE_SECONDS < refresh.RETRY_SECONDS
    waited = refresh.HEIR_WAITS_SECONDS + refresh.UPSTREAM_SECONDS + refresh.PERSIST_SECONDS
    assert waited < refresh.FUNCTION_SECONDS
    assert refresh.PARK_SECONDS < refresh.PERSIST_SECONDS
    assert TOKEN_SECONDS <= refresh.UPSTREAM_SECONDS


def test_the_template_gives_the_functions_the_time_that_the_numbers_assume() -> None:
    resources = load(ROOT / "template.yaml")["Resources"]
    timeout = {
        name: resources[f"{name}Function"]["Properties"]["Timeout"]
        for name in ("RefreshConnection", "ExchangeToken")
    }
    assert timeout["RefreshConnection"] == refresh.FUNCTION_SECONDS
    assert refresh.FUNCTION_SECONDS <= timeout["ExchangeToken"] < attempt.LEASE_SECONDS
    assert resources["RefreshQueue"]["Properties"]["VisibilityTimeout"] >= refresh.FUNCTION_SECONDS
    assert resources["RefreshQueue"]["Properties"]["VisibilityTimeout"] == refresh_world.VISIBILITY_SECONDS
    redrive = resources["RefreshQueue"]["Properties"]["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == refresh_world.MOST_RECEIVES
