"""The workflow executed on the emulator with its real functions: where it goes, and what it leaves behind."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import elapsed, leaks
from tests.journey.app import App, Link, wait_for
from tests.journey.test_vendor_faults import fault
from tests.workflows.conftest import Ear
from tests.workflows.execution import Execution

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
"""The form of the vendor's transaction ids, of most portals' tokens, and of the directory's ids."""
LAMBDA_REQUEST = re.compile(r'requestId\\*": ?\\*"[0-9a-f-]{36}')


@pytest.fixture
def link(app: App, outside: Outside) -> Link:
    return app.connected(outside.portal("epic"))


def started(world: World, link: Link, *resources: str) -> Execution:
    begun = link.begin(*resources)
    return Execution(world, begun.headers["content-location"].rpartition("/")[2])


def test_a_retrieval_goes_the_straight_way(world: World, link: Link, outside: Outside, ear: Ear) -> None:
    outside.set_scenario(link.portal.id, async_seconds=0)
    execution = started(world, link, "Patient", "Condition")
    over = execution.ended()
    assert over["status"] == "SUCCEEDED"
    assert execution.states() == ["Begin", "Again", "Wait", "Poll", "Again", "Completed", "Done"]
    assert json.loads(over["input"]) == {"retrievalId": execution.retrieval_id}
    output = json.loads(over["output"])
    assert output["status"] == "completed" and output["retrievalId"] == execution.retrieval_id
    event = ear.about(execution.retrieval_id)
    assert (event["source"], event["detail-type"]) == ("portico", "retrieval.completed")
    assert event["detail"]["connectionId"] == link.id
    assert event["detail"]["counts"] == output["counts"]
    assert event["detail"]["counts"]["Patient"] == 1


def test_it_waits_and_asks_again_until_there_is_a_result(world: World, link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, async_seconds=0.5)
    execution = started(world, link, "Patient")
    assert execution.ended()["status"] == "SUCCEEDED"
    states = execution.states()
    polls = states.count("Poll")
    assert polls >= 2
    assert states == ["Begin", "Again", *["Wait", "Poll", "Again"] * polls, "Completed", "Done"]
    assert outside.count("retrieve", link.portal.id) == polls


