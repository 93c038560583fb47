"""Deploy a SAM template to the emulator, as `sam deploy` would: package, create or update the stack, wait."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.world import api_import, packaging, template

ARTIFACTS = "local-artifacts"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
Client = Callable[[str], Any]


class DeployFailed(Exception):
    """The stack did not come up. The message has a line for each resource that failed."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    name: str
    outputs: Mapping[str, str]
    physical_ids: Mapping[str, str]
    """Logical id -> physical id."""
    types: Mapping[str, str]
    """Logical id -> type."""
    folders: Mapping[str, str]
    """Logical id of each function -> the name of its folder."""

    @property
    def api_id(self) -> str | None:
        """The id of the stack's HTTP API."""
        found = [name for name, kind in self.types.items() if kind == "AWS::ApiGatewayV2::Api"]
        return self.physical_ids[found[0]] if found else None

    def role_names(self) -> dict[str, str]:
        """A role's name -> who has it: the function's folder, or the logical id without its `Role`."""
        owners = {}
        for name, kind in self.types.items():
            if kind == "AWS::IAM::Role":
                owner = name.removesuffix("Role")
                owners[self.physical_ids[name]] = self.folders.get(owner, owner)
        return owners


def deploy(client: Client, path: Path, name: str, parameters: Mapping[str, str]) -> Stack:
    """Bring the stack to what the template says. Parameters that the template does not have are left out."""
    source = template.load(path)
    _make_bucket(client("s3"))
    packaged = packaging.package(
        source, path.parent, lambda key, content: _upload(client("s3"), key, content)
    )
    known = {key: value for key, value in parameters.items() if key in source.get("Parameters", {})}
    description = _bring_up(client("cloudformation"), name, json.dumps(packaged), known)
    stack = _read(client("cloudformation"), description, packaging.folders(source))
    if stack.api_id:
        processed = client("cloudformation").get_template(StackName=name, TemplateStage="Processed")
        values = {p["ParameterKey"]: p["ParameterValue"] for p in description.get("Parameters", [])}
        api_import.import_api(
            client("apigatewayv2"), stack, processed["TemplateBody"], values, description["StackId"]
        )
    return stack


def _make_bucket(s3: Any) -> None:
    try:
        s3.create_bucket(Bucket=ARTIFACTS)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise


def _upload(s3: Any, key: str, content: bytes) -> str:
    s3.put_object(Bucket=ARTIFACTS, Key=key, Body=content)
    return f"s3://{ARTIFACTS}/{key}"


def _bring_up(cloudformation: Any, name: str, body: str, parameters: Mapping[str, str]) -> Any:
    request = {
        "StackName": name,
        "TemplateBody": body,
        "Capabilities": CAPABILITIES,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    }
    try:
        cloudformation.describe_stacks(StackName=name)
    except ClientError:
        cloudformation.create_stack(**request)
    else:
        try:
            cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
    while True:
        description = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        status = description["StackStatus"]
        if not status.endswith("IN_PROGRESS"):
            break
        time.sleep(0.05)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployFailed(_failures(cloudformation, name, status))
    return description


def _failures(cloudformation: Any, name: str, status: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    lines = [f"the stack {name} ended as {status}"]
    for event in reversed(events):
        if event["ResourceStatus"].endswith("FAILED"):
            reason = event.get("ResourceStatusReason", "no reason given")
            lines.append(f"  {event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
    return "\n".join(lines)


def _read(cloudformation: Any, description: Any, folders: Mapping[str, str]) -> Stack:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=description["StackName"])
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Stack(
        name=description["StackName"],
        outputs={o["OutputKey"]: o["OutputValue"] for o in description.get("Outputs", [])},
        physical_ids={r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources},
        types={r["LogicalResourceId"]: r["ResourceType"] for r in resources},
        folders=folders,
    )
