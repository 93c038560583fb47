"""The routes of an HTTP API, made from the OpenAPI body that SAM gives it.

The emulator creates an AWS::ApiGatewayV2::Api without reading its Body, so that the API has no routes. This
reads the body from the processed template and makes the same routes through the API Gateway API.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.world.emulator import REGION
from sandbox.world.template import Unresolved, resolve

if TYPE_CHECKING:
    from sandbox.world.deploy import Stack

Json = dict[str, Any]
ACCOUNT = "000000000000"


def import_api(
    gateway: Any, stack: "Stack", processed: Any, parameters: Mapping[str, str], stack_id: str
) -> None:
    """Replace the API's authorizers, integrations, routes and CORS by what its body says."""
    template = json.loads(processed) if isinstance(processed, str) else processed
    api = stack.api_id
    logical = next(name for name, identity in stack.physical_ids.items() if identity == api)
    body = template["Resources"][logical]["Properties"].get("Body")
    if body is None:
        return
    references = {**_pseudo_parameters(stack, stack_id), **parameters, **stack.physical_ids}
    body = resolve(body, references, lambda name, attribute: _attribute(stack, name, attribute))
    _clear(gateway, api)
    authorizers = _authorizers(gateway, api, body)
    integrations: dict[str, str] = {}
    for path, operations in body.get("paths", {}).items():
        for method, operation in operations.items():
            wanted = operation["x-amazon-apigateway-integration"]
            target = integrations.get(wanted["uri"]) or _integration(gateway, api, wanted)
            integrations[wanted["uri"]] = target
            key = _route_key(method, path)
            gateway.create_route(
                ApiId=api,
                RouteKey=key,
                Target=f"integrations/{target}",
                **_authorization(operation, authorizers),
            )
    if cors := body.get("x-amazon-apigateway-cors"):
        gateway.update_api(ApiId=api, CorsConfiguration={k[0].upper() + k[1:]: v for k, v in cors.items()})


def _pseudo_parameters(stack: "Stack", stack_id: str) -> dict[str, str]:
    return {
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": stack.name,
        "AWS::StackId": stack_id,
    }


def _attribute(stack: "Stack", name: str, attribute: str) -> str:
    kind, identity = stack.types.get(name), stack.physical_ids.get(name)
    if attribute == "Arn" and kind == "AWS::Lambda::Function":
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{identity}"
    raise Unresolved(f"{name}.{attribute} ({kind}) in the body of an API")


def _clear(gateway: Any, api: str | None) -> None:
    for route in gateway.get_routes(ApiId=api)["Items"]:
        gateway.delete_route(ApiId=api, RouteId=route["RouteId"])
    for integration in gateway.get_integrations(ApiId=api)["Items"]:
        gateway.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])
    for authorizer in gateway.get_authorizers(ApiId=api)["Items"]:
        gateway.delete_authorizer(ApiId=api, AuthorizerId=authorizer["AuthorizerId"])


def _authorizers(gateway: Any, api: str | None, body: Json) -> dict[str, str]:
    made = {}
    for name, scheme in body.get("components", {}).get("securitySchemes", {}).items():
        wanted = scheme.get("x-amazon-apigateway-authorizer")
        if not wanted:
            continue
        if wanted["type"].lower() != "jwt":
            raise Unresolved(f"authorizer {name}: only JWT authorizers are made locally")
        source = wanted.get("identitySource", "$request.header.Authorization")
        token = wanted["jwtConfiguration"]
        audience = token.get("audience", [])
        made[name] = gateway.create_authorizer(
            ApiId=api,
            AuthorizerType="JWT",
            Name=name,
            IdentitySource=source if isinstance(source, list) else [source],
            JwtConfiguration={
                "Issuer": token["issuer"],
                "Audience": audience if isinstance(audience, list) else [audience],
            },
        )["AuthorizerId"]
    return made


def _integration(gateway: Any, api: str | None, wanted: Json) -> str:
    identity: str = gateway.create_integration(
        ApiId=api,
        IntegrationType=wanted["type"].upper(),
        IntegrationUri=wanted["uri"],
        PayloadFormatVersion=wanted.get("payloadFormatVersion", "2.0"),
        TimeoutInMillis=wanted.get("timeoutInMillis", 30000),
    )["IntegrationId"]
    return identity


def _route_key(method: str, path: str) -> str:
    if path.strip("/") == "$default":
        return "$default"
    return f"{'ANY' if method == 'x-amazon-apigateway-any-method' else method.upper()} {path}"


def _authorization(operation: Json, authorizers: Mapping[str, str]) -> Json:
    for requirement in operation.get("security", []):
        for name, scopes in requirement.items():
            if name in authorizers:
                secured: Json = {"AuthorizationType": "JWT", "AuthorizerId": authorizers[name]}
                return secured | ({"AuthorizationScopes": scopes} if scopes else {})
    return {}
