"""What the scenarios are played with: users of their own over the running world, and waiting that can end early."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from portico import sealing
from sandbox.outside import PortalInfo
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, Link

LONGEST_SECONDS = 20.0


class Play:
    """One scenario's stage. `enough` tells that waiting longer would show nothing new."""

    def __init__(self, world: World) -> None:
        self.world, self.outside = world, world.outside
        self.enough: Callable[[], bool] = lambda: False
        self.bucket: str = world.stack.outputs["ResultsBucketName"]
        self._subjects: dict[str, str] = {}
        self._undo: list[Callable[[], object]] = []
        self.outside.reset()
        self.outside.set_scenario(async_seconds=0.1, profile="tiny")

    def close(self) -> None:
        """Nothing that was begun here goes on."""
        machines = self.world.aws("stepfunctions")
        machine = self.world.stack.outputs["StateMachineArn"]
        for running in machines.list_executions(stateMachineArn=machine, statusFilter="RUNNING")[
            "executions"
        ]:
            machines.stop_execution(executionArn=running["executionArn"])
        for undo in self._undo:
            undo()
        self.outside.reset()

    # --- users ---

    def app(self) -> App:
        """The app of a user that nobody else has; it takes any answer, as refusals are to be expected."""
        subject = f"user-{secrets.token_hex(8)}"
        app = App(self.world.api, self.world.token(subject))
        app.http.event_hooks = {"response": []}
        self._subjects[app.token] = subject
        return app

    def named(self, app: App) -> dict[str, str]:
        """The app's user as the identity provider knows them."""
        return {"issuer": self.world.urls.issuer, "subject": self._subjects[app.token]}

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
            time.sleep(0.05)
        return seen()

    def ends(self, link: Link, retrieval: str, status: str) -> bool:
        """Whether the retrieval ended so, and its workflow with it, events and all."""

        def ended() -> bool:
            stored = elapsed.stored(self.world, "Retrievals", retrieval)
            machine = self.world.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
            execution = self.world.aws("stepfunctions").describe_execution(
                executionArn=f"{machine}:{retrieval}"
            )
            return (stored or {}).get("status") == {"S": status} and execution["status"] != "RUNNING"

        return self.until(ended)

    # --- behind the API ---

    def stored(self, table: str, item_id: str) -> dict[str, Any]:
        item = elapsed.stored(self.world, table, item_id)
        assert item is not None
        return item

    def fresh_environment(self, function: str) -> None:
        """The function's next call starts in a new execution environment, with nothing kept in memory."""
        name, functions = self._function(function), self.world.aws("lambda")
        memory = functions.get_function_configuration(FunctionName=name)["MemorySize"]
        functions.update_function_configuration(FunctionName=name, MemorySize=memory)

    def invoke(self, function: str, event: Any) -> dict[str, Any]:
        """What the function answers; nothing when it failed."""
        answer = self.world.aws("lambda").invoke(
            FunctionName=self._function(function), Payload=json.dumps(event)
        )
        said: dict[str, Any] = json.load(answer["Payload"])
        return {} if "FunctionError" in answer else said

    def wrapped_under_a_previous_key(self, connection_id: str) -> None:
        """As after a change of the tokens key: the old one is named, may be used, and wraps this connection's."""
        kms, iam, dynamodb = (self.world.aws(name) for name in ("kms", "iam", "dynamodb"))
        previous = kms.create_key()["KeyMetadata"]["Arn"]
        allowed = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": previous}
        policy = {"RoleName": self.resource("RewrapTokensFunctionRole"), "PolicyName": "previous-key"}
        iam.put_role_policy(**policy, PolicyDocument=json.dumps({"Statement": [allowed]}))
        self._undo.append(lambda: iam.delete_role_policy(**policy))
        self._undo.append(lambda: kms.disable_key(KeyId=previous))

        name = {"FunctionName": self._function("rewrap_tokens")}
        functions = self.world.aws("lambda")
        variables = functions.get_function_configuration(**name)["Environment"]["Variables"]
        variables |= {"PREVIOUS_TOKENS_KEY": previous}
        functions.update_function_configuration(**name, Environment={"Variables": variables})

        item = self.stored("Connections", connection_id)
        sealed = bytes(item["tokens"]["B"])
        end = 3 + int.from_bytes(sealed[1:3], "big")
        place = sealing.tokens_of(connection_id, int(item["generation"]["N"])).context()
        key = kms.decrypt(CiphertextBlob=sealed[3:end], EncryptionContext=place)["Plaintext"]
        wrapped = kms.encrypt(KeyId=previous, Plaintext=key, EncryptionContext=place)["CiphertextBlob"]
        dynamodb.put_item(
            TableName=self.world.stack.outputs["ConnectionsTableName"],
            Item=item
            | {"tokens": {"B": sealed[:1] + len(wrapped).to_bytes(2, "big") + wrapped + sealed[end:]}},
        )

    def _function(self, folder: str) -> str:
        folders = self.world.stack.folders
        return self.resource(next(name for name, known in folders.items() if known == folder))

    def resource(self, logical: str) -> str:
        return self.world.stack.physical_ids[logical]

    def send(self, queue: str, message: Any) -> None:
        self.world.aws("sqs").send_message(QueueUrl=self.resource(queue), MessageBody=json.dumps(message))
