"""Does what it is asked to, so that a test sees what a function sees."""

import base64
import importlib
import json
import os
import sys
import time
from typing import Any

import boto3

Json = dict[str, Any]
tries = 0


class Busy(Exception):
    """Worth another try."""


class Hopeless(Exception):
    """Not worth another try."""


def lambda_handler(event: Json, context: Any) -> Any:
    if "requestContext" in event:
        return over_http(event)
    return ACTIONS[event["do"]](event)


def over_http(event: Json) -> Json:
    path = event["rawPath"]
    if path.endswith("/fail"):
        raise ValueError("the text of an exception")
    if path.endswith("/elsewhere"):
        return {"statusCode": 303, "headers": {"location": "/open/nowhere"}}
    if path.endswith("/compressed"):
        body = base64.b64encode(b"\x1f\x8b not really gzip").decode()
        return {
            "statusCode": 200,
            "headers": {"content-type": "application/octet-stream", "content-encoding": "gzip"},
            "body": body,
            "isBase64Encoded": True,
        }
    if path.endswith("/large"):
        return {"statusCode": 200, "body": "x" * (7 * 1024 * 1024)}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "x-probe": "yes"},
        "cookies": ["a=1; Path=/", "b=2; HttpOnly"],
        "body": json.dumps(event),
    }


def environment(_: Json) -> Json:
    return dict(os.environ)


def from_layer(_: Json) -> str:
    return str(importlib.import_module("shared_words").GREETING)


def undeclared(_: Json) -> str:
    try:
        import aiohttp  # noqa: F401 - the emulator's environment has it, the function's must not
    except ImportError:
        return "absent"
    return "present"


def busy_once(_: Json) -> str:
    global tries
    tries += 1
    if tries % 2:
        raise Busy
    return "done"


def hopeless(_: Json) -> None:
    raise Hopeless("no text of a patient")


def sleep(event: Json) -> None:
    time.sleep(event["seconds"])


def log(event: Json) -> None:
    sys.stdout.write(event["text"] + "\n")


def data_key(event: Json) -> str:
    context = {"table": event["table"]}
    answer = boto3.client("kms").generate_data_key(
        KeyId=os.environ["KEY"], KeySpec="AES_256", EncryptionContext=context
    )
    return str(answer["KeyId"])


def secret(_: Json) -> str:
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SECRET"])
    return str(answer["SecretString"])


def put_item(event: Json) -> str:
    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"id": {"S": event["id"]}})
    return "written"


def scan(_: Json) -> None:
    boto3.client("dynamodb").scan(TableName=os.environ["TABLE"])


def put_object(event: Json) -> str:
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=event["key"], Body=b"{}")
    return "written"


def service_hosts(_: Json) -> list[str]:
    names = ("dynamodb", "events", "kms", "lambda", "s3", "secretsmanager", "sqs", "stepfunctions", "sts")
    return [boto3.client(name).meta.endpoint_url for name in names]


ACTIONS = {
    action.__name__: action
    for action in (
        environment,
        from_layer,
        undeclared,
        busy_once,
        hopeless,
        sleep,
        log,
        data_key,
        secret,
        put_item,
        scan,
        put_object,
        service_hosts,
    )
}
