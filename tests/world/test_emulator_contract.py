"""What the emulator must do as AWS does.

The tests that take `emulator` are about what we patch: they run a second time on the emulator as it comes,
where they must fail. The others are about what it does by itself and what we rely on.
"""

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.world.emulator import Credentials
from sandbox.world.emulator_patches import required_permissions
from tests.world.deployed import Deployed


def run_machine(deployed: Deployed, do: str) -> dict[str, Any]:
    states = deployed.emulator.client("stepfunctions")
    arn = states.start_execution(
        stateMachineArn=deployed.stack.outputs["StateMachineArn"], input=json.dumps({"do": do})
    )["executionArn"]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        execution: dict[str, Any] = states.describe_execution(executionArn=arn)
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.02)
    raise AssertionError("the execution did not end")


def error_code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


# --- python functions


def test_a_state_machine_retries_by_exception_class(emulator: Deployed) -> None:
    assert json.loads(run_machine(emulator, "busy_once")["output"]) == "done"


def test_a_state_machine_catches_by_exception_class(emulator: Deployed) -> None:
    assert json.loads(run_machine(emulator, "hopeless")["output"]) == "told"


def test_a_function_does_not_see_what_it_has_not_declared(emulator: Deployed) -> None:
    assert emulator.probe("undeclared") == "absent"


def test_a_function_sees_its_layer(patched: Deployed) -> None:
    assert patched.probe("from_layer") == "from the layer"


def test_a_function_sees_the_environment_that_lambda_gives_and_nothing_of_the_emulators(
    patched: Deployed,
) -> None:
    seen = patched.probe("environment")
    assert seen["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert seen["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert seen["_HANDLER"] == "handler.lambda_handler"
    assert not {"AUTH", "GATEWAY_PORT", "LOG_LEVEL", "SFN_WAIT_SCALE"} & seen.keys()


def test_an_invocation_costs_little(emulator: Deployed) -> None:
    def twenty() -> float:
        began = time.monotonic()
        for _ in range(20):
            emulator.probe("undeclared")
        return time.monotonic() - began

    assert min(twenty() for _ in range(3)) < 0.9


def test_what_a_function_writes_is_in_the_log_of_that_invocation(patched: Deployed) -> None:
    texts = [f"line {number} of this test" for number in range(20)]
    for text in texts:
        patched.probe("log", text=text)
    group = f"/aws/lambda/{patched.stack.physical_ids['ProbeFunction']}"
    pages = patched.emulator.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    streams: dict[str, list[str]] = {}
    for page in pages:
        for event in page["events"]:
            streams.setdefault(event["logStreamName"], []).append(event["message"])
    mine = [lines for lines in streams.values() if any("of this test" in line for line in lines)]
    assert sorted(line for lines in mine for line in lines if "of this test" in line) == sorted(texts)
    assert all(len(lines) == 4 and lines[0].startswith("START") for lines in mine), (
        "START, the line, END, REPORT"
    )


def test_a_function_that_takes_too_long_is_stopped_and_starts_anew(patched: Deployed) -> None:
    functions = patched.emulator.client("lambda")
    name = patched.stack.physical_ids["ProbeFunction"]
    functions.update_function_configuration(FunctionName=name, Timeout=1)
    try:
        assert patched.probe("sleep", seconds=5)["errorType"] == "Sandbox.Timedout"
    finally:
        functions.update_function_configuration(FunctionName=name, Timeout=10)
    assert patched.probe("from_layer") == "from the layer"


def test_a_function_that_does_not_load_says_why_to_its_caller_and_in_its_log(emulator: Deployed) -> None:
    functions, logs = emulator.emulator.client("lambda"), emulator.emulator.client("logs")
    name = emulator.stack.physical_ids["ProbeFunction"]
    functions.update_function_configuration(FunctionName=name, Handler="handler.nothing_of_the_kind")
    try:
        assert emulator.probe("undeclared")["errorType"] == "Runtime.HandlerNotFound"
    finally:
        functions.update_function_configuration(FunctionName=name, Handler="handler.lambda_handler")
    told = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="nothing_of_the_kind")
    assert told["events"]


def test_a_function_cannot_answer_with_more_than_lambda_lets_it(emulator: Deployed) -> None:
    assert emulator.get("/open/large").status_code == 500


