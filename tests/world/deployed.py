"""The smallest stack in an emulator, and how a test speaks to it."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.world.deploy import Stack
from sandbox.world.emulator import Emulator


@dataclass(frozen=True)
class Deployed:
    """The smallest stack in an emulator."""

    emulator: Emulator
    stack: Stack

    def get(self, path: str, **headers: str) -> httpx.Response:
        """What the HTTP API answers."""
        api = f"{self.emulator.url}/_aws/execute-api/{self.stack.api_id}/$default"
        return httpx.get(api + path, headers=headers, timeout=20, trust_env=False)

    def probe(self, do: str, **details: Any) -> Any:
        """What the function answers: its result, or {"errorType", ...}."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=self.stack.physical_ids["ProbeFunction"],
            Payload=json.dumps({"do": do} | details).encode(),
        )
        return json.loads(answer["Payload"].read())
