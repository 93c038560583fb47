"""What the deployed system promises, each as a rule over the expanded template: it yields what breaks the promise."""

import json
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Rule = Callable[[Json], Iterator[str]]
PUBLIC = {("/connect/{ticket}", "get"), ("/connect/problem", "get"), ("/oauth/callback/{session}", "get")}
DATA_KEY = ({"Ref": "DataKey"}, {"Fn::GetAtt": ["DataKey", "Arn"]})
KEPT = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret")
# What an access log may hold; a path would hold session ids and launch tickets.
LOGGED = {"requestId", "requestTime", "routeKey", "status", "responseLatency", "responseLength"}
LOGGED |= {"authorizer.error", "integrationStatus"}


def of_type(template: Json, kind: str) -> Iterator[tuple[str, Json]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def statements(template: Json) -> Iterator[tuple[str, Json]]:
    """Every statement of our own roles, with the role that has it."""
    for name, role in of_type(template, "AWS::IAM::Role"):
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- the API ---------------------------------------------------------------------------------------


def every_route_but_the_browsers_needs_the_apps_token_and_scope(template: Json) -> Iterator[str]:
    seen = set()
    for _, api in of_type(template, "AWS::ApiGatewayV2::Api"):
        for path, methods in api["Body"]["paths"].items():
            for method, operation in methods.items():
                if method == "options":
                    continue
                if (path, method) in PUBLIC:
                    seen.add((path, method))
                elif operation.get("security") != [{"AppUser": [{"Ref": "JwtScope"}]}]:
                    yield f"{method} {path}"
    yield from (f"{method} {path} is gone" for path, method in PUBLIC - seen)


def the_authorizer_checks_issuer_and_audience(template: Json) -> Iterator[str]:
    for name, api in of_type(template, "AWS::ApiGatewayV2::Api"):
        scheme = api["Body"]["components"]["securitySchemes"]["AppUser"]["x-amazon-apigateway-authorizer"]
        wanted = {"issuer": {"Ref": "JwtIssuer"}, "audience": [{"Ref": "JwtAudience"}]}
        if scheme["type"] != "jwt" or scheme["jwtConfiguration"] != wanted:
            yield name


def requests_are_throttled(template: Json) -> Iterator[str]:
    for name, stage in of_type(template, "AWS::ApiGatewayV2::Stage"):
        settings = stage.get("DefaultRouteSettings", {})
        if not settings.get("ThrottlingRateLimit") or not settings.get("ThrottlingBurstLimit"):
            yield name


def the_access_log_knows_routes_and_never_paths(template: Json) -> Iterator[str]:
    for name, stage in of_type(template, "AWS::ApiGatewayV2::Stage"):
        logged = json.loads(stage.get("AccessLogSettings", {}).get("Format", "{}"))
        fields = {value.removeprefix("$context.") for value in logged.values()}
        if "routeKey" not in fields or fields - LOGGED:
            yield name


def no_origin_but_the_apps_may_call(template: Json) -> Iterator[str]:
    """The transform has already put the parameter's value in the API's place."""
    app = ({"Ref": "AppOrigin"}, template["Parameters"]["AppOrigin"]["Default"])
    for name, api in of_type(template, "AWS::ApiGatewayV2::Api"):
        cors = api["Body"].get("x-amazon-apigateway-cors", {})
        if any(origin not in app for origin in cors.get("allowOrigins", [])) or cors.get("allowCredentials"):
            yield name
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        for rule in bucket.get("CorsConfiguration", {}).get("CorsRules", []):
            others = [origin for origin in rule["AllowedOrigins"] if origin not in app]
            if others or rule["AllowedMethods"] != ["GET"]:
                yield name


# --- data at rest ----------------------------------------------------------------------------------


def tables_expire_recover_and_cannot_be_dropped(template: Json) -> Iterator[str]:
    wanted = {
        "BillingMode": "PAY_PER_REQUEST",
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "DeletionProtectionEnabled": True,
    }
    for name, table in of_type(template, "AWS::DynamoDB::Table"):
        yield from (f"{name}: {part}" for part, value in wanted.items() if table.get(part) != value)


def data_at_rest_is_under_our_own_key(template: Json) -> Iterator[str]:
    for name, table in of_type(template, "AWS::DynamoDB::Table"):
        sse = table.get("SSESpecification", {})
        if not sse.get("SSEEnabled") or sse.get("KMSMasterKeyId") not in DATA_KEY:
            yield name
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        (rule,) = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])
        default = rule.get("ServerSideEncryptionByDefault", {})
        if default.get("KMSMasterKeyID") not in DATA_KEY or not rule.get("BucketKeyEnabled"):
            yield name
    for kind, field in (
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
    ):
        yield from (name for name, made in of_type(template, kind) if made.get(field) not in DATA_KEY)


def keys_rotate(template: Json) -> Iterator[str]:
    yield from (
        n for n, key in of_type(template, "AWS::KMS::Key") if key.get("EnableKeyRotation") is not True
    )


def what_holds_data_outlives_the_stack(template: Json) -> Iterator[str]:
    for name, resource in template["Resources"].items():
        policies = resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")
        if resource["Type"] in KEPT and policies != ("Retain", "Retain"):
            yield name


