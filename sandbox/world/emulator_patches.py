"""Every change that is made to the emulator's own code, in one place.

Each patch closes a gap that no public interface of ministack 1.5.33 closes, and that would otherwise let a
mistake pass locally that AWS would refuse (or the other way round). Each has a test in
tests/world/test_emulator_contract.py that would pass unpatched on the day the patch is no longer needed.

What could be had from outside is not here: the HTTP API's body is imported through the API Gateway API
(api_import.py), TLS is declared by a request header and calls are counted in front of the emulator
(emulator_server.py), and the front adds the headers that the edge of API Gateway adds (gateway.py).
"""

import base64
import contextvars
import fcntl
import hashlib
import hmac
import io
import json
import re
import struct
import sys
import tempfile
import termios
import time
import zipfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sandbox.world.http_event import as_api_gateway_sends_it

MINISTACK_VERSION = "1.5.33"
LAMBDA_RESPONSE_LIMIT = 6 * 1024 * 1024
KMS_PLAINTEXT_LIMIT = 4096
LATE_LINE_SECONDS = 0.1

Json = dict[str, Any]
principals: dict[str, str] = {}
"""Access key id of each function that has started -> the name of its role."""


def apply(runtime_dir: Path, own_settings: Iterable[str]) -> None:
    """Patch the emulator in this process.

    `runtime_dir` holds what the Lambda runtime itself brings; `own_settings` are the variables of the
    environment that are meant for the emulator and not for functions.
    """
    installed = version("ministack")
    if installed != MINISTACK_VERSION:
        raise SystemExit(
            f"ministack {installed} is installed, but the patches are written against {MINISTACK_VERSION}"
        )
    _run_python_on_the_runtime_interface_client(runtime_dir, own_settings)
    _authenticate_kms_ciphertext()
    _offer_kms_context_to_policies()
    _answer_500_when_a_function_fails()
    _hold_state_machines_to_their_role()
    _refer_to_secrets_by_arn()
    _start_and_stop_executions_twice()
    _name_schedules_by_their_group()


# --- 1. python functions --------------------------------------------------------------------------
# ministack runs python in a worker of its own that reports every exception as Runtime.HandlerError, so that
# no `Retry` or `Catch` of a state machine ever matches an exception class. The runtime interface client that
# AWS publishes speaks to the Runtime API, which ministack has for custom runtimes. A layer is not mounted
# there, and each invocation costs 40 ms for Nagle's algorithm and 50 ms of waiting for late log lines.


def _run_python_on_the_runtime_interface_client(runtime_dir: Path, own_settings: Iterable[str]) -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    layers = Path(tempfile.mkdtemp(prefix="layers-"))

    def layer_path(layer: Any) -> str:
        content: bytes = lambda_svc._resolve_layer_zip(layer) or b""
        place = layers / hashlib.sha256(content).hexdigest()
        if content and not place.is_dir():
            unfinished = Path(tempfile.mkdtemp(dir=layers))
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(unfinished)
            try:
                unfinished.rename(place)
            except OSError:  # another worker was faster
                if not place.is_dir():
                    raise
        return str(place / "python")

    def with_bootstrap(code: bytes, config: Json) -> bytes:
        path = [layer_path(layer) for layer in config.get("Layers") or []] + [str(runtime_dir)]
        logging = config.get("LoggingConfig") or {}
        variables = {
            "PYTHONPATH": ":".join(["$LAMBDA_TASK_ROOT", *path]),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}",
            "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
            "AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", ""),
            "TZ": ":UTC",
        }
        script = "\n".join(
            [
                "#!/bin/sh",
                *(f'export {name}="{value}"' for name, value in variables.items()),
                f"unset {' '.join(own_settings)} PWD OLDPWD",
                f'exec "{sys.executable}" -S -P -m awslambdaric "$_HANDLER"',
                "",
            ]
        )
        buffer = io.BytesIO(code)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr("bootstrap", script)
        return buffer.getvalue()

    class PythonWorker(lambda_runtime.ProvidedWorker):  # type: ignore[misc]
        """An execution environment of a python function."""

        def __init__(self, func_name: str, config: Json, code_zip: bytes) -> None:
            super().__init__(func_name, config, with_bootstrap(code_zip, config))
            key = lambda_runtime.execution_credentials(config)["AWS_ACCESS_KEY_ID"]
            principals[key] = str(config.get("Role", "")).rsplit("/", 1)[-1]

        def _build_handler_class(self, *args: Any) -> Any:
            handler = super()._build_handler_class(*args)
            handler.disable_nagle_algorithm = True
            return handler

        def _drain_stderr_bounded(self, first_line_wait: float = LATE_LINE_SECONDS) -> str:
            """What the function has written. By the time that it has answered this is in the pipe, or out of it."""
            deadline = time.monotonic() + first_line_wait
            while self._proc is not None and _unread(self._proc.stdout) and time.monotonic() < deadline:
                time.sleep(0.0005)
            time.sleep(0.001)  # a line that has left the pipe is on its way through the reading thread
            log: str = self._drain_stderr()
            return log

        def invoke(self, event: Any, request_id: str, **details: Any) -> Json:
            details = {k: v for k, v in details.items() if k in ("trace_id", "invoked_function_arn")}
            try:
                result: Json = super().invoke(as_api_gateway_sends_it(event), request_id, **details)
            except RuntimeError as failure:
                return self._failed_to_start(failure)
            if result["status"] == "ok" and len(json.dumps(result["result"])) > LAMBDA_RESPONSE_LIMIT:
                message = f"Response payload size exceeded maximum allowed: {LAMBDA_RESPONSE_LIMIT} bytes."
                payload = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
                result |= {"status": "error", "error": message, "error_payload": payload}
            return result

        def _failed_to_start(self, failure: RuntimeError) -> Json:
            """The error that Lambda answers with, and what the function's log says about it."""
            reported = self._init_error if isinstance(self._init_error, dict) else {}
            error = {
                "errorType": reported.get("errorType") or getattr(failure, "error_type", "Runtime.ExitError"),
                "errorMessage": reported.get("errorMessage") or str(failure),
            }
            self._teardown()
            log = self._drain_stderr() or f"[ERROR] {error['errorType']}: {error['errorMessage']}"
            return {"status": "error", "error": error["errorMessage"], "error_payload": error, "log": log}

    def is_python(config: Json) -> bool:
        return str(config.get("Runtime", "")).startswith("python")

    worker_class, warm = lambda_runtime._worker_class_for, lambda_svc._execute_function_warm
    lambda_runtime._worker_class_for = lambda c: PythonWorker if is_python(c) else worker_class(c)
    lambda_svc._execute_function_warm = lambda func, event, request_id: (
        lambda_svc._execute_function_provided_warm if is_python(func.get("config") or func) else warm
    )(func, event, request_id)
    lambda_runtime._PROVIDED_POLL = 0.01


