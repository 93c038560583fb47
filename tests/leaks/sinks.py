"""The sinks: every place that a line, a message, a key or an answer of ours could carry something away to."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from sandbox.world.world import World
from tests.journey.app import tables
from tests.journey.leaks import log_lines
from tests.leaks.canaries import Canaries

AWS_SINKS = (
    "logs",
    "events",
    "queue messages",
    "workflow histories",
    "KMS calls",
    "S3 keys, metadata, tags",
    "DynamoDB calls",
    "DynamoDB items",
    "schedules",
    "other AWS calls",
)
HTTP_SINKS = (
    "HTTP bodies",
    "HTTP headers",
    "HTTP start body",
    "HTTP launch cookie",
    "HTTP launch Location",
    "HTTP callback Location",
    "HTTP return fragment",
    "HTTP file Location",
    "HTTP records",
)
SINKS = AWS_SINKS + HTTP_SINKS

_HEALTH = ("patient id", "name", "date", "address", "FHIR content")
ALLOWED = {
    ("ticket", "HTTP start body"): "the launch URL, for the app to open",
    ("cookie", "HTTP launch cookie"): "the cookie, for the browser that launches",
    ("session", "HTTP launch Location"): "our callback URL, for the redirector to come back to",
    ("state", "HTTP launch Location"): "the portal's own, as its directory entry has it",
    ("verifier", "HTTP launch Location"): "a portal whose method is plain wants it as the challenge",
    ("portal id", "HTTP bodies"): "portals and connections, as the app shows them",
    ("portal id", "HTTP start body"): "the connection that was started",
    ("handle", "HTTP return fragment"): "the handle, for the app that finishes",
    ("signed URL", "HTTP file Location"): "a file, for whoever may read it, for five minutes",
    ("portal id", "DynamoDB calls"): "which portal a connection is to; the user is a digest there",
    ("portal id", "DynamoDB items"): "which portal a connection is to; the user is a digest there",
    (
        "state",
        "DynamoDB calls",
    ): "the portal's own, in the address that a launch leads to: public in the directory",
    (
        "state",
        "DynamoDB items",
    ): "the portal's own, in the address that a launch leads to: public in the directory",
} | {(kind, "HTTP records"): "the records that were asked for" for kind in _HEALTH}

type Collected = dict[str, list[str]]


class Listeners:
    """What listens while the world plays."""

    def __init__(self, world: World, answers: list[httpx.Response], events: str) -> None:
        self._world, self._answers, self._events = world, answers, events

    def met(self, canaries: Canaries) -> None:
        """The secrets of our own making that the answers have handed out."""
        for answer in self._answers:
            _met(answer, canaries)

    def collect(self) -> Collected:
        """Every sink with all texts that it holds."""
        found: dict[str, list[str]] = defaultdict(list)
        found["logs"] = log_lines(self._world)
        found["events"] = list(_messages(self._world, self._events))
        found["queue messages"] = [
            text
            for name in ("RefreshQueue", "RefreshDeadLetters")
            for text in _messages(self._world, self._world.stack.physical_ids[name])
        ]
        found["workflow histories"] = list(_executions(self._world))
        found["S3 keys, metadata, tags"] = list(_objects(self._world))
        found["DynamoDB items"] = list(_items(self._world))
        found["schedules"] = list(_schedules(self._world))
        for sink, text in _calls(self._world):
            found[sink].append(text)
        for answer in self._answers:
            for sink, text in _answer(answer):
                found[sink].append(text)
        assert set(found) == set(SINKS)
        return {sink: sorted(set(found[sink])) for sink in SINKS}


@contextmanager
def listening(world: World) -> Iterator[Listeners]:
    """Every answer of the API to anybody in this process, and a queue for all events of the bus."""
    answers: list[httpx.Response] = []
    send = httpx.Client.send

    def overheard(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        answer = send(client, request, **options)
        if str(request.url).startswith(world.api):
            answer.read()
            answers.append(answer)
        return answer

    sqs, events = world.aws("sqs"), world.aws("events")
    queue = sqs.create_queue(QueueName="catch-all")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = world.stack.outputs["EventBusName"]
    events.put_rule(Name="catch-all", EventBusName=bus, EventPattern=json.dumps({"source": [{"prefix": ""}]}))
    events.put_targets(Rule="catch-all", EventBusName=bus, Targets=[{"Id": "all", "Arn": arn}])
    with mock.patch.object(httpx.Client, "send", overheard):
        yield Listeners(world, answers, queue)


def _messages(world: World, queue: str) -> Iterator[str]:
    sqs = world.aws("sqs")
    while got := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        yield from (json.dumps(message, ensure_ascii=False) for message in got)


def _executions(world: World) -> Iterator[str]:
    machines = world.aws("stepfunctions")
    listed = machines.get_paginator("list_executions").paginate(
        stateMachineArn=world.stack.outputs["StateMachineArn"]
    )
    for execution in (e for page in listed for e in page["executions"]):
        arn = execution["executionArn"]
        yield json.dumps(machines.describe_execution(executionArn=arn), default=str)
        for page in machines.get_paginator("get_execution_history").paginate(executionArn=arn):
            yield from (json.dumps(event, default=str) for event in page["events"])


def _objects(world: World) -> Iterator[str]:
    s3, bucket = world.aws("s3"), world.stack.outputs["ResultsBucketName"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for row in page.get("Contents", []):
            head = s3.head_object(Bucket=bucket, Key=row["Key"])
            tags = s3.get_object_tagging(Bucket=bucket, Key=row["Key"])["TagSet"]
            yield json.dumps([row["Key"], head.get("Metadata"), head["ContentType"], tags])


def _items(world: World) -> Iterator[str]:
    for table in tables(world):
        for page in world.aws("dynamodb").get_paginator("scan").paginate(TableName=table):
            # What is sealed is looked through too: as the bytes that it is.
            yield from (
                json.dumps(row, default=lambda sealed: sealed.decode("latin-1")) for row in page["Items"]
            )


def _schedules(world: World) -> Iterator[str]:
    scheduler, group = world.aws("scheduler"), world.stack.physical_ids["KeepAliveGroup"].rpartition("/")[2]
    for row in scheduler.list_schedules(GroupName=group)["Schedules"]:
        yield json.dumps(scheduler.get_schedule(GroupName=group, Name=row["Name"]), default=str)


def _calls(world: World) -> Iterator[tuple[str, str]]:
    """What the stack's roles have said to AWS, at any time: also what is no longer there to be read."""
    assert world.settings.recording is not None
    kinds = {
        "kms": "KMS calls",
        "s3": "S3 keys, metadata, tags",
        "dynamodb": "DynamoDB calls",
        "sqs": "queue messages",
        "scheduler": "schedules",
        "events": "events",
    }
    for line in world.settings.recording.read_text().splitlines():
        yield kinds.get(json.loads(line)["service"], "other AWS calls"), line


