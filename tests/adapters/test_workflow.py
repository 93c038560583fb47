import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from portico.adapters.workflow import Workflow
from portico.errors import StorageUnavailable
from tests.adapters.faults import failing
from tests.backends import Backend
from tests.samples import fresh_id


@pytest.fixture
def workflow(aws: Backend) -> Workflow:
    return Workflow(aws.state_machine)


def executions(aws: Backend, name: str) -> list[Any]:
    found = aws.client("stepfunctions").list_executions(stateMachineArn=aws.state_machine)
    return [one for one in found["executions"] if one["name"] == name]


def test_an_execution_is_named_after_its_retrieval_and_given_nothing_else(
    aws: Backend, workflow: Workflow
) -> None:
    rid = fresh_id()
    workflow.start(rid)
    (execution,) = executions(aws, rid)
    described = aws.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])
    assert described["status"] == "RUNNING"
    assert json.loads(described["input"]) == {"retrievalId": rid}


def test_a_second_start_does_nothing(aws: Backend, workflow: Workflow) -> None:
    rid = fresh_id()
    workflow.start(rid)
    workflow.start(rid)
    assert len(executions(aws, rid)) == 1


def test_a_start_after_the_end_does_nothing(aws: Backend, workflow: Workflow) -> None:
    rid = fresh_id()
    workflow.start(rid)
    workflow.stop(rid)
    workflow.start(rid)
    assert [one["status"] for one in executions(aws, rid)] == ["ABORTED"]


def test_stopping_twice_does_no_harm(aws: Backend, workflow: Workflow) -> None:
    rid = fresh_id()
    workflow.start(rid)
    workflow.stop(rid)
    workflow.stop(rid)
    assert [one["status"] for one in executions(aws, rid)] == ["ABORTED"]


def test_stopping_what_never_ran_does_no_harm(workflow: Workflow) -> None:
    workflow.stop(fresh_id())


def test_throttling_is_told_as_unavailable(workflow: Workflow, pauses: list[float]) -> None:
    for operation, call in (("StartExecution", workflow.start), ("StopExecution", workflow.stop)):
        with failing("stepfunctions", operation, "ThrottlingException"), pytest.raises(StorageUnavailable):
            call(fresh_id())


def test_a_missing_permission_is_a_defect(workflow: Workflow) -> None:
    for operation, call in (("StartExecution", workflow.start), ("StopExecution", workflow.stop)):
        with failing("stepfunctions", operation, "AccessDeniedException"), pytest.raises(ClientError):
            call(fresh_id())
