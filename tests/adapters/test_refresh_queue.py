import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from portico.adapters import aws as adapters
from portico.adapters.refresh_queue import RefreshQueue, handle
from portico.adapters.schedules import KeepAliveSchedules
from portico.errors import StorageUnavailable
from portico.refresh import LEASE_SECONDS, RETRY_SECONDS, Refresher, Renewal
from tests.adapters.faults import failing
from tests.adapters.stores import Stores
from tests.backends import Backend
from tests.samples import NOW, active, fresh_id

RENEWAL = Renewal(b"\x00sealed\xff", 4, NOW, NOW + 3600.5, 3600.5, True)


@pytest.fixture
def queue(aws: Backend) -> str:
    """A queue of the test's own."""
    return str(aws.client("sqs").create_queue(QueueName=fresh_id())["QueueUrl"])


def received(aws: Backend, queue: str) -> dict[str, Any]:
    """The next message, as soon as it may be seen."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = aws.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        if found:
            message: dict[str, Any] = json.loads(found[0]["Body"])
            return message
    raise AssertionError("no message came")


def delayed(aws: Backend, queue: str) -> int:
    name = "ApproximateNumberOfMessagesDelayed"
    described = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
    return int(described["Attributes"][name])


@pytest.fixture
def sent(aws: Backend) -> Iterator[list[dict[str, Any]]]:
    """The messages that were sent, with their delays."""
    noted: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: object) -> None:
        noted.append(dict(params))

    events = adapters.client("sqs").meta.events
    events.register("before-parameter-build.sqs.SendMessage", note)
    yield noted
    events.unregister("before-parameter-build.sqs.SendMessage", note)


def test_a_retry_waits_longer_than_the_lease_and_carries_ids_alone(
    aws: Backend, queue: str, sent: list[dict[str, Any]]
) -> None:
    RefreshQueue(queue).later("connection", 3)
    assert delayed(aws, queue) == 1
    (message,) = sent
    assert message["DelaySeconds"] == RETRY_SECONDS > LEASE_SECONDS
    assert json.loads(message["MessageBody"]) == {
        "kind": "retry",
        "connectionId": "connection",
        "generation": 3,
    }


@dataclass
class Outcomes:
    """Stands where a Refresher stands, and says what it was asked."""

    asked: list[Any] = field(default_factory=list)

    def retry(self, connection_id: str, generation: int) -> str:
        self.asked.append(("retry", connection_id, generation))
        return "settled"

    def keep_alive(self, connection_id: str) -> str:
        self.asked.append(("keep-alive", connection_id))
        return "fresh"

    def unpark(self, connection_id: str, renewal: Renewal) -> str:
        self.asked.append(("parked", connection_id, renewal))
        return "stored"


def test_parked_tokens_come_back_as_they_went(aws: Backend, queue: str) -> None:
    RefreshQueue(queue).park("connection", RENEWAL)
    outcomes = Outcomes()
    assert handle(received(aws, queue), outcomes) == "stored"  # type: ignore[arg-type]
    assert outcomes.asked == [("parked", "connection", RENEWAL)]


def test_parked_tokens_are_stored(aws: Backend, queue: str, stores: Stores) -> None:
    connection = stores.put(active())
    RefreshQueue(queue).park(connection.id, RENEWAL)
    refresher = Refresher(stores.connections, None, None, None, stores.clock, time.sleep)  # type: ignore[arg-type]
    assert handle(received(aws, queue), refresher) == "stored"
    stored = stores.connections.get(connection.id)
    assert stored is not None
    assert (stored.tokens, stored.generation) == (RENEWAL.tokens, 4)
    late = {"kind": "parked", "connectionId": connection.id}
    RefreshQueue(queue).park(connection.id, RENEWAL)
    assert handle(received(aws, queue) | late, refresher) == "superseded"


def test_each_kind_of_message_has_its_answer() -> None:
    outcomes = Outcomes()
    for message in (
        {"kind": "retry", "connectionId": "c", "generation": 3},
        {"kind": "keep-alive", "connectionId": "c"},
    ):
        handle(message, outcomes)  # type: ignore[arg-type]
    assert outcomes.asked == [("retry", "c", 3), ("keep-alive", "c")]
    assert handle({"kind": "from the future", "connectionId": "c"}, outcomes) == "unknown"  # type: ignore[arg-type]


def test_a_queue_in_trouble_is_told(aws: Backend, queue: str, pauses: list[float]) -> None:
    with failing("sqs", "SendMessage", "ServiceUnavailable", status=503), pytest.raises(StorageUnavailable):
        RefreshQueue(queue).later("connection", 3)


# --- daily schedules -------------------------------------------------------------------------------


@pytest.fixture
def schedules(aws: Backend) -> KeepAliveSchedules:
    return KeepAliveSchedules(aws.schedule_group, aws.queue_arn, aws.scheduler_role)


def test_a_connection_is_kept_alive_daily(aws: Backend, schedules: KeepAliveSchedules) -> None:
    connection_id = fresh_id()
    schedules.schedule(connection_id)
    made = aws.client("scheduler").get_schedule(Name=connection_id, GroupName=aws.schedule_group)
    assert made["ScheduleExpression"] == "rate(1 day)"
    assert made["FlexibleTimeWindow"]["Mode"] == "FLEXIBLE"
    assert (made["Target"]["Arn"], made["Target"]["RoleArn"]) == (aws.queue_arn, aws.scheduler_role)
    assert json.loads(made["Target"]["Input"]) == {"kind": "keep-alive", "connectionId": connection_id}


def test_a_second_schedule_does_nothing(aws: Backend, schedules: KeepAliveSchedules) -> None:
    connection_id = fresh_id()
    schedules.schedule(connection_id)
    schedules.schedule(connection_id)
    aws.client("scheduler").get_schedule(Name=connection_id, GroupName=aws.schedule_group)


def test_a_cancelled_schedule_is_gone_and_cancelling_twice_does_no_harm(
    aws: Backend, schedules: KeepAliveSchedules
) -> None:
    connection_id = fresh_id()
    schedules.schedule(connection_id)
    schedules.cancel(connection_id)
    schedules.cancel(connection_id)
    client = aws.client("scheduler")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_schedule(Name=connection_id, GroupName=aws.schedule_group)


def test_a_scheduler_in_trouble_is_told(schedules: KeepAliveSchedules, pauses: list[float]) -> None:
    for operation, call in (("CreateSchedule", schedules.schedule), ("DeleteSchedule", schedules.cancel)):
        with failing("scheduler", operation, "ThrottlingException"), pytest.raises(StorageUnavailable):
            call(fresh_id())
