"""The end of a retrieval that brought nothing."""

import pytest

from portico import errors
from portico.failing import Failer, reason_of
from portico.records_request import RecordsRequest
from portico.retrieval import Result, Retrieval, Status
from tests.unit.fakes import START, Crash, raising
from tests.unit.samples import ALICE, World


class Failing:
    def __init__(self) -> None:
        self.world = World()
        self.connection = self.world.connect()
        retrieval = self.world.requester.later(self.connection.id, ALICE, RecordsRequest())
        self.id = retrieval.id
        self.world.results.objects[f"{retrieval.prefix}/half"] = b"{}\n"
        self.failer = Failer(self.world.retrievals, self.world.results, self.world.clock)
        self.failed = {
            "retrievalId": self.id,
            "connectionId": self.connection.id,
            "status": "failed",
            "reason": "result_expired",
        }

    @property
    def stored(self) -> Retrieval:
        return self.world.retrievals.items[self.id]


@pytest.fixture
def failing() -> Failing:
    return Failing()


def test_the_reason_is_kept_and_told_and_no_file_remains(failing: Failing) -> None:
    assert failing.failer.fail(failing.id, "ResultExpired") == failing.failed
    assert (failing.stored.status, failing.stored.reason) == (Status.FAILED, "result_expired")
    assert failing.stored.expires_at == START + 7 * 86_400
    assert failing.world.results.objects == {}
    assert failing.world.stored(failing.connection.id).last_retrieval == {
        "id": failing.id,
        "status": "failed",
        "finishedAt": "2026-11-24T09:30:00Z",
    }


def test_a_repeated_call_says_the_same_whatever_failed_since(failing: Failing) -> None:
    failing.failer.fail(failing.id, "ResultExpired")
    assert failing.failer.fail(failing.id, "States.Timeout") == failing.failed


def test_a_retrieval_that_is_gone_cancelled_or_done_only_stops(failing: Failing) -> None:
    stopped = {"retrievalId": failing.id, "status": "stopped"}
    assert failing.failer.fail("nothing", "Defect") == {"retrievalId": "nothing", "status": "stopped"}
    running = failing.stored
    failing.world.retrievals.cancel(running)
    assert failing.failer.fail(failing.id, "Defect") == stopped
    failing.world.retrievals.items[failing.id] = running
    failing.world.retrievals.complete(running, Result([], [], "R4", START))
    assert failing.failer.fail(failing.id, "Defect") == stopped


def test_a_retrieval_cancelled_meanwhile_only_stops(failing: Failing) -> None:
    failing.world.effects.on("retrievals.fail", lambda: failing.world.discarding.discard(failing.stored))
    assert failing.failer.fail(failing.id, "Defect")["status"] == "stopped"


@pytest.mark.parametrize("step", range(6))
def test_killed_at_any_point_and_called_again_the_reason_is_kept(failing: Failing, step: int) -> None:
    failing.world.effects.at(step, raising(Crash()))
    with pytest.raises(Crash):
        failing.failer.fail(failing.id, "ResultExpired")
    assert failing.failer.fail(failing.id, "ResultExpired") == failing.failed
    assert failing.world.results.objects == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("ResultExpired", "result_expired"),
        ("ReauthorizationRequired", "reauthorization_required"),
        ("RetrievalOverdue", "retrieval_overdue"),
        ("PortalUnclear", "portal_unclear"),
        ("RetrievalFailed", "vendor_error"),
        ("States.Timeout", "timeout"),
        ("States.TaskFailed", "internal"),
        ("Defect", "internal"),
        ("Lambda.Unknown", "internal"),
        ("KeyError", "internal"),
        ("", "internal"),
        ("__name__", "internal"),
        ("Patient Jane Roe", "internal"),
    ],
)
def test_an_error_has_a_reason_of_a_fixed_vocabulary(error: str, reason: str) -> None:
    assert reason_of(error) == reason


def test_every_error_that_can_escape_a_task_has_a_reason_in_small_letters() -> None:
    names = [name for name, kind in vars(errors).items() if isinstance(kind, type)]
    assert all(reason_of(name).replace("_", "").islower() for name in names)
