"""Reading a retrieval: how it goes, what it brought, why it failed, when it is over."""

from dataclasses import replace
from typing import Any

import pytest

from portico.errors import (
    Gone,
    NotFound,
    PorticoError,
    ReauthorizationRequired,
    RetrievalFailed,
    RetrievalOverdue,
)
from portico.ids import new_id
from portico.reading import Reader, failure_of
from portico.records_request import RecordsRequest
from portico.retrieval import Result, Retrieval, Status
from tests.unit.fakes import START, Randomness
from tests.unit.samples import ALICE, BOB, World

ID = new_id(Randomness())
RUNNING = Retrieval(ID, "connection", ALICE, RecordsRequest(), START, "prefix")
COMPLETED = replace(
    RUNNING, status=Status.COMPLETED, result=Result([], [], "R4", START), expires_at=START + 600
)
FAILED = replace(RUNNING, status=Status.FAILED, reason="vendor_error", expires_at=START + 600)


def reader(retrieval: Retrieval = RUNNING, later: float = 0) -> Reader:
    world = World()
    world.retrievals.items[retrieval.id] = retrieval
    world.clock.advance(later)
    return Reader(world.retrievals, world.clock)


@pytest.mark.parametrize("retrieval", [RUNNING, COMPLETED])
def test_a_running_or_completed_retrieval_is_read(retrieval: Retrieval) -> None:
    assert reader(retrieval).read(ID, ALICE) == retrieval


@pytest.mark.parametrize("retrieval", [RUNNING, COMPLETED, FAILED])
def test_t17_anothers_retrieval_is_not_found(retrieval: Retrieval) -> None:
    with pytest.raises(NotFound):
        reader(retrieval).read(ID, BOB)


@pytest.mark.parametrize("retrieval_id", ["", "nothing", "x" * 22, "running.connection.x", ID + "="])
def test_what_is_no_retrieval_is_not_found(retrieval_id: str) -> None:
    with pytest.raises(NotFound):
        reader().read(retrieval_id, ALICE)


def test_t28_a_malformed_id_costs_no_read() -> None:
    world = World()
    with pytest.raises(NotFound):
        Reader(world.retrievals, world.clock).owned("running.lock", ALICE)
    assert world.effects.seen == []


def test_a_cancelled_retrieval_is_not_found() -> None:
    with pytest.raises(NotFound):
        reader(replace(FAILED, reason="cancelled", expires_at=0)).read(ID, ALICE)


@pytest.mark.parametrize("retrieval", [COMPLETED, FAILED])
def test_after_its_retention_a_retrieval_is_gone(retrieval: Retrieval) -> None:
    with pytest.raises(Gone, match="retention_over"):
        reader(retrieval, later=600).read(ID, ALICE)


def test_a_failed_retrieval_can_be_had_whole_by_its_owner() -> None:
    assert reader(FAILED).owned(ID, ALICE) == FAILED


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("vendor_error", RetrievalFailed),
        ("result_malformed", RetrievalFailed),
        ("internal", RetrievalFailed),
        ("reauthorization_required", ReauthorizationRequired),
        ("retrieval_overdue", RetrievalOverdue),
        ("timeout", RetrievalOverdue),
    ],
)
def test_a_failed_retrieval_tells_its_reason(reason: str, error: type[PorticoError]) -> None:
    with pytest.raises(error) as told:
        reader(replace(FAILED, reason=reason)).read(ID, ALICE)
    assert not isinstance(told.value, RetrievalFailed) or told.value.why == reason


def test_a_failure_without_reason_is_ours() -> None:
    told: Any = failure_of("internal")
    assert told.why == "internal"


def test_a_retrieval_whose_workflow_must_be_over_is_overdue() -> None:
    assert reader(later=3600 + 1200).read(ID, ALICE) == RUNNING
    with pytest.raises(RetrievalOverdue):
        reader(later=3600 + 1201).read(ID, ALICE)


@pytest.mark.parametrize(("age", "seconds"), [(0, 1), (4, 1), (20, 5), (120, 30), (3000, 30)])
def test_asking_again_is_worth_while_in_proportion_to_the_time_it_took_so_far(
    age: float, seconds: int
) -> None:
    assert reader(later=age).retry_after(RUNNING) == seconds


def test_progress_says_how_often_the_portal_was_asked() -> None:
    assert reader().progress(RUNNING) == "starting"
    asked = replace(RUNNING, submitted_at=START, polls=3)
    assert reader().progress(asked) == "waiting for the portal, asked 3 times"
