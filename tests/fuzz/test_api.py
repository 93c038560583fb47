"""The running API under generated requests: no 5xx, no route without its authorizer, nothing undescribed.

FUZZ_CASES is how many requests are made up for each operation (50; nightly 1,000), beside those that
schemathesis derives from the bounds of each parameter and field.
"""

import base64
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from sandbox.world.world import World
from tests.journey.app import App
from tests.openapi_traffic import DOCUMENT, Operation, Traffic, faults_in, faults_of, operation_of, operations

CASES = int(os.environ.get("FUZZ_CASES", "50"))
NIGHTLY = CASES > 50
# API Gateway takes 10,240 bytes of request line and headers.
LONGEST_ADDRESS = 8_000
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

schema = schemathesis.openapi.from_path(str(DOCUMENT))
# The authorizer has cases of its own below; fields that a request does not know are refused, query words not.
schema.config.generation.with_security_parameters = False
schema.config.generation.allow_extra_parameters = False
statuses: defaultdict[str, set[int]] = defaultdict(set)


@dataclass(frozen=True)
class Ground:
    """Things that exist, for requests to hit."""

    api: str
    headers: Mapping[str, str]
    ids: Mapping[str, str]
    fields: Mapping[str, str]

    def under(self, case: schemathesis.Case[Any]) -> None:
        """Puts what exists in the place of most of what was made up, where that was right by its form.

        What is wrong on purpose stays wrong; what would be gone afterwards is left alone.
        """
        if case.method != "DELETE":
            _replace(case.path_parameters, self.ids, _PATH_SCHEMAS)
        _replace(case.body, self.fields, _BODY_SCHEMAS)


_PATH_SCHEMAS = {
    "id": "/components/schemas/Id",
    "rid": "/components/schemas/Id",
    "name": "/paths/~1v1~1retrievals~1{rid}~1files~1{name}/parameters/1/schema",
}
_BODY_SCHEMAS = {
    "portalId": "/components/schemas/StartConnection/properties/portalId",
    "returnUrl": "/components/schemas/ReturnUrl",
}


def _replace(given: Any, real: Mapping[str, str], schemas: Mapping[str, str]) -> None:
    if not isinstance(given, dict):
        return
    for name in schemas.keys() & given.keys():
        made_up = given[name]
        if zlib.crc32(repr(made_up).encode()) % 3 and not faults_of(made_up, schemas[name]):
            given[name] = real[name]


@pytest.fixture(scope="module")
def ground(world: World) -> Iterator[Ground]:
    world.outside.reset()
    world.outside.set_scenario(async_seconds=0.1, profile="tiny")
    app = App(world.api, world.token("fuzz"))
    link = app.connected(world.outside.portal("epic"))
    location = link.begin("Patient").headers["content-location"]
    assert app.outcome(location).status_code == 200
    yield Ground(
        api=world.api,
        headers={"Authorization": f"Bearer {app.token}"},
        ids={"id": link.id, "rid": location.rpartition("/")[2], "name": "Patient.ndjson"},
        fields={"portalId": link.portal.id, "returnUrl": app.return_url},
    )
    world.outside.reset()
    # Requests that never get beyond "there is no such thing" would prove little.
    deep = {label: found - {401, 403, 404} for label, found in statuses.items() if "DELETE" not in label}
    assert all(deep.values()), deep


@schema.parametrize()
@settings(max_examples=CASES, deadline=None, derandomize=not NIGHTLY, suppress_health_check=list(HealthCheck))
def test_no_request_brings_the_api_out_of_its_contract(case: schemathesis.Case[Any], ground: Ground) -> None:
    ground.under(case)
    sent = case.as_transport_kwargs(base_url=ground.api, headers=dict(ground.headers))
    address = httpx.Request(sent["method"], sent["url"], params=sent.get("params")).url
    assume(len(address.raw_path) < LONGEST_ADDRESS)
    answer = case.call(base_url=ground.api, headers=dict(ground.headers), allow_redirects=False)
    statuses[case.operation.label].add(answer.status_code)
    chosen = list(CHECKS)
    known = {parameter.name for parameter in case.operation.query}
    # Browsers are told by the address that they are sent to; query words that are not known are ignored.
    if case.path.startswith("/v1/") and known >= (case.query or {}).keys():
        chosen.append(checks.negative_data_rejection)
    case.validate_response(answer, headers=dict(ground.headers), checks=chosen)
    assert described(answer) == []


def described(answer: schemathesis.Response) -> list[str]:
    """What openapi.yaml does not describe about an answer to one of its operations."""
    operation = operation_of(str(answer.request.method), urlsplit(str(answer.request.url)).path)
    headers = httpx.Headers([(name, value) for name, values in answer.headers.items() for value in values])
    return faults_in(operation, answer.status_code, headers, answer.content) if operation else []


# --- the authorizer --------------------------------------------------------------------------------


def credentials(world: World) -> dict[str, str | None]:
    """Everything that is no access token of the app's for this API."""
    good = world.token("fuzz")
    header, payload, signature = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return {
        "nothing": None,
        "no token": "Bearer",
        "another scheme": f"Basic {good}",
        "garbage": "Bearer e30.e30.e30",
        "unsigned": f"Bearer {unsigned}.{payload}.",
        "signature of another": f"Bearer {header}.{payload}.{signature[::-1]}",
        "expired": f"Bearer {world.token('fuzz', expires_in=-3600)}",
        "another audience": f"Bearer {world.token('fuzz', claims={'aud': 'another-app'})}",
        "another issuer": f"Bearer {world.token('fuzz', claims={'iss': 'https://id.example.com'})}",
        "another scope": f"Bearer {world.token('fuzz', scope='portico/other')}",
    }


@pytest.mark.parametrize("operation", [o for o in operations() if not o.public], ids=lambda o: o.id)
def test_no_operation_but_the_browsers_answers_without_the_apps_access_token(
    operation: Operation, ground: Ground, world: World
) -> None:
    path = operation.path.format(dataType="clinical", **ground.ids)
    traffic = Traffic()
    with httpx.Client(base_url=ground.api, trust_env=False, event_hooks={"response": [traffic]}) as client:
        for what, credential in credentials(world).items():
            headers = {} if credential is None else {"Authorization": credential}
            answer = client.request(operation.method, path, headers=headers)
            assert answer.status_code == (403 if what == "another scope" else 401), what
            assert set(answer.json()) == {"message"}, what
    assert sum(traffic.seen.values()) == len(credentials(world))