# --- the HTTP API


def test_a_function_that_fails_is_a_500_without_a_stack_trace(emulator: Deployed) -> None:
    answer = emulator.get("/open/fail")
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


def test_the_event_of_the_http_api_is_the_one_that_aws_sends(emulator: Deployed) -> None:
    event = emulator.get("/open", Cookie="session=1; theme=dark").json()
    assert event.get("cookies") == ["session=1", "theme=dark"]
    assert "cookie" not in event["headers"]
    assert "pathParameters" not in event
    assert event["requestContext"]["domainPrefix"] == event["requestContext"]["apiId"]


# --- KMS


def sealed(deployed: Deployed, **context: str) -> bytes:
    blob: bytes = deployed.emulator.client("kms").encrypt(
        KeyId=deployed.stack.outputs["KeyArn"], Plaintext=b"a token", EncryptionContext=context
    )["CiphertextBlob"]
    return blob


def test_a_ciphertext_with_one_flipped_bit_does_not_decrypt(emulator: Deployed) -> None:
    blob = sealed(emulator, table="small")
    kms = emulator.emulator.client("kms")
    for place in range(36, len(blob)):
        changed = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        with pytest.raises(ClientError) as caught:
            kms.decrypt(CiphertextBlob=changed, EncryptionContext={"table": "small"})
        assert error_code(caught) == "InvalidCiphertextException"


def test_a_data_key_with_one_flipped_bit_does_not_decrypt(emulator: Deployed) -> None:
    kms = emulator.emulator.client("kms")
    key = kms.generate_data_key(KeyId=emulator.stack.outputs["KeyArn"], KeySpec="AES_256")
    blob = key["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == key["Plaintext"]
    with pytest.raises(ClientError) as caught:
        kms.decrypt(CiphertextBlob=blob[:-20] + bytes([blob[-20] ^ 1]) + blob[-19:])
    assert error_code(caught) == "InvalidCiphertextException"


def test_a_ciphertext_decrypts_with_its_own_key_only(emulator: Deployed) -> None:
    kms = emulator.emulator.client("kms")
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError) as caught:
        kms.decrypt(CiphertextBlob=sealed(emulator), KeyId=other)
    assert error_code(caught) == "IncorrectKeyException"


def test_kms_refuses_more_than_4096_bytes(emulator: Deployed) -> None:
    with pytest.raises(ClientError) as caught:
        emulator.emulator.client("kms").encrypt(KeyId=emulator.stack.outputs["KeyArn"], Plaintext=b"x" * 4097)
    assert error_code(caught) == "ValidationException"


def test_another_encryption_context_does_not_decrypt(patched: Deployed) -> None:
    kms = patched.emulator.client("kms")
    blob = sealed(patched, table="small", id="1")
    assert (
        kms.decrypt(CiphertextBlob=blob, EncryptionContext={"id": "1", "table": "small"})["Plaintext"]
        == b"a token"
    )
    for wrong in ({}, {"table": "small"}, {"table": "small", "id": "2"}):
        with pytest.raises(ClientError) as caught:
            kms.decrypt(CiphertextBlob=blob, EncryptionContext=wrong)
        assert error_code(caught) == "InvalidCiphertextException"


# --- IAM


def test_a_condition_on_the_encryption_context_allows_that_context(emulator: Deployed) -> None:
    assert emulator.probe("data_key", table="small") == emulator.stack.outputs["KeyArn"]


def test_a_condition_on_the_encryption_context_refuses_another(patched: Deployed) -> None:
    refused = patched.probe("data_key", table="large")
    assert "AccessDeniedException" in refused["errorMessage"]


def test_a_reference_to_a_secret_is_its_arn(emulator: Deployed) -> None:
    secrets = emulator.emulator.client("secretsmanager")
    arn = emulator.stack.outputs["OneRecordSecretArn"]
    secrets.put_secret_value(SecretId=arn, SecretString="known")
    assert arn.startswith("arn:aws:secretsmanager:")
    assert emulator.probe("secret") == "known"


def test_a_function_has_what_its_role_allows_and_no_more(patched: Deployed) -> None:
    assert patched.probe("put_item", id="1") == "written"
    refused = patched.probe("scan")
    assert refused["errorType"] == "ClientError"
    assert "AccessDeniedException" in refused["errorMessage"]


