"""The template keeps its promises, and each promise notices when it is broken."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts import promises
from tests.contracts.promises import Json, Rule
from tools.expand_template import expanded

Break = Callable[[Json], None]


def resource(template: Json, name: str) -> Json:
    properties: Json = template["Resources"][name]["Properties"]
    return properties


def put(name: str, *path: str | int, value: Any) -> Break:
    """A template in which something in a resource says something else."""

    def breaking(template: Json) -> None:
        place: Any = resource(template, name)
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return breaking


def drop(name: str, *path: str | int) -> Break:
    """A template in which something in a resource is missing."""

    def breaking(template: Json) -> None:
        place: Any = resource(template, name)
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return breaking


def allow(role: str, action: str | list[str], on: Any, **more: Any) -> Break:
    """A template in which a role has one more right."""

    def breaking(template: Json) -> None:
        statement = {"Effect": "Allow", "Action": action, "Resource": on, **more}
        resource(template, role)["Policies"][0]["PolicyDocument"]["Statement"].append(statement)

    return breaking


def without_policy(name: str) -> Break:
    def breaking(template: Json) -> None:
        del template["Resources"][name]["DeletionPolicy"]

    return breaking


def shared_role(template: Json) -> None:
    resource(template, "PollRetrievalFunction")["Role"] = resource(template, "BeginRetrievalFunction")["Role"]


API, STAGE, MACHINE = "Api", "ApiApiGatewayDefaultStage", "RetrieveRecordsMachine"
START = ("Body", "paths", "/v1/connections", "post", "security")
AUTHORIZER = ("Body", "components", "securitySchemes", "AppUser", "x-amazon-apigateway-authorizer")
TOKENS_KEY = {"Fn::GetAtt": ["TokensKey", "Arn"]}
ATTEMPTS = {"StringEquals": {"kms:EncryptionContext:table": "attempts"}}

BROKEN: list[tuple[Rule, Break]] = [
    (
        promises.every_route_but_the_browsers_needs_the_apps_token_and_scope,
        put(API, *START, value=[{"NONE": []}]),
    ),
    (
        promises.every_route_but_the_browsers_needs_the_apps_token_and_scope,
        put(API, *START, value=[{"AppUser": []}]),
    ),
    (promises.every_route_but_the_browsers_needs_the_apps_token_and_scope, drop(API, *START)),
    (
        promises.the_authorizer_checks_issuer_and_audience,
        drop(API, *AUTHORIZER, "jwtConfiguration", "audience"),
    ),
    (promises.requests_are_throttled, drop(STAGE, "DefaultRouteSettings")),
    (
        promises.the_access_log_knows_routes_and_never_paths,
        put(STAGE, "AccessLogSettings", "Format", value='{"p":"$context.path","r":"$context.routeKey"}'),
    ),
    (promises.the_access_log_knows_routes_and_never_paths, drop(STAGE, "AccessLogSettings")),
    (
        promises.no_origin_but_the_apps_may_call,
        put(API, "Body", "x-amazon-apigateway-cors", value={"allowOrigins": ["*"]}),
    ),
    (promises.tables_expire_recover_and_cannot_be_dropped, drop("AttemptsTable", "TimeToLiveSpecification")),
    (
        promises.tables_expire_recover_and_cannot_be_dropped,
        put("ConnectionsTable", "DeletionProtectionEnabled", value=False),
    ),
    (
        promises.tables_expire_recover_and_cannot_be_dropped,
        drop("RetrievalsTable", "PointInTimeRecoverySpecification"),
    ),
    (
        promises.data_at_rest_is_under_our_own_key,
        drop("ConnectionsTable", "SSESpecification", "KMSMasterKeyId"),
    ),
    (promises.data_at_rest_is_under_our_own_key, drop("ResultsBucket", "BucketEncryption")),
    (promises.data_at_rest_is_under_our_own_key, drop("AccessLogs", "KmsKeyId")),
    (promises.data_at_rest_is_under_our_own_key, drop("OneRecordSecret", "KmsKeyId")),
    (promises.data_at_rest_is_under_our_own_key, drop("RefreshQueue", "KmsMasterKeyId")),
    (promises.keys_rotate, drop("TokensKey", "EnableKeyRotation")),
    (promises.what_holds_data_outlives_the_stack, without_policy("TokensKey")),
    (promises.what_holds_data_outlives_the_stack, without_policy("ConnectionsTable")),
    (
        promises.results_are_private_and_travel_by_tls_alone,
        put("ResultsBucketPolicy", "PolicyDocument", "Statement", value=[]),
    ),
    (
        promises.results_are_private_and_travel_by_tls_alone,
        put("ResultsBucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy", value=False),
    ),
    (
        promises.results_and_unfinished_uploads_are_dropped,
        put("ResultsBucket", "LifecycleConfiguration", "Rules", value=[]),
    ),
    (promises.every_function_has_a_role_a_log_and_a_limit_of_its_own, shared_role),
    (
        promises.every_function_has_a_role_a_log_and_a_limit_of_its_own,
        drop("ExchangeTokenFunction", "LoggingConfig", "LogGroup"),
    ),
    (
        promises.every_function_has_a_role_a_log_and_a_limit_of_its_own,
        drop("ExchangeTokenFunction", "Timeout"),
    ),
    (
        promises.functions_run_on_arm_and_the_supported_python,
        put("ExchangeTokenFunction", "Architectures", value=["x86_64"]),
    ),
    (promises.the_api_waits_longer_than_its_functions, put("ExchangeTokenFunction", "Timeout", value=30)),
    (promises.logs_are_kept_for_a_while_and_not_for_ever, drop("ExchangeTokenLogs", "RetentionInDays")),
    (
        promises.the_workflow_keeps_no_data_of_executions,
        put(MACHINE, "LoggingConfiguration", "IncludeExecutionData", value=True),
    ),
    (
        promises.the_workflow_keeps_no_data_of_executions,
        put(MACHINE, "LoggingConfiguration", "Level", value="ALL"),
    ),
    (promises.the_workflow_keeps_no_data_of_executions, put(MACHINE, "StateMachineType", value="EXPRESS")),
    (promises.no_asynchronous_message_is_lost, drop("RefreshQueue", "RedrivePolicy")),
    (
        promises.no_asynchronous_message_is_lost,
        drop("RefreshMessages", "FunctionResponseTypes"),
    ),
    (
        promises.rights_are_single_actions_on_named_resources,
        allow("SearchPortalsFunctionRole", "dynamodb:*", {"Fn::GetAtt": ["AttemptsTable", "Arn"]}),
    ),
    (
        promises.rights_are_single_actions_on_named_resources,
        allow("SearchPortalsFunctionRole", "dynamodb:GetItem", "*"),
    ),
    (
        promises.rights_are_single_actions_on_named_resources,
        allow("SearchPortalsFunctionRole", "s3:GetObject", "arn:aws:s3:::*/*"),
    ),
    (
        promises.rights_on_the_tokens_key_name_the_table,
        allow("ExchangeTokenFunctionRole", "kms:Decrypt", TOKENS_KEY),
    ),
    (
        promises.only_those_who_must_can_open_what_is_sealed,
        allow("StartConnectionFunctionRole", "kms:Decrypt", TOKENS_KEY, Condition=ATTEMPTS),
    ),
    (
        promises.nothing_secret_stands_in_the_template,
        put("SearchPortalsFunction", "Environment", "Variables", "DEVICE_TOKEN", value="eyJhbGciOi"),
    ),
    (promises.nothing_secret_stands_in_the_template, put("OneRecordSecret", "SecretString", value="{}")),
]
RULES = list(dict.fromkeys(rule for rule, _ in BROKEN))


def test_every_promise_is_checked_and_has_a_bad_twin() -> None:
    written = {
        name
        for name, made in vars(promises).items()
        if callable(made) and getattr(made, "__module__", "") == promises.__name__ and "_" in name
    }
    assert written - {"of_type"} == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_keeps_its_promise(rule: Rule) -> None:
    assert list(rule(expanded())) == []


@pytest.mark.parametrize(
    ("rule", "breaking"), BROKEN, ids=[f"{r.__name__}-{n}" for n, (r, _) in enumerate(BROKEN)]
)
def test_a_broken_promise_is_noticed(rule: Rule, breaking: Break) -> None:
    template = copy.deepcopy(expanded())
    breaking(template)
    assert list(rule(template))
