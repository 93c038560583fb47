"""Two stand-ins for AWS with the stores that template.yaml declares: moto in this process, the emulator beside it.

Keys, indexes and time-to-live come from the template itself, so that the adapters meet the tables that they
will meet when deployed.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import httpx
import requests
from botocore.config import Config
from moto import mock_aws

from portico.adapters import aws
from sandbox.world.emulator import Emulator
from sandbox.world.template import load

ROOT = Path(__file__).parents[1]
_WAITING = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}


@dataclass(frozen=True)
class Backend:
    """A running stand-in, and the names of what was made in it."""

    name: str
    url: str | None
    attempts: str
    connections: str
    retrievals: str
    bucket: str
    key: str
    secret: str
    state_machine: str
    queue: str
    queue_arn: str
    schedule_group: str
    scheduler_role: str

    def client(self, service: str) -> Any:
        """A client of one's own, to look at what the adapters did."""
        return _client(self.url, service)

    def new_key(self) -> str:
        """A further KMS key."""
        return str(self.client("kms").create_key()["KeyMetadata"]["Arn"])

    def download(self, url: str) -> tuple[dict[str, str], bytes]:
        """What somebody with a signed URL gets: headers in lower case, the bytes as stored."""
        if self.url is None:
            answer = requests.get(url, stream=True, timeout=10)
            status, headers, body = answer.status_code, dict(answer.headers), answer.raw.read()
        else:
            with httpx.stream("GET", url) as read:
                status, headers, body = read.status_code, dict(read.headers), b"".join(read.iter_raw())
        assert status == 200, body
        return {name.lower(): value for name, value in headers.items()}, body

    def use(self) -> None:
        """From here on the adapters of this process speak to this stand-in, with clients that it keeps."""
        os.environ.pop("AWS_ENDPOINT_URL", None)
        os.environ |= {"AWS_ENDPOINT_URL": self.url} if self.url else {}
        for name, kept in _clients.setdefault(id(self), _fresh_clients()).items():
            setattr(aws, name, kept)

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which a function finds these stores."""
        return {
            "ATTEMPTS_TABLE": self.attempts,
            "CONNECTIONS_TABLE": self.connections,
            "RETRIEVALS_TABLE": self.retrievals,
            "RESULTS_BUCKET": self.bucket,
            "TOKENS_KEY": self.key,
            "ONERECORD_SECRET": self.secret,
            "STATE_MACHINE": self.state_machine,
            "REFRESH_QUEUE": self.queue,
            "REFRESH_QUEUE_ARN": self.queue_arn,
            "SCHEDULE_GROUP": self.schedule_group,
            "SCHEDULER_ROLE": self.scheduler_role,
        }


_MADE_BY = {name: getattr(aws, name).__wrapped__ for name in ("_client", "_session")}
_clients: dict[int, dict[str, Any]] = {}


def _fresh_clients() -> dict[str, Any]:
    """What the adapters make their clients with, with nothing made yet."""
    return {name: cache(make) for name, make in _MADE_BY.items()}


@contextmanager
def moto() -> Iterator[Backend]:
    """moto inside this process: it answers before a request leaves the client."""
    with mock_aws(config={"core": {"mock_credentials": False}}):
        backend = _prepared("moto", None)
        yield backend
        _clients.pop(id(backend), None)


@contextmanager
def emulator() -> Iterator[Backend]:
    """The emulator of the local world, without a deployed stack."""
    running = Emulator.start()
    try:
        backend = _prepared("emulator", running.url)
        yield backend
        _clients.pop(id(backend), None)
    finally:
        running.stop()


def _client(url: str | None, service: str) -> Any:
    config = Config(
        retries={"max_attempts": 1},
        s3={"addressing_style": "path"},
        ignore_configured_endpoint_urls=True,
    )
    return boto3.client(service, endpoint_url=url, config=config)


def _prepared(name: str, url: str | None) -> Backend:
    resources = load(ROOT / "template.yaml")["Resources"]
    tables = {}
    for table in ("AttemptsTable", "ConnectionsTable", "RetrievalsTable"):
        declared = resources[table]["Properties"]
        wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        made = {part: declared[part] for part in wanted if part in declared}
        _client(url, "dynamodb").create_table(TableName=f"portico-{table}", **made)
        tables[table] = f"portico-{table}"
    _client(url, "s3").create_bucket(Bucket="portico-results")
    secret = _client(url, "secretsmanager").create_secret(
        Name="portico-onerecord", SecretString=json.dumps({"deviceToken": "sandbox-device-token"})
    )
    role = _client(url, "iam").create_role(RoleName="portico-workflow", AssumeRolePolicyDocument="{}")
    machine = _client(url, "stepfunctions").create_state_machine(
        name="portico-retrieve-records", definition=json.dumps(_WAITING), roleArn=role["Role"]["Arn"]
    )
    queue = _client(url, "sqs").create_queue(QueueName="portico-refresh")["QueueUrl"]
    described = _client(url, "sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    _client(url, "scheduler").create_schedule_group(Name="portico-keep-alive")
    return Backend(
        name=name,
        url=url,
        attempts=tables["AttemptsTable"],
        connections=tables["ConnectionsTable"],
        retrievals=tables["RetrievalsTable"],
        bucket="portico-results",
        key=_client(url, "kms").create_key()["KeyMetadata"]["Arn"],
        secret=secret["ARN"],
        state_machine=machine["stateMachineArn"],
        queue=queue,
        queue_arn=described["Attributes"]["QueueArn"],
        schedule_group="portico-keep-alive",
        scheduler_role=role["Role"]["Arn"],
    )