def test_a_bucket_for_tls_only_takes_what_comes_over_loopback(patched: Deployed) -> None:
    assert patched.probe("put_object", key="a.json") == "written"


def test_a_wrong_signature_is_refused(patched: Deployed) -> None:
    role = next(iter(patched.stack.role_names()))
    keys = patched.emulator.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{role}", RoleSessionName="forged"
    )["Credentials"]
    forged = patched.emulator.client(
        "dynamodb", Credentials(keys["AccessKeyId"], "not the secret key", keys["SessionToken"])
    )
    with pytest.raises(ClientError) as caught:
        forged.list_tables()
    assert error_code(caught) == "InvalidSignatureException"


# --- state machines


def test_a_task_is_held_to_the_role_of_its_state_machine(emulator: Deployed) -> None:
    execution = run_machine(emulator, "write")
    assert (execution["status"], json.loads(execution["output"])) == ("SUCCEEDED", "told")
    items = emulator.emulator.client("dynamodb").scan(TableName=emulator.stack.outputs["TableName"])["Items"]
    assert {"id": {"S": "written by the machine"}} not in items


def test_waits_are_as_long_as_the_scale_says(patched: Deployed) -> None:
    began = time.monotonic()
    assert json.loads(run_machine(patched, "wait")["output"]) == "told"
    assert 0.5 < time.monotonic() - began < 5


def test_starting_a_running_execution_again_is_the_same_execution(emulator: Deployed) -> None:
    states, name = emulator.emulator.client("stepfunctions"), uuid.uuid4().hex
    start = {
        "stateMachineArn": emulator.stack.outputs["StateMachineArn"],
        "name": name,
        "input": '{"do": "wait"}',
    }
    first = states.start_execution(**start)
    try:
        second = states.start_execution(**start)
    except ClientError as refused:
        pytest.fail(str(refused))
    assert (second["executionArn"], second["startDate"]) == (first["executionArn"], first["startDate"])
    with pytest.raises(ClientError) as caught:
        states.start_execution(**(start | {"input": '{"do": "write"}'}))
    assert error_code(caught) == "ExecutionAlreadyExists"
    states.stop_execution(executionArn=first["executionArn"])
    with pytest.raises(ClientError) as caught:
        states.start_execution(**start)
    assert error_code(caught) == "ExecutionAlreadyExists"


def test_stopping_an_execution_that_has_ended_changes_nothing(emulator: Deployed) -> None:
    ended = run_machine(emulator, "from_layer")
    states = emulator.emulator.client("stepfunctions")
    try:
        states.stop_execution(executionArn=ended["executionArn"])
    except ClientError as refused:
        pytest.fail(str(refused))
    assert states.describe_execution(executionArn=ended["executionArn"])["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("resource", "arguments", "expected"),
    [
        (
            "arn:aws:lambda:us-east-1:1:function:f",
            {},
            [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:1:function:f")],
        ),
        (
            "arn:aws:states:::lambda:invoke",
            {"FunctionName": "f"},
            [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:1:function:f")],
        ),
        (
            "arn:aws:states:::aws-sdk:dynamodb:updateItem",
            {"TableName": "t"},
            [("dynamodb:UpdateItem", "arn:aws:dynamodb:us-east-1:1:table/t")],
        ),
        (
            "arn:aws:states:::events:putEvents",
            {"Entries": [{"EventBusName": "b"}, {}]},
            [
                ("events:PutEvents", "arn:aws:events:us-east-1:1:event-bus/b"),
                ("events:PutEvents", "arn:aws:events:us-east-1:1:event-bus/default"),
            ],
        ),
        (
            "arn:aws:states:::sqs:sendMessage",
            {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/1/q"},
            [("sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q")],
        ),
        (
            "arn:aws:states:::aws-sdk:s3:getObject",
            {"Bucket": "b", "Key": "k"},
            [("s3:GetObject", "arn:aws:s3:::b/k")],
        ),
        ("arn:aws:states:::aws-sdk:sfn:startExecution", {}, [("states:StartExecution", "*")]),
    ],
)
def test_a_task_needs_the_permission_for_what_it_touches(
    resource: str, arguments: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert required_permissions(resource, arguments, "1", "us-east-1") == expected