def results_are_private_and_travel_by_tls_alone(template: Json) -> Iterator[str]:
    guarded = set()
    for _, policy in of_type(template, "AWS::S3::BucketPolicy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            insecure = {"Bool": {"aws:SecureTransport": "false"}}
            whole = ("Deny", "s3:*", "*", insecure)
            if tuple(statement[part] for part in ("Effect", "Action", "Principal", "Condition")) == whole:
                guarded.add(policy["Bucket"]["Ref"])
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        blocked = bucket.get("PublicAccessBlockConfiguration", {})
        if name not in guarded or not all(blocked.get(block) is True for block in blocks):
            yield name


def results_and_unfinished_uploads_are_dropped(template: Json) -> Iterator[str]:
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        enabled = [rule for rule in rules if rule["Status"] == "Enabled"]
        if not any(rule.get("ExpirationInDays") == {"Ref": "ResultsRetentionDays"} for rule in enabled):
            yield f"{name}: results"
        if not any("AbortIncompleteMultipartUpload" in rule and "Prefix" not in rule for rule in enabled):
            yield f"{name}: uploads"


# --- functions and the workflow --------------------------------------------------------------------


def every_function_has_a_role_a_log_and_a_limit_of_its_own(template: Json) -> Iterator[str]:
    roles, groups = set(), set()
    for name, function in of_type(template, "AWS::Lambda::Function"):
        role = json.dumps(function["Role"])
        group = json.dumps(function.get("LoggingConfig", {}).get("LogGroup"))
        if role in roles or group in groups or group == "null" or not 0 < function.get("Timeout", 0) <= 900:
            yield name
        roles.add(role)
        groups.add(group)


def functions_run_on_arm_and_the_supported_python(template: Json) -> Iterator[str]:
    for name, function in of_type(template, "AWS::Lambda::Function"):
        if function.get("Runtime") != "python3.13" or function.get("Architectures") != ["arm64"]:
            yield name


def the_api_waits_longer_than_its_functions(template: Json) -> Iterator[str]:
    """API Gateway gives up after 30 seconds; a function that goes on would answer nobody."""
    behind = {
        json.dumps(operation["x-amazon-apigateway-integration"]["uri"])
        for _, api in of_type(template, "AWS::ApiGatewayV2::Api")
        for methods in api["Body"]["paths"].values()
        for operation in methods.values()
        if "x-amazon-apigateway-integration" in operation
    }
    for name, function in of_type(template, "AWS::Lambda::Function"):
        if any(f"${{{name}.Arn}}" in uri for uri in behind) and function["Timeout"] > 29:
            yield name


def logs_are_kept_for_a_while_and_not_for_ever(template: Json) -> Iterator[str]:
    for name, group in of_type(template, "AWS::Logs::LogGroup"):
        if group.get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield name


def the_workflow_keeps_no_data_of_executions(template: Json) -> Iterator[str]:
    for name, machine in of_type(template, "AWS::StepFunctions::StateMachine"):
        logging = machine.get("LoggingConfiguration", {})
        if machine.get("StateMachineType") != "STANDARD" or logging.get("Level") != "ERROR":
            yield name
        if logging.get("IncludeExecutionData") is not False:
            yield f"{name}: data"


def no_asynchronous_message_is_lost(template: Json) -> Iterator[str]:
    letters = set()
    for _, queue in of_type(template, "AWS::SQS::Queue"):
        if "RedrivePolicy" in queue:
            letters.add(queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0])
    for name, queue in of_type(template, "AWS::SQS::Queue"):
        if name not in letters and "RedrivePolicy" not in queue:
            yield name
        if name in letters and queue.get("MessageRetentionPeriod") != 1_209_600:
            yield f"{name}: retention"
    for name, source in of_type(template, "AWS::Lambda::EventSourceMapping"):
        if source.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield name


# --- rights ----------------------------------------------------------------------------------------


def rights_are_single_actions_on_named_resources(template: Json) -> Iterator[str]:
    for role, statement in statements(template):
        actions, resources = listed(statement["Action"]), listed(statement["Resource"])
        # Log delivery knows no resources.
        if all(action.startswith("logs:") for action in actions) and role == "RetrieveRecordsMachineRole":
            continue
        if statement["Effect"] != "Allow" or any("*" in action for action in actions):
            yield f"{role}: {actions}"
        for resource in resources:
            # A wildcard may stand for the keys of one bucket or the names in one group, at the end alone.
            text = resource if isinstance(resource, str) else json.dumps(resource)
            if text.strip('"}').rstrip("*").count("*") or resource == "*":
                yield f"{role}: {resource}"


def rights_on_the_tokens_key_name_the_table(template: Json) -> Iterator[str]:
    for role, statement in statements(template):
        if not any(action.startswith("kms:") for action in listed(statement["Action"])):
            continue
        tables = statement.get("Condition", {}).get("StringEquals", {}).get("kms:EncryptionContext:table")
        if not tables or not set(listed(tables)) <= {"attempts", "connections", "retrievals"}:
            yield role


OPENERS = {
    "ExchangeTokenFunctionRole",
    "RefreshConnectionFunctionRole",
    "RetrieveRecordsFunctionRole",
    "BeginRetrievalFunctionRole",
    "PollRetrievalFunctionRole",
    "RewrapTokensFunctionRole",
}


def only_those_who_must_can_open_what_is_sealed(template: Json) -> Iterator[str]:
    for role, statement in statements(template):
        if "kms:Decrypt" in listed(statement["Action"]) and role not in OPENERS:
            yield role


def nothing_secret_stands_in_the_template(template: Json) -> Iterator[str]:
    """Settings are references, numbers and names; what is secret is read from Secrets Manager when it is needed."""
    literal = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}
    for name, function in of_type(template, "AWS::Lambda::Function"):
        for setting, value in function["Environment"]["Variables"].items():
            if isinstance(value, str) and setting not in literal:
                yield f"{name}: {setting}"
    for name, secret in of_type(template, "AWS::SecretsManager::Secret"):
        if "SecretString" in secret:
            yield name
    for name, parameter in template["Parameters"].items():
        if any(word in name for word in ("Password", "DeviceToken", "PrivateKey")):
            yield f"{name}: {parameter['Type']}"