def _unread(pipe: Any) -> int:
    """How many bytes wait in a pipe."""
    try:
        waiting: int
        (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
        return waiting
    except (OSError, ValueError):
        return 0


# --- 2. KMS ---------------------------------------------------------------------------------------
# ministack enciphers with an XOR pad: a ciphertext with a flipped bit decrypts, to something else. A tag over
# the blob and the encryption context makes it authenticated, as AES-GCM is. It also takes plaintexts over the
# limit, and decrypts with a key that is not the one of the ciphertext if the caller names it.


def _authenticate_kms_ciphertext() -> None:
    from ministack.services import kms

    encrypt, decrypt, data_key = kms._encrypt, kms._decrypt, kms._generate_data_key_common
    size = 16

    def tag(key: Json, blob: bytes, context: Any) -> bytes:
        bound = blob + json.dumps(context or {}, sort_keys=True).encode()
        return hmac.digest(key["_symmetric_key"], bound, "sha256")[:size]

    def key_of(blob: bytes) -> Json | None:
        key: Json | None = kms._resolve_key(blob[:36].decode("ascii", "replace"))
        return key if key and "_symmetric_key" in key else None

    def tagged_encrypt(data: Json) -> Any:
        if not 1 <= len(base64.b64decode(data.get("Plaintext", ""))) <= KMS_PLAINTEXT_LIMIT:
            message = "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
            return kms.error_response_json(
                "ValidationException", message + "Member must have length less than or equal to 4096", 400
            )
        status, headers, body = encrypt(data)
        if status == 200:
            answer = json.loads(body)
            blob = base64.b64decode(answer["CiphertextBlob"])
            if key := key_of(blob):
                blob += tag(key, blob, data.get("EncryptionContext"))
                return kms.json_response(answer | {"CiphertextBlob": base64.b64encode(blob).decode()})
        return status, headers, body

    def tagged_decrypt(data: Json) -> Any:
        blob = base64.b64decode(data.get("CiphertextBlob", ""))
        key = key_of(blob)
        if key is None:
            return decrypt(data)
        if data.get("KeyId") and (named := kms._resolve_key(data["KeyId"])) and named is not key:
            message = "The key ID in the request does not identify a CMK that can perform this operation."
            return kms.error_response_json("IncorrectKeyException", message, 400)
        body, seal = blob[:-size], blob[-size:]
        if not hmac.compare_digest(tag(key, body, data.get("EncryptionContext")), seal):
            return kms.error_response_json("InvalidCiphertextException", "", 400)
        return decrypt(data | {"CiphertextBlob": base64.b64encode(body).decode()})

    def tagged_data_key(data: Json, *args: Any) -> Any:
        key, plaintext, blob = data_key(data, *args)
        if key is not None:
            blob += tag(key, blob, data.get("EncryptionContext"))
        return key, plaintext, blob

    kms._encrypt, kms._decrypt, kms._generate_data_key_common = (
        tagged_encrypt,
        tagged_decrypt,
        tagged_data_key,
    )


# --- 3. conditions on the encryption context ------------------------------------------------------
# ministack does not know kms:EncryptionContext:* in a condition, so a conditioned Allow never allows.


def _offer_kms_context_to_policies() -> None:
    from ministack.core import iam_actions

    original = iam_actions.request_tag_context

    def with_encryption_context(service: str, action: str, body: bytes, params: Json) -> Json:
        context: Json = original(service, action, body, params)
        if service == "kms":
            try:
                named = json.loads(body or b"{}").get("EncryptionContext")
            except ValueError:
                named = None
            if isinstance(named, dict) and named:
                context |= {f"kms:EncryptionContext:{name}": value for name, value in named.items()}
                context["kms:EncryptionContextKeys"] = list(named)
        return context

    iam_actions.request_tag_context = with_encryption_context


# --- 4. a function that fails behind the HTTP API -------------------------------------------------
# AWS answers 500 with a fixed body; ministack answers 502 with the exception and its stack trace.


def _answer_500_when_a_function_fails() -> None:
    from ministack.services import lambda_svc

    original = lambda_svc.lambda_execute_result_to_api_proxy_response

    def without_the_stack_trace(result: Json) -> Any:
        if result.get("error") and not result.get("throttle"):
            body = '{"message":"Internal Server Error"}'
            return {"statusCode": 500, "headers": {"Content-Type": "application/json"}, "body": body}, None
        return original(result)

    lambda_svc.lambda_execute_result_to_api_proxy_response = without_the_stack_trace


# --- 5. the state machine's role ------------------------------------------------------------------
# ministack runs every task of a state machine with all rights. Here each task is held to the machine's own
# role, and a refusal has the name that Step Functions gives it, so that it can be caught.

SERVICE_NAMES = {"dynamodb": "DynamoDB", "events": "EventBridge"}


def _hold_state_machines_to_their_role() -> None:
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import stepfunctions

    from sandbox.world.calls import counted

    role: contextvars.ContextVar[str | None] = contextvars.ContextVar("role", default=None)
    task, invoke, callback = (
        stepfunctions._execute_task,
        stepfunctions._invoke_resource,
        stepfunctions._invoke_with_callback,
    )

    def task_in_role(state: Json, raw: Any, execution: Json | None, context: Json) -> Any:
        arn = (execution or {}).get("stateMachineArn") or context.get("StateMachine", {}).get("Id", "")
        token = role.set((stepfunctions._state_machines.get(arn) or {}).get("roleArn"))
        try:
            return task(state, raw, execution, context)
        finally:
            role.reset(token)

    def authorize(resource: str, arguments: Any) -> None:
        role_arn, account, region = role.get(), get_account_id(), get_region()
        if not role_arn:
            return
        name = role_arn.rsplit("/", 1)[-1]
        for action, arn in required_permissions(resource, arguments, account, region):
            service = action.split(":")[0]
            wanted = iam_evaluator.EvalContext(
                principal_arn=role_arn,
                principal_type="AssumedRole",
                principal_account=account,
                action=action,
                resource_arn=arn,
                region=region,
            )
            verdict = iam_evaluator.evaluate(wanted, iam_evaluator._gather_role_policies(name, account))
            allowed = verdict.decision == "Allow"
            counted.add(name, service, action.split(":")[1].removesuffix("Function"), refused=not allowed)
            if not allowed:
                raise stepfunctions._ExecutionError(
                    f"{SERVICE_NAMES.get(service, service.capitalize())}.AccessDeniedException",
                    f"User: arn:aws:sts::{account}:assumed-role/{name} is not authorized to perform: "
                    f"{action} on resource: {arn}",
                )

    def authorized_invoke(resource: str, arguments: Any) -> Any:
        authorize(resource, arguments)
        return invoke(resource, arguments)

    def authorized_callback(resource: str, arguments: Any, token: str, state: Json) -> Any:
        authorize(resource, arguments)
        return callback(resource, arguments, token, state)

    stepfunctions._execute_task = task_in_role
    stepfunctions._invoke_resource = authorized_invoke
    stepfunctions._invoke_with_callback = authorized_callback


def required_permissions(resource: str, arguments: Any, account: str, region: str) -> list[tuple[str, str]]:
    """What a task's role must allow: (action, resource ARN) for each thing that the task touches."""
    arguments = arguments if isinstance(arguments, dict) else {}

    def arn(service: str, kind: str, name: Any) -> str:
        here = f"arn:aws:{service}:{region}:{account}:{kind}"
        return str(name) if str(name).startswith("arn:") else f"{here}{name}"

    integration = re.match(r"arn:aws:states:::(?:aws-sdk:)?([a-z0-9]+):([A-Za-z]+)", resource)
    if not integration:
        return [("lambda:InvokeFunction", resource)]
    service, verb = integration[1], integration[2][0].upper() + integration[2][1:]
    if service == "lambda":
        return [("lambda:InvokeFunction", arn("lambda", "function:", arguments.get("FunctionName", "")))]
    if service == "dynamodb":
        return [(f"dynamodb:{verb}", arn("dynamodb", "table/", arguments.get("TableName", "")))]
    if service in ("events", "eventbridge"):
        entries = arguments.get("Entries") or []
        return [
            ("events:PutEvents", arn("events", "event-bus/", entry.get("EventBusName") or "default"))
            for entry in entries
        ]
    if service == "sqs":
        return [("sqs:SendMessage", arn("sqs", "", str(arguments.get("QueueUrl", "")).rsplit("/", 1)[-1]))]
    if service == "s3":
        key = f"/{arguments['Key']}" if arguments.get("Key") else ""
        return [(f"s3:{verb}", f"arn:aws:s3:::{arguments.get('Bucket')}{key}")]
    return [({"sfn": "states"}.get(service, service) + f":{verb}", "*")]


# --- 6. references to secrets ---------------------------------------------------------------------
# `!Ref` of a secret is its ARN; ministack gives the name, so that a policy written with it never allows.


def _refer_to_secrets_by_arn() -> None:
    from ministack.services import secretsmanager
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def name_of(reference: str) -> str:
        for name, secret in secretsmanager._secrets.items():
            if reference == secret["ARN"]:
                return str(name)
        return reference

    def created(*args: Any, **options: Any) -> Any:
        _, attributes = create(*args, **options)
        return attributes["Arn"], attributes

    def updated(physical_id: str, *args: Any, **options: Any) -> Any:
        _, attributes = update(name_of(physical_id), *args, **options)
        return attributes["Arn"], attributes

    handlers["create"], handlers["update"] = created, updated
    handlers["delete"] = lambda physical_id, *args, **options: delete(name_of(physical_id), *args, **options)


# --- 7. starting and stopping executions twice ----------------------------------------------------
# Starting a running execution again with the same name and input answers as the first time (documented for
# StartExecution); ministack refuses. Stopping one that has ended changes nothing and is no error: the errors
# that StopExecution documents have none for it, and callers on AWS report success; ministack refuses.


def _start_and_stop_executions_twice() -> None:
    from ministack.services import stepfunctions

    start, stop, executions = (
        stepfunctions._start_execution,
        stepfunctions._stop_execution,
        stepfunctions._executions,
    )

    def started_again(data: Json) -> Any:
        status, headers, body = start(data)
        if status == 400 and json.loads(body).get("__type") == "ExecutionAlreadyExists":
            machine = str(data["stateMachineArn"]).replace(":stateMachine:", ":execution:")
            known = executions.get(f"{machine}:{data['name']}")
            if known and known["status"] == "RUNNING" and known["input"] == data.get("input", "{}"):
                answer = {"executionArn": known["executionArn"], "startDate": known["startDate"]}
                return stepfunctions.json_response(answer)
        return status, headers, body

    def stopped_again(data: Json) -> Any:
        known = executions.get(data.get("executionArn"))
        if known and known["status"] != "RUNNING":
            return stepfunctions.json_response({"stopDate": known["stopDate"]})
        return stop(data)

    stepfunctions._start_execution, stepfunctions._stop_execution = started_again, stopped_again


# --- 8. schedules in a group ----------------------------------------------------------------------
# A policy names a schedule as schedule/GROUP/NAME. ministack asks policies about schedule/default/NAME,
# whatever the group, so that a role limited to its own group is refused.


def _name_schedules_by_their_group() -> None:
    from ministack.core import iam_actions

    original = iam_actions.extract_resource_arn

    def with_group(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        arn: str = original(service, method, path, headers, body, *rest)
        if service != "scheduler" or ":schedule/default/" not in arn:
            return arn
        try:
            group = json.loads(body or b"{}").get("GroupName")
        except ValueError:
            group = None
        query = next((part for part in rest if isinstance(part, dict)), {})
        given = query.get("groupName")
        group = group or (given[0] if isinstance(given, list) else given)
        return arn.replace(":schedule/default/", f":schedule/{group}/") if group else arn

    iam_actions.extract_resource_arn = with_group