@pytest.mark.parametrize("answer", ["503", "500", "reset"])
def test_a_start_that_fails_is_retried_by_the_machine(
    answer: str, world: World, link: Link, outside: Outside
) -> None:
    outside.set_scenario(link.portal.id, async_seconds=0, faults=[fault("start", answer, calls=2)])
    execution = started(world, link, "Patient")
    assert execution.ended()["status"] == "SUCCEEDED"
    assert outside.count("start", link.portal.id) == 3
    assert execution.states().count("Completed") == 1


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ({"async_outcome": "error"}, "vendor_error"),
        ({"faults": [fault("start", "400", calls=0)]}, "portal_rejected"),
        ({"faults": [fault("retrieve", "malformed", calls=0)]}, "result_malformed"),
        ({"faults": [fault("retrieve", "403", calls=0)]}, "portal_rejected"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_retried_is_caught_and_told(
    scenario: dict[str, Any], reason: str, world: World, link: Link, outside: Outside, ear: Ear
) -> None:
    outside.set_scenario(link.portal.id, async_seconds=0, **scenario)
    execution = started(world, link, "Patient")
    over = execution.ended()
    assert over["status"] == "FAILED"
    assert (over.get("error"), over.get("cause")) == ("RetrievalFailed", "The reason is on the retrieval.")
    assert execution.states()[-4:] == ["Fail", "WasItStopped", "Failed", "Gave up"]
    event = ear.about(execution.retrieval_id)
    assert event["detail-type"] == "retrieval.failed"
    assert event["detail"] == {
        "retrievalId": execution.retrieval_id,
        "connectionId": link.id,
        "reason": event["detail"]["reason"],
    }
    assert event["detail"]["reason"] == reason


def test_patience_with_a_vendor_that_is_down_ends(
    world: World, link: Link, outside: Outside, ear: Ear
) -> None:
    outside.set_scenario(link.portal.id, faults=[fault("start", "500", calls=0)])
    execution = started(world, link, "Patient")
    assert wait_for(lambda: execution.ended() if outside.count("start", link.portal.id) == 7 else None, 60)
    assert execution.described()["status"] == "FAILED"
    assert outside.count("start", link.portal.id) == 7, "once, and six retries"
    assert ear.about(execution.retrieval_id)["detail"]["reason"] == "portal_unclear"


def test_a_result_that_expired_while_it_arrived_begins_again(
    world: World, link: Link, outside: Outside
) -> None:
    outside.set_scenario(
        link.portal.id,
        async_seconds=0,
        async_outcome="gone",
        profile="huge-3",
        faults=[fault("retrieve", "truncated", megabytes=1)],
    )
    execution = started(world, link)
    assert execution.ended()["status"] == "SUCCEEDED"
    once = ["Begin", "Again", "Wait", "Poll", "Again"]
    assert execution.states() == [*once, "Wait", "Poll", "Again", *once, "Completed", "Done"]
    assert outside.count("start", link.portal.id) == 2


def test_a_result_that_expires_twice_is_told(world: World, link: Link, outside: Outside, ear: Ear) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    execution = started(world, link, "Patient")
    seen_ready_until(world, execution, lambda: execution.described()["status"] != "RUNNING")
    assert execution.described()["status"] == "FAILED"
    assert outside.count("start", link.portal.id) == 2
    assert ear.about(execution.retrieval_id)["detail"]["reason"] == "result_expired"


def test_the_deadline_is_told(world: World, link: Link, outside: Outside, ear: Ear) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    execution = started(world, link, "Patient")
    wait_for(lambda: outside.count("retrieve", link.portal.id) or None)
    elapsed.retrieval(world, execution.retrieval_id, submitted_at=time.time() - 3700)
    assert execution.ended()["status"] == "FAILED"
    assert ear.about(execution.retrieval_id)["detail"]["reason"] == "retrieval_overdue"


def test_deleting_a_retrieval_stops_its_execution_and_no_event_comes(
    world: World, link: Link, outside: Outside, ear: Ear
) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    execution = started(world, link, "Patient")
    wait_for(lambda: outside.count("retrieve", link.portal.id) or None)
    assert link.app.delete(f"/v1/retrievals/{execution.retrieval_id}").status_code == 202
    assert execution.ended()["status"] == "ABORTED" or execution.states()[-1] == "Stopped"
    assert ear.all_about(execution.retrieval_id) == []


def test_an_execution_whose_retrieval_is_gone_stops_quietly(world: World, ear: Ear) -> None:
    execution = Execution(world, "G" * 22)
    world.aws("stepfunctions").start_execution(
        stateMachineArn=world.stack.outputs["StateMachineArn"],
        name=execution.retrieval_id,
        input=json.dumps({"retrievalId": execution.retrieval_id}),
    )
    over = execution.ended()
    assert over["status"] == "SUCCEEDED"
    assert json.loads(over["output"]) == {"retrievalId": execution.retrieval_id, "status": "stopped"}
    assert execution.states() == ["Begin", "Again", "Stopped"]
    assert ear.all_about(execution.retrieval_id) == []


def test_a_retrieval_that_disappears_while_it_runs_stops_quietly(
    world: World, link: Link, outside: Outside, ear: Ear
) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    execution = started(world, link, "Patient")
    wait_for(lambda: outside.count("retrieve", link.portal.id) or None)
    world.aws("dynamodb").delete_item(
        TableName=world.stack.outputs["RetrievalsTableName"], Key={"id": {"S": execution.retrieval_id}}
    )
    assert execution.ended()["status"] == "SUCCEEDED"
    assert execution.states()[-1] == "Stopped"
    assert ear.all_about(execution.retrieval_id) == []


def test_histories_and_events_hold_ids_counts_and_reasons_only(
    world: World, app: App, outside: Outside, ear: Ear
) -> None:
    """Scanned for everything that anybody has come across, after good and bad ends of every sort."""
    link = app.connected(outside.portal("patient-in-token"), "maria.alvarez")
    executions = [started(world, link)]
    executions[0].ended()
    for name, scenario in (
        ("Labs", {"async_outcome": "error"}),
        ("Condition", {"faults": [fault("start", "400", calls=0)]}),
        ("Coverage", {"faults": [fault("retrieve", "invalid-utf8", calls=0)]}),
        ("CarePlan", {"failing": ["CarePlan"]}),
    ):
        outside.set_scenario(link.portal.id, **({"faults": [], "async_outcome": "data"} | scenario))
        executions.append(started(world, link, name))
        executions[-1].ended()
    texts = [execution.everything() for execution in executions]
    texts += [json.dumps(ear.about(execution.retrieval_id)) for execution in executions]
    secrets = leaks.secrets_of(world)
    assert len(secrets) > 30
    assert leaks.found_in(texts, secrets) == []

    for execution in executions:
        for event in execution.history():
            assert not UUID.search(json.dumps(payloads_of(event))), event
        detail = ear.about(execution.retrieval_id)["detail"]
        assert set(detail) <= {"retrievalId", "connectionId", "counts", "reason"}
        assert all(isinstance(count, int) for count in detail.get("counts", {}).values())
        assert re.fullmatch(r"[a-z_]*", detail.get("reason", ""))


def payloads_of(event: dict[str, Any]) -> list[Any]:
    """What was handed around in an event of a history: inputs, outputs, errors and causes. EventBridge answers
    with the id of an event, and Lambda tells the id of a request that failed."""
    details = [value for name, value in event.items() if name.endswith("EventDetails")]
    values = [v for d in details for name, v in d.items() if name in ("input", "output", "error", "cause")]
    return [LAMBDA_REQUEST.sub("", value) for value in values if "FailedEntryCount" not in value]


def seen_ready_until(world: World, execution: Execution, there: Callable[[], bool]) -> None:
    """The item as a poll leaves it that saw the result and died before it could store it, again and again."""

    def look_and_mark() -> bool | None:
        if there():
            return True
        world.aws("dynamodb").update_item(
            TableName=world.stack.outputs["RetrievalsTableName"],
            Key={"id": {"S": execution.retrieval_id}},
            UpdateExpression="SET ready = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )
        return None

    wait_for(look_and_mark)
