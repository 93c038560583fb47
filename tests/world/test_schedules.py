"""Moving the sandbox's clock fires the schedules that fall due."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandbox.world.settings import Settings
from sandbox.world.world import World, running_world

DAY = 86_400


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running_world(Settings(port=0, poll_seconds=1)) as running:
        yield running


@pytest.fixture
def queue(world: World) -> str:
    """A queue of the test's own, and a daily schedule in the stack's group that writes to it from tomorrow on."""
    url: str = world.aws("sqs").create_queue(QueueName="daily")["QueueUrl"]
    world.aws("scheduler").create_schedule(
        Name="daily",
        GroupName=world.stack.physical_ids["KeepAliveGroup"],
        ScheduleExpression="rate(1 day)",
        StartDate=datetime.now(UTC) + timedelta(days=1),
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:sqs:us-east-1:000000000000:daily",
            "RoleArn": world.aws("iam").get_role(RoleName=world.stack.physical_ids["KeepAliveRole"])["Role"][
                "Arn"
            ],
            "Input": json.dumps({"kind": "test"}),
        },
    )
    return url


def test_a_schedule_fires_once_for_every_time_that_the_clock_passes_it(world: World, queue: str) -> None:
    def fired(seconds: int) -> int:
        answer = httpx.post(f"{world.api}/_local/clock", json={"advance": seconds}, trust_env=False)
        count: int = answer.raise_for_status().json()["fired"]
        return count

    assert [fired(DAY // 2), fired(DAY), fired(60), fired(DAY)] == [0, 1, 0, 1]
    messages = world.aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(message["Body"]) for message in messages] == [{"kind": "test"}] * 2
