"""Polling for a result: every form of "not yet", of ready, of gone, and what becomes of trouble."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from portico.errors import (
    PortalBusy,
    PortalRejected,
    PortalTimeout,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
    ResultExpired,
    ResultMalformed,
    RetrievalFailed,
    RetrievalOverdue,
    StorageUnavailable,
)
from portico.polling import MOST_UNCLEAR, MOST_UNUSABLE, Poller
from portico.records_request import RESOURCES, RecordsRequest
from portico.retrieval import DEADLINE_SECONDS, Retrieval, Status
from portico.submission import Submitter
from tests.unit.fakes import START, Crash, envelope, raising
from tests.unit.samples import ALICE, World

Answer = tuple[int, Mapping[str, str], bytes]

CHART: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p"},
    {"resourceType": "Condition", "id": "asthma"},
    {"resourceType": "Observation", "id": "hr", "category": [{"coding": [{"code": "vital-signs"}]}]},
    {"resourceType": "Observation", "id": "hba1c", "category": [{"coding": [{"code": "laboratory"}]}]},
]
READY: Answer = (200, {}, envelope(CHART))


class Polling:
    """A submitted retrieval, and what the workflow does with it."""

    def __init__(self, transactions: list[str] | None = None, first_wait: float = 5.0) -> None:
        self.world = World()
        connection = self.world.connect()
        self.vendor = self.world.vendor
        if transactions:
            self.vendor.transactions.append(transactions)
        parts: Any = (self.world.sealer, self.world.clock, first_wait)
        self.submitter = Submitter(self.world.retrievals, self.world.refresher, self.vendor, *parts)
        self.poller = Poller(
            self.world.retrievals,
            self.vendor,
            self.world.sealer,
            self.world.results.ndjson_files,
            self.world.clock,
            first_wait,
        )
        request = RecordsRequest.parse({"resources": ["Patient", "Condition", "Vitals", "Labs"]})
        self.id = self.world.requester.later(connection.id, ALICE, request).id
        self.connection_id = connection.id
        self.submitter.begin(self.id)

    @property
    def stored(self) -> Retrieval:
        return self.world.retrievals.items[self.id]

    def answers(self, *answers: Answer, of: str = "transaction-1") -> None:
        self.vendor.answers[of] = list(answers)

    def poll(self) -> dict[str, Any]:
        return self.poller.poll(self.id)

    def running(self, wait: int) -> dict[str, Any]:
        return {
            "retrievalId": self.id,
            "connectionId": self.connection_id,
            "status": "running",
            "wait": wait,
        }

    def files(self) -> dict[str, bytes]:
        return {file.name: self.world.results.objects[file.key] for file in self.stored.result.files}  # type: ignore[union-attr]


@pytest.fixture
def polling() -> Polling:
    return Polling()


# --- ready -----------------------------------------------------------------------------------------


def test_a_result_is_stored_by_type_with_exact_counts(polling: Polling) -> None:
    polling.answers(READY)
    assert polling.poll() == {
        "retrievalId": polling.id,
        "connectionId": polling.connection_id,
        "status": "completed",
        "counts": {"Condition": 1, "Observation": 2, "Patient": 1},
    }
    assert {name: data.count(b"\n") for name, data in polling.files().items()} == {
        "Condition.ndjson": 1,
        "Observation.ndjson": 2,
        "Patient.ndjson": 1,
    }
    assert [json.loads(line) for line in polling.files()["Patient.ndjson"].splitlines()] == CHART[:1]


def test_a_completed_retrieval_tells_its_connection_and_forgets_its_transaction(polling: Polling) -> None:
    polling.answers(READY)
    polling.poll()
    assert (polling.stored.status, polling.stored.transaction) == (Status.COMPLETED, None)
    assert polling.stored.expires_at == START + 7 * 86_400
    assert polling.world.stored(polling.connection_id).last_retrieval == {
        "id": polling.id,
        "status": "completed",
        "finishedAt": "2026-11-24T09:30:00Z",
    }


def test_every_name_asked_for_is_accounted_for(polling: Polling) -> None:
    polling.answers((200, {}, envelope(CHART[:1])))
    polling.poll()
    assert polling.stored.result is not None
    ledger = {entry.resource: (entry.outcome, entry.count) for entry in polling.stored.result.ledger}
    asked = {
        "Patient": ("returned", 1),
        "Condition": ("empty", 0),
        "Vitals": ("empty", 0),
        "Labs": ("empty", 0),
    }
    assert ledger == {name: asked.get(name, ("not_asked", 0)) for name in RESOURCES}


def test_a_completed_retrieval_is_told_again_without_asking_again(polling: Polling) -> None:
    polling.answers(READY)
    first = polling.poll()
    asked = polling.world.effects.count("vendor.answer")
    assert polling.poll() == first
    assert polling.world.effects.count("vendor.answer") == asked


def test_an_empty_chart_is_a_result(polling: Polling) -> None:
    polling.answers((200, {}, envelope([])))
    assert polling.poll()["counts"] == {}
    assert polling.files() == {}


@pytest.mark.parametrize("payload", [None, {}, [], ""])
def test_an_answer_that_says_that_it_is_empty_is_a_result(polling: Polling, payload: Any) -> None:
    polling.answers((200, {}, envelope([], payload=payload)))
    assert polling.poll()["status"] == "completed"


def test_part_of_a_result_is_kept_and_what_failed_is_told(polling: Polling) -> None:
    errors = {
        "errors": [{"severity": "ERROR", "status": 500, "code": 12, "message": "Labs failed for Jane Roe"}]
    }
    polling.answers((200, {}, envelope(CHART[:2], errorData=errors)))
    assert polling.poll()["counts"] == {"Condition": 1, "OperationOutcome": 1, "Patient": 1}
    assert polling.stored.result is not None
    entries = {e.resource: e for e in polling.stored.result.ledger if e.outcome != "not_asked"}
    assert (entries["Labs"].outcome, entries["Labs"].detail) == ("failed", "status 500, code 12")
    assert entries["Condition"].outcome == "returned"
    assert b"Jane" not in b"".join(polling.files().values())


# --- not yet ---------------------------------------------------------------------------------------

NOT_YET: dict[str, Answer] = {
    "404": (404, {}, b'{"status":404,"error":"Not Found","message":"not found"}'),
    "404 empty": (404, {}, b""),
    "202": (202, {}, b""),
    "204": (204, {}, b""),
    "409": (409, {}, b""),
    "425": (425, {}, b""),
    "200 empty": (200, {}, b""),
    "200 {}": (200, {}, b"{}"),
    "200 null": (200, {}, b"null"),
    "200 payload null": (200, {}, b'{"errorData":{"errors":[]},"payload":null}'),
    "200 with words": (
        200,
        {},
        b'{"errorData":{"errors":[{"severity":"INFORMATION","message":"The data is not yet available"}]},'
        b'"payload":null}',
    ),
    "200 with an error's severity": (
        200,
        {},
        b'{"errorData":{"errors":[{"severity":"ERROR","message":"still processing"}]},"payload":null}',
    ),
    "200 flat": (200, {}, b'{"status":404,"error":"Not Found","message":"Result not ready"}'),
}


@pytest.mark.parametrize("answer", NOT_YET.values(), ids=NOT_YET)
def test_every_form_of_not_yet_is_waited_for(polling: Polling, answer: Answer) -> None:
    polling.answers(answer, READY)
    assert polling.poll() == polling.running(7)
    assert polling.poll()["status"] == "completed"


def test_waits_grow_and_the_last_look_is_at_the_deadline(polling: Polling) -> None:
    polling.world.clock.advance(5)
    waits = []
    while polling.world.clock() < START + DEADLINE_SECONDS:
        waits.append(polling.poll()["wait"])
        polling.world.clock.advance(waits[-1])
    assert waits[:8] == [7, 10, 14, 19, 27, 38, 53, 74]
    assert max(waits) == 600
    assert polling.world.clock() == START + DEADLINE_SECONDS
    with pytest.raises(RetrievalOverdue):
        polling.poll()


def test_a_result_that_comes_at_the_last_minute_is_taken(polling: Polling) -> None:
    polling.world.clock.advance(DEADLINE_SECONDS)
    polling.answers(READY)
    assert polling.poll()["status"] == "completed"


@pytest.mark.parametrize("status", [202, 404, 200])
def test_retry_after_wins_over_the_schedule(polling: Polling, status: int) -> None:
    polling.answers((status, {"retry-after": "42"}, b""))
    assert polling.poll() == polling.running(42)


# --- trouble ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [PortalUnreachable(), PortalBusy()])
def test_an_unreachable_or_busy_vendor_is_only_asked_again(polling: Polling, error: PorticoError) -> None:
    for _ in range(12):
        polling.world.effects.fail("vendor.answer", error)
        assert polling.poll()["status"] == "running"
    polling.answers(READY)
    assert polling.poll()["status"] == "completed"


def test_a_busy_vendor_is_asked_when_it_says_so(polling: Polling) -> None:
    polling.answers((429, {"retry-after": "90"}, b""))
    assert polling.poll() == polling.running(90)


@pytest.mark.parametrize(
    ("answer", "most", "error"),
    [
        ((500, {}, b""), MOST_UNCLEAR, RetrievalFailed),
        ((502, {}, b"<html>"), MOST_UNCLEAR, RetrievalFailed),
        ((302, {"location": "https://evil.example"}, b""), MOST_UNUSABLE, PortalUnusable),
        ((200, {}, b"<html>"), MOST_UNUSABLE, ResultMalformed),
        ((200, {}, envelope(CHART)[:-40]), MOST_UNUSABLE, ResultMalformed),
        ((400, {}, b""), MOST_UNUSABLE, PortalRejected),
        ((401, {}, b""), MOST_UNUSABLE, PortalRejected),
    ],
)
def test_trouble_is_counted_before_it_is_believed(
    polling: Polling, answer: Answer, most: int, error: type[PorticoError]
) -> None:
    polling.answers(answer)
    for _ in range(most - 1):
        assert polling.poll()["status"] == "running"
    with pytest.raises(error):
        polling.poll()
    assert polling.world.results.objects == {}


@pytest.mark.parametrize("error", [PortalUnclear(), PortalTimeout()])
def test_a_reset_or_a_slow_drip_is_unclear(polling: Polling, error: PorticoError) -> None:
    polling.world.effects.fail("vendor.answer", *[error] * MOST_UNCLEAR)
    for _ in range(MOST_UNCLEAR - 1):
        polling.poll()
    with pytest.raises(RetrievalFailed, match="vendor_error"):
        polling.poll()


def test_a_not_yet_in_between_ends_the_count(polling: Polling) -> None:
    for _ in range(4):
        polling.answers((200, {}, b"<html>"), (200, {}, b"<html>"), (202, {}, b""))
        assert [polling.poll()["status"] for _ in range(3)] == ["running"] * 3


@pytest.mark.parametrize("status", [400, 403, 500, None])
def test_an_error_that_is_the_result_fails_at_once(polling: Polling, status: int | None) -> None:
    errors = {"errors": [{"severity": "ERROR", "status": status, "message": "upstream failed"}]}
    polling.answers((200, {}, envelope([], errorData=errors, payload=None)))
    with pytest.raises(RetrievalFailed, match="vendor_error"):
        polling.poll()


def test_a_refused_token_inside_the_result_is_answered_by_one_refresh_and_one_more_try(
    polling: Polling,
) -> None:
    refused = {"errors": [{"severity": "ERROR", "status": 401, "message": "token expired"}]}
    polling.answers((200, {}, envelope([], errorData=refused, payload=None)))
    assert polling.poll()["status"] == "restart"
    assert polling.submitter.begin(polling.id)["status"] == "running"
    tokens = [tokens.access.reveal() for _, tokens, _ in polling.vendor.submitted]
    assert len(set(tokens)) == 2
    polling.answers((200, {}, envelope([], errorData=refused, payload=None)), of="transaction-2")
    with pytest.raises(PortalRejected):
        polling.poll()


# --- gone ------------------------------------------------------------------------------------------


def test_a_result_that_was_ready_and_is_gone_is_begun_anew_once(polling: Polling) -> None:
    polling.answers(READY, NOT_YET["404"])
    polling.world.effects.fail("files.finish", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        polling.poll()
    assert polling.poll() == {
        "retrievalId": polling.id,
        "connectionId": polling.connection_id,
        "status": "restart",
    }
    assert polling.submitter.begin(polling.id)["status"] == "running"
    polling.answers(READY, NOT_YET["404"], of="transaction-2")
    polling.world.effects.fail("files.finish", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        polling.poll()
    with pytest.raises(ResultExpired):
        polling.poll()


def test_a_transaction_that_was_forgotten_is_begun_anew(polling: Polling) -> None:
    polling.world.retrievals.items[polling.id] = replace(polling.stored, transaction=None)
    assert polling.poll()["status"] == "restart"


# --- two transaction ids ---------------------------------------------------------------------------


@pytest.mark.parametrize("first", [NOT_YET["404"], NOT_YET["202"], (400, {}, b""), (403, {}, b"")])
def test_when_header_and_body_differ_the_second_id_is_asked_too(
    first: Answer,
) -> None:
    polling = Polling(["header", "body"])
    polling.answers(first, of="header")
    polling.answers(READY, of="body")
    assert polling.poll()["status"] == "completed"


def test_the_first_id_that_answers_is_enough() -> None:
    polling = Polling(["header", "body"])
    polling.answers(READY, of="header")
    asked = polling.world.effects.count("vendor.answer")
    polling.poll()
    assert polling.world.effects.count("vendor.answer") == asked + 1


def test_a_result_under_the_second_id_survives_a_failed_storing() -> None:
    polling = Polling(["header", "body"])
    polling.answers(NOT_YET["404"], of="header")
    polling.answers(READY, of="body")
    polling.world.effects.fail("files.finish", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        polling.poll()
    assert polling.poll()["status"] == "completed"


# --- nobody waits any more -------------------------------------------------------------------------


def test_an_unknown_retrieval_stops_the_workflow(polling: Polling) -> None:
    assert polling.poller.poll("nothing") == {"retrievalId": "nothing", "status": "stopped"}


def test_a_cancelled_retrieval_stops_the_workflow(polling: Polling) -> None:
    polling.world.retrievals.cancel(polling.stored)
    assert polling.poll() == {"retrievalId": polling.id, "status": "stopped"}


@pytest.mark.parametrize(
    "step", ["vendor.answer", "files.write", "files.finish", "files.finish done", "retrievals.complete"]
)
def test_t26_a_retrieval_cancelled_while_its_result_is_taken_leaves_no_file(
    polling: Polling, step: str
) -> None:
    polling.answers(READY)
    polling.world.effects.on(step, lambda: polling.world.discarding.discard(polling.stored))
    assert polling.poll() == {"retrievalId": polling.id, "status": "stopped"}
    assert (polling.world.results.objects, polling.world.retrievals.items) == ({}, {})


def test_a_connection_deleted_while_its_result_is_taken_leaves_no_file(polling: Polling) -> None:
    polling.answers(READY)
    polling.world.effects.on(
        "files.finish done", lambda: polling.world.disconnector.delete(polling.connection_id, ALICE)
    )
    assert polling.poll() == {"retrievalId": polling.id, "status": "stopped"}
    assert (polling.world.results.objects, polling.world.retrievals.items) == ({}, {})


def steps() -> int:
    polling = Polling()
    polling.answers(READY)
    before = len(polling.world.effects.seen)
    polling.poll()
    return len(polling.world.effects.seen) - before


@pytest.mark.parametrize("step", range(steps()))
def test_killed_at_any_point_and_called_again_the_result_is_whole(polling: Polling, step: int) -> None:
    polling.answers(READY)
    polling.world.effects.at(step, raising(Crash()))
    with pytest.raises(Crash):
        polling.poll()
    assert polling.poll()["counts"] == {"Condition": 1, "Observation": 2, "Patient": 1}
    assert {name: data.count(b"\n") for name, data in polling.files().items()} == {
        "Condition.ndjson": 1,
        "Observation.ndjson": 2,
        "Patient.ndjson": 1,
    }


@pytest.mark.parametrize("step", range(steps()))
def test_a_storage_fault_at_any_point_is_only_tried_again(polling: Polling, step: int) -> None:
    polling.answers(READY)
    polling.world.effects.at(step, raising(StorageUnavailable()))
    with pytest.raises(StorageUnavailable):
        polling.poll()
    assert polling.poll()["counts"] == {"Condition": 1, "Observation": 2, "Patient": 1}
