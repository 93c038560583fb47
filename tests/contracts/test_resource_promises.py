"""What docs/security.md promises of keys, stores, queues and functions, held to the expanded template.

Each promise comes with a bad twin: the same template with one thing spoiled, which the check must notice.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tools import permissions
from tools.expand_template import expanded

Json = dict[str, Any]
type Check = Callable[[Json], list[str]]
type Spoil = Callable[[Json], object]

OPENS_TOKENS = {
    "exchange_token",
    "retrieve_records",
    "begin_retrieval",
    "poll_retrieval",
    "refresh_connection",
    "rewrap_tokens",
}


def of_type(stack: Json, kind: str) -> Iterator[tuple[str, Json]]:
    for name, resource in stack["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource


def properties(stack: Json, name: str) -> Json:
    found: Json = stack["Resources"][name]["Properties"]
    return found


def first(stack: Json, kind: str) -> Json:
    return next(of_type(stack, kind))[1]


def grants(stack: Json) -> list[permissions.Grant]:
    folders = {
        name: str(one["Properties"]["Code"]["S3Key"]).rpartition("/")[2]
        for name, one in of_type(stack, "AWS::Lambda::Function")
    }
    return permissions.grants(stack, folders)


# --- keys -----------------------------------------------------------------------------------------


def keys_without_rotation(stack: Json) -> list[str]:
    return [
        name
        for name, key in of_type(stack, "AWS::KMS::Key")
        if not key["Properties"].get("EnableKeyRotation") or key.get("DeletionPolicy") != "Retain"
    ]


def key_use_without_a_place(stack: Json) -> list[str]:
    """A role may use the tokens key only for the tables that it works on."""
    return [
        str(grant)
        for grant in grants(stack)
        if grant.action.startswith("kms:") and "kms:EncryptionContext:table" not in grant.condition
    ]


def strangers_who_open_tokens(stack: Json) -> list[str]:
    return [
        str(grant)
        for grant in grants(stack)
        if grant.action == "kms:Decrypt" and grant.owner not in OPENS_TOKENS
    ]


def _decrypts_anything(stack: Json) -> None:
    role = properties(stack, "ExchangeTokenFunctionRole")
    for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
        if "kms" in str(statement["Action"]):
            statement.pop("Condition", None)


def _a_stranger_decrypts(stack: Json) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": {"Fn::GetAtt": ["TokensKey", "Arn"]},
        "Condition": {"StringEquals": {"kms:EncryptionContext:table": "connections"}},
    }
    role = properties(stack, "LaunchConnectionFunctionRole")
    role["Policies"][0]["PolicyDocument"]["Statement"].append(statement)


# --- stores ---------------------------------------------------------------------------------------


def unprotected_buckets(stack: Json) -> list[str]:
    return [
        name for name, bucket in of_type(stack, "AWS::S3::Bucket") if not _protected(bucket["Properties"])
    ]


def _protected(bucket: Json) -> bool:
    blocked = bucket.get("PublicAccessBlockConfiguration", {})
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
    return (
        len(blocked) == 4
        and all(value is True for value in blocked.values())
        and rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        and rule.get("BucketKeyEnabled") is True
        and any("ExpirationInDays" in one for one in rules)
        and any("AbortIncompleteMultipartUpload" in one for one in rules)
    )


def secrets_in_sight(stack: Json) -> list[str]:
    """Nothing secret passes through parameters, nor through functions' environments."""
    hidden = [name for name, one in stack.get("Parameters", {}).items() if one.get("NoEcho")]
    dynamic = [
        f"{name}.{variable}"
        for name, function in of_type(stack, "AWS::Lambda::Function")
        for variable, value in function["Properties"].get("Environment", {}).get("Variables", {}).items()
        if "{{resolve:" in str(value)
    ]
    return hidden + dynamic


def secrets_under_a_foreign_key(stack: Json) -> list[str]:
    return [
        name
        for name, one in of_type(stack, "AWS::SecretsManager::Secret")
        if "KmsKeyId" not in one["Properties"] or one.get("DeletionPolicy") != "Retain"
    ]


# --- queues ---------------------------------------------------------------------------------------


