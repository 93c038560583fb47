"""Starting an asynchronous retrieval at the vendor: once, with fresh tokens, whatever happens in between."""

from typing import Any

import pytest

from portico.errors import (
    NotFound,
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnreachable,
    PorticoError,
    ReauthorizationRequired,
    StorageUnavailable,
)
from portico.records_request import RecordsRequest
from portico.retrieval import Retrieval, Status, wait_before
from portico.submission import Submitter
from tests.unit.fakes import START, Crash, raising
from tests.unit.samples import ALICE, PATIENT, World

REQUEST = RecordsRequest.parse({"resources": ["Labs"], "params": {"excludeUndatedEntries": True}})


class Submission:
    def __init__(self) -> None:
        self.world = World()
        self.connection = self.world.connect()
        self.id = self.world.requester.later(self.connection.id, ALICE, REQUEST).id
        parts: Any = (self.world.sealer, self.world.clock, 5.0)
        self.submitter = Submitter(self.world.retrievals, self.world.refresher, self.world.vendor, *parts)
        self.running = {
            "retrievalId": self.id,
            "connectionId": self.connection.id,
            "status": "running",
            "wait": 5,
        }

    @property
    def stored(self) -> Retrieval:
        return self.world.retrievals.items[self.id]


@pytest.fixture
def submission() -> Submission:
    return Submission()


def test_a_retrieval_is_begun_with_portal_tokens_and_filter(submission: Submission) -> None:
    assert submission.submitter.begin(submission.id) == submission.running
    ((portal_id, tokens, request),) = submission.world.vendor.submitted
    assert (portal_id, tokens.patient_id and tokens.patient_id.reveal(), request) == (
        "portal",
        PATIENT,
        REQUEST,
    )


def test_the_vendors_transaction_is_kept_under_seal(submission: Submission) -> None:
    submission.submitter.begin(submission.id)
    assert submission.stored.submitted_at == START
    assert submission.stored.transaction is not None
    assert b"transaction-1" not in submission.stored.transaction


def test_a_repeated_call_submits_nothing(submission: Submission) -> None:
    submission.submitter.begin(submission.id)
    assert submission.submitter.begin(submission.id) == submission.running
    assert len(submission.world.vendor.submitted) == 1


def test_tokens_about_to_expire_are_refreshed_first(submission: Submission) -> None:
    submission.world.clock.advance(3500)
    submission.submitter.begin(submission.id)
    assert submission.world.stored(submission.connection.id).generation == 2


def test_a_refused_token_is_refreshed_once_and_the_start_repeated(submission: Submission) -> None:
    submission.world.vendor.access.clear()
    assert submission.submitter.begin(submission.id) == submission.running
    assert submission.world.stored(submission.connection.id).generation == 2


def test_a_revoked_grant_needs_the_patient(submission: Submission) -> None:
    submission.world.vendor.revoke()
    with pytest.raises(ReauthorizationRequired):
        submission.submitter.begin(submission.id)
    assert submission.stored.transaction is None


@pytest.mark.parametrize("error", [PortalUnreachable(), PortalBusy(), PortalUnclear(), StorageUnavailable()])
def test_a_passing_fault_is_the_workflows_to_repeat(submission: Submission, error: PorticoError) -> None:
    submission.world.effects.fail("vendor.start", error)
    with pytest.raises(type(error)):
        submission.submitter.begin(submission.id)
    assert submission.submitter.begin(submission.id) == submission.running


def test_a_refusal_for_good_escapes_by_its_name(submission: Submission) -> None:
    submission.world.effects.fail("vendor.start", PortalRejected(403))
    with pytest.raises(PortalRejected):
        submission.submitter.begin(submission.id)


def test_a_retrieval_that_nobody_waits_for_submits_nothing(submission: Submission) -> None:
    submission.world.retrievals.cancel(submission.stored)
    for retrieval_id in (submission.id, "nothing"):
        assert submission.submitter.begin(retrieval_id) == {"retrievalId": retrieval_id, "status": "stopped"}
    assert submission.world.vendor.submitted == []


def test_a_retrieval_cancelled_while_it_is_begun_stops(submission: Submission) -> None:
    submission.world.effects.on(
        "vendor.start", lambda: submission.world.discarding.discard(submission.stored)
    )
    assert submission.submitter.begin(submission.id)["status"] == "stopped"
    assert submission.world.retrievals.items == {}


def test_a_connection_deleted_before_the_start_has_nothing_to_begin(submission: Submission) -> None:
    submission.world.effects.on(
        "retrievals.get done",
        lambda: submission.world.disconnector.delete(submission.connection.id, ALICE) and None,
    )
    with pytest.raises(NotFound):
        submission.submitter.begin(submission.id)


def steps() -> int:
    submission = Submission()
    before = len(submission.world.effects.seen)
    submission.submitter.begin(submission.id)
    return len(submission.world.effects.seen) - before


@pytest.mark.parametrize("step", range(steps()))
def test_killed_at_any_point_and_called_again_it_runs_and_the_newest_transaction_counts(step: int) -> None:
    submission = Submission()
    submission.world.effects.at(step, raising(Crash()))
    with pytest.raises(Crash):
        submission.submitter.begin(submission.id)
    assert submission.submitter.begin(submission.id) == submission.running
    assert submission.stored.status is Status.RUNNING
    assert submission.stored.transaction is not None
    assert len(submission.world.vendor.submitted) <= 2


@pytest.mark.parametrize(
    ("poll", "first", "wait"),
    [
        *[(0, 5, 5), (1, 5, 7), (2, 5, 10), (10, 5, 145), (14, 5, 556), (15, 5, 600), (10_000, 5, 600)],
        *[(0, 0, 0), (3, 0, 3), (100, 0, 5), (0, 0.4, 0), (10_000, 0.001, 600)],
    ],
)
def test_waits_grow_by_two_fifths_up_to_ten_minutes(poll: int, first: float, wait: int) -> None:
    assert wait_before(poll, first) == wait
