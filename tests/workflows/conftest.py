"""The same world and users as the journey's, and a queue that hears every event on the stack's bus."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.world.world import World
from tests.journey.app import wait_for
from tests.journey.conftest import app, new_app, outside

__all__ = ["app", "new_app", "outside"]

Event = dict[str, Any]


@dataclass
class Ear:
    """Everything that was heard on the bus, as EventBridge delivers it."""

    sqs: Any
    queue: str
    heard: list[Event] = field(default_factory=list)

    def listen(self) -> None:
        received = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            self.heard.append(json.loads(message["Body"]))
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def about(self, retrieval_id: str) -> Event:
        """The one event about a retrieval, once it has come."""

        def look() -> Event | None:
            self.listen()
            return next((e for e in self.heard if e["detail"].get("retrievalId") == retrieval_id), None)

        return wait_for(look, what="no event came")

    def all_about(self, retrieval_id: str) -> list[Event]:
        """Whatever has come about a retrieval so far."""
        self.listen()
        return [event for event in self.heard if event["detail"].get("retrievalId") == retrieval_id]


@pytest.fixture(scope="session")
def ear(world: World) -> Iterator[Ear]:
    """A rule of the test's own, from the stack's bus to a queue."""
    sqs, events = world.aws("sqs"), world.aws("events")
    queue = sqs.create_queue(QueueName="what-the-bus-carries")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = world.stack.outputs["EventBusName"]
    pattern = json.dumps({"source": ["portico"]})
    events.put_rule(Name="hear-everything", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="hear-everything", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    yield Ear(sqs, queue)
    events.remove_targets(Rule="hear-everything", EventBusName=bus, Ids=["queue"])
    events.delete_rule(Name="hear-everything", EventBusName=bus)
    sqs.delete_queue(QueueUrl=queue)