def queues_that_lose_messages(stack: Json) -> list[str]:
    """What is consumed has a dead-letter queue, which keeps a message as long as SQS can."""
    queues = {name: queue["Properties"] for name, queue in of_type(stack, "AWS::SQS::Queue")}
    last = {
        q["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for q in queues.values()
        if "RedrivePolicy" in q
    }
    without = [name for name, queue in queues.items() if name not in last and "RedrivePolicy" not in queue]
    return without + [name for name in last if queues[name].get("MessageRetentionPeriod") != 1_209_600]


def queues_in_the_clear(stack: Json) -> list[str]:
    return [
        name
        for name, queue in of_type(stack, "AWS::SQS::Queue")
        if "KmsMasterKeyId" not in queue["Properties"]
    ]


def visible_too_early(stack: Json) -> list[str]:
    """AWS's advice: a queue's visibility timeout is at least six times its function's timeout."""
    found = []
    for name, mapping in of_type(stack, "AWS::Lambda::EventSourceMapping"):
        source = mapping["Properties"]["EventSourceArn"].get("Fn::GetAtt", [""])[0]
        if stack["Resources"].get(source, {}).get("Type") == "AWS::SQS::Queue":
            function = properties(stack, mapping["Properties"]["FunctionName"]["Ref"])
            if properties(stack, source).get("VisibilityTimeout", 30) < 6 * function["Timeout"]:
                found.append(name)
    return found


# --- functions and routes -------------------------------------------------------------------------


def functions_out_of_the_house(stack: Json) -> list[str]:
    """Each function runs on arm64, ends by itself, and logs in a group of its own."""
    groups = [_group(one) for _, one in of_type(stack, "AWS::Lambda::Function")]
    return [
        name
        for name, one in of_type(stack, "AWS::Lambda::Function")
        if one["Properties"].get("Architectures") != ["arm64"]
        or not 0 < one["Properties"].get("Timeout", 0) <= 900
        or groups.count(_group(one)) != 1
        or _group(one) not in stack["Resources"]
    ]


def _group(function: Json) -> str:
    return str(function["Properties"].get("LoggingConfig", {}).get("LogGroup", {}).get("Ref"))


def origins_for_anyone(stack: Json) -> list[str]:
    api = first(stack, "AWS::ApiGatewayV2::Api")["Properties"]["Body"]
    of_the_api = api.get("x-amazon-apigateway-cors", {}).get("allowOrigins", [])
    of_buckets = [
        origin
        for _, bucket in of_type(stack, "AWS::S3::Bucket")
        for rule in bucket["Properties"].get("CorsConfiguration", {}).get("CorsRules", [])
        for origin in rule["AllowedOrigins"]
    ]
    return [str(origin) for origin in [*of_the_api, *of_buckets] if origin == "*"]


SIGNALS = {"burned", "wrong_browser", "reauthorization_required", "device_token_refused", "key_unavailable"}
MEASURES = {"5xx", "Latency", "Throttles", "ExecutionsTimedOut", "ApproximateNumberOfMessagesVisible"}


def trouble_without_an_alarm(stack: Json) -> list[str]:
    """Every signal is counted from a log and has an alarm; so has every measure of AWS's that we watch."""
    alarms = [alarm["Properties"] for _, alarm in of_type(stack, "AWS::CloudWatch::Alarm")]
    rung = {alarm["MetricName"] for alarm in alarms}
    rung |= {
        one["Value"] for alarm in alarms for one in alarm.get("Dimensions", []) if one["Name"] == "reason"
    }
    patterns = " ".join(
        one["Properties"]["FilterPattern"] for _, one in of_type(stack, "AWS::Logs::MetricFilter")
    )
    return sorted((SIGNALS | MEASURES) - rung) + sorted(s for s in SIGNALS if f'"{s}"' not in patterns)


class Promise(NamedTuple):
    """A check that finds what breaks the promise, and what spoils a template so that it does."""

    broken_by: Check
    spoil: Spoil


PROMISES = {
    "trouble rings": Promise(trouble_without_an_alarm, lambda stack: stack["Resources"].pop("BurnedAlarm")),
    "keys rotate and outlive the stack": Promise(
        keys_without_rotation, lambda stack: properties(stack, "TokensKey").pop("EnableKeyRotation")
    ),
    "the tokens key is used for a named table only": Promise(key_use_without_a_place, _decrypts_anything),
    "only functions that need tokens can open them": Promise(strangers_who_open_tokens, _a_stranger_decrypts),
    "results are private, encrypted, and go away": Promise(
        unprotected_buckets,
        lambda stack: properties(stack, "ResultsBucket")["LifecycleConfiguration"]["Rules"].pop(),
    ),
    "no secret is a parameter or in an environment": Promise(
        secrets_in_sight, lambda stack: stack["Parameters"]["JwtIssuer"].update(NoEcho=True)
    ),
    "the device secret is under our key and outlives the stack": Promise(
        secrets_under_a_foreign_key, lambda stack: properties(stack, "OneRecordSecret").pop("KmsKeyId")
    ),
    "no message is lost without a trace": Promise(
        queues_that_lose_messages,
        lambda stack: first(stack, "AWS::SQS::Queue")["Properties"].pop("RedrivePolicy"),
    ),
    "messages are encrypted under our key": Promise(
        queues_in_the_clear,
        lambda stack: first(stack, "AWS::SQS::Queue")["Properties"].pop("KmsMasterKeyId"),
    ),
    "a message is not handed out again while it is worked on": Promise(
        visible_too_early,
        lambda stack: first(stack, "AWS::SQS::Queue")["Properties"].update(VisibilityTimeout=30),
    ),
    "functions are arm64, end, and log apart": Promise(
        functions_out_of_the_house,
        lambda stack: properties(stack, "SearchPortalsFunction").update(LoggingConfig={"LogFormat": "JSON"}),
    ),
    "no origin is allowed that nobody named": Promise(
        origins_for_anyone,
        lambda stack: properties(stack, "ResultsBucket")["CorsConfiguration"]["CorsRules"][0].update(
            AllowedOrigins=["*"]
        ),
    ),
}


@pytest.mark.parametrize("promise", PROMISES.values(), ids=PROMISES)
def test_the_template_keeps(promise: Promise) -> None:
    assert promise.broken_by(expanded()) == []


@pytest.mark.parametrize("promise", PROMISES.values(), ids=PROMISES)
def test_a_spoiled_twin_is_noticed_that_breaks(promise: Promise) -> None:
    twin = copy.deepcopy(expanded())
    promise.spoil(twin)
    assert promise.broken_by(twin)
