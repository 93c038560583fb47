"""The Step Functions workflow that retrieves records."""

import json

from botocore.exceptions import ClientError

from portico.adapters import aws


class Workflow:
    """Starts and stops executions; an execution is named after its retrieval."""

    def __init__(self, state_machine_arn: str) -> None:
        self._arn = state_machine_arn

    def start(self, retrieval_id: str) -> None:
        """Starts the workflow of a retrieval, once. Raises StorageUnavailable."""
        try:
            with aws.errors():
                aws.client("stepfunctions").start_execution(
                    stateMachineArn=self._arn,
                    name=retrieval_id,
                    input=json.dumps({"retrievalId": retrieval_id}),
                )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ExecutionAlreadyExists":
                raise

    def stop(self, retrieval_id: str) -> None:
        """Stops the workflow of a retrieval if it runs. Raises StorageUnavailable."""
        machine, name = self._arn.replace(":stateMachine:", ":execution:"), retrieval_id
        try:
            with aws.errors():
                aws.client("stepfunctions").stop_execution(executionArn=f"{machine}:{name}")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ExecutionDoesNotExist":
                raise