def _answer(answer: httpx.Response) -> Iterator[tuple[str, str]]:
    """An answer's parts, each under the name by which something may be allowed there."""
    path, status, request = urlsplit(str(answer.request.url)).path, answer.status_code, answer.request
    records = answer.headers.get("content-type") == "application/fhir+json"
    started = status == 201 and request.method == "POST"
    yield "HTTP records" if records else "HTTP start body" if started else "HTTP bodies", answer.text
    launched = status == 303 and path.startswith("/connect/")
    for name, value in answer.headers.multi_items():
        if name == "set-cookie" and launched:
            yield "HTTP launch cookie", value
        elif name == "location":
            yield from _location(value, launched=launched, path=path)
        else:
            yield "HTTP headers", f"{name}: {value}"


def _location(value: str, *, launched: bool, path: str) -> Iterable[tuple[str, str]]:
    if launched:
        # The nested address once more in the clear, as the redirector will read it.
        return [("HTTP launch Location", value), ("HTTP launch Location", unquote(unquote(value)))]
    if path.startswith("/oauth/callback/"):
        before, _, fragment = value.partition("#")
        return [("HTTP callback Location", before), ("HTTP return fragment", fragment)]
    if re.search(r"/files/[^/]+$", path):
        return [("HTTP file Location", value)]
    return [("HTTP headers", f"location: {value}")]


def _met(answer: httpx.Response, canaries: Canaries) -> None:
    parts = dict(_answer(answer))
    if "HTTP start body" in parts:
        canaries.add("ticket", str(answer.json()["authorizationUrl"]).rpartition("/")[2])
    if "HTTP launch Location" in parts:
        client = parse_qs(urlsplit(answer.headers["location"]).query).get("clientURL")
        canaries.add("session", client[0].rpartition("/")[2] if client else None)
    canaries.add("cookie", *answer.cookies.values())
    canaries.add("handle", *parse_qs(parts.get("HTTP return fragment", "")).get("handle", []))
    signed = parse_qs(urlsplit(parts.get("HTTP file Location", "")).query)
    canaries.add("signed URL", *signed.get("X-Amz-Signature", []), *signed.get("Signature", []))
