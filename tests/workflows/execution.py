"""One execution of the workflow, as Step Functions tells of it."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.world.world import World
from tests.journey.app import wait_for


@dataclass(frozen=True)
class Execution:
    """The execution of a retrieval."""

    world: World
    retrieval_id: str

    @property
    def arn(self) -> str:
        machine = self.world.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
        return f"{machine}:{self.retrieval_id}"

    def described(self) -> dict[str, Any]:
        described: dict[str, Any] = self.world.aws("stepfunctions").describe_execution(executionArn=self.arn)
        return described

    def ended(self) -> dict[str, Any]:
        """What describes it once it is over."""

        def look() -> dict[str, Any] | None:
            described = self.described()
            return described if described["status"] != "RUNNING" else None

        return wait_for(look, what="the execution is still running")

    def history(self) -> list[dict[str, Any]]:
        """Everything that Step Functions keeps of it, for ninety days and whatever the log settings."""
        pages = self.world.aws("stepfunctions").get_paginator("get_execution_history")
        return [event for page in pages.paginate(executionArn=self.arn) for event in page["events"]]

    def states(self) -> list[str]:
        """The states that it went through."""
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.history()
            if "stateEnteredEventDetails" in event
        ]

    def everything(self) -> str:
        """All text that Step Functions holds about it."""
        return json.dumps([self.described(), self.history()], default=str)
