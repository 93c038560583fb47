"""What the scenarios are played with: users of their own over the running world, and waiting that can end early."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from sandbox.outside import Outside, PortalInfo
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, Link

LONGEST_SECONDS = 20.0


class Play:
    """One scenario's stage. `enough` tells that waiting longer would show nothing new."""

    def __init__(self, world: World) -> None:
        self.world, self.outside = world, world.outside
        self.enough: Callable[[], bool] = lambda: False
        self.outside.reset()
        self.outside.set_scenario(async_seconds=0.1, profile="tiny")

    def close(self) -> None:
        """Nothing that was begun here goes on."""
        machines = self.world.aws("stepfunctions")
        machine = self.world.stack.outputs["StateMachineArn"]
        for running in machines.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
            machines.stop_execution(executionArn=running["executionArn"])
        self.outside.reset()

    # --- users ---

    def app(self) -> App:
        """The app of a user that nobody else has; it takes any answer, as refusals are to be expected."""
        app = App(self.world.api, self.world.token(f"user-{secrets.token_hex(8)}"))
        app.http.event_hooks = {"response": []}
        return app

    def portal(self, persona: str) -> PortalInfo:
        return self.outside.portal(persona)

    def connected(self, persona: str = "epic") -> Link:
        return self.app().connected(self.portal(persona))

    # --- waiting ---

    def until(self, seen: Callable[[], bool]) -> bool:
        """Whether it came about; looks until then, or until there is `enough`."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline and not self.enough():
            if seen():
                return True
            time.sleep(0.03)
        return seen()

    def ends(self, link: Link, retrieval: str, status: str) -> bool:
        """Whether the retrieval ended so, and its workflow with it, events and all."""

        def ended() -> bool:
            stored = elapsed.stored(self.world, "Retrievals", retrieval)
            machine = self.world.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
            execution = self.world.aws("stepfunctions").describe_execution(executionArn=f"{machine}:{retrieval}")
            return (stored or {}).get("status") == {"S": status} and execution["status"] != "RUNNING"

        return self.until(ended)

    # --- behind the API ---

    def stored(self, table: str, item_id: str) -> dict[str, Any]:
        item = elapsed.stored(self.world, table, item_id)
        assert item is not None
        return item

    def fresh_environment(self, function: str) -> None:
        """The function's next call starts in a new execution environment, with nothing kept in memory."""
        logical = next(name for name, folder in self.world.stack.folders.items() if folder == function)
        self.world.aws("lambda").update_function_configuration(
            FunctionName=self.world.stack.physical_ids[logical], Description=secrets.token_hex(4)
        )

    def resource(self, logical: str) -> str:
        return self.world.stack.physical_ids[logical]

    def send(self, queue: str, message: Any) -> None:
        self.world.aws("sqs").send_message(QueueUrl=self.resource(queue), MessageBody=json.dumps(message))

    def drained(self, queue: str) -> bool:
        """Whether every message has been dealt with."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        client = self.world.aws("sqs")
        found = client.get_queue_attributes(QueueUrl=self.resource(queue), AttributeNames=names)["Attributes"]
        return all(int(found[name]) == 0 for name in names)


__all__ = ["Link", "Outside", "Play"]
