"""Writes events/ anew: `python -m tests.functions.capture`.

The real world runs, with its gateway and its authorizer; only the functions are replaced, by one that answers
with the event that it was given. What differs from run to run is then put in terms of an imaginary deployment.
"""

import base64
import dataclasses
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from sandbox.world.settings import Settings
from sandbox.world.world import World, running_world

EVENTS = Path(__file__).parents[2] / "events"
ECHO = """
import json

def lambda_handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
"""
HOST = "k3xv7q2n1b.execute-api.us-east-1.amazonaws.com"
ISSUER = "https://login.example.com"
CONNECTION = "c0nnectionOfMaria2026a"
RETRIEVAL = "retr1evalOfMaria-2026a"
TICKET = "ticket-" + "t" * 36
SESSION = "session-" + "s" * 35
COOKIE = "cookie-" + "c" * 36
HANDLE = "handle-" + "h" * 36
PORTAL = "8a3f0c52-6b1e-4d0e-9a57-1c2f6f0a9b11"
RETURN_URL = "https://app.example.com/return"


class Case(NamedTuple):
    """A request, and the function's folder and name under which its event is kept."""

    function: str
    name: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    public: bool = False


_RECORDS = f"/v1/connections/{CONNECTION}/records"
CASES = [
    Case("search_portals", "by_name", "GET", "/v1/portals/clinical?q=health&limit=2"),
    Case("search_portals", "everything", "GET", "/v1/portals/payer"),
    Case(
        "start_connection",
        "start",
        "POST",
        "/v1/connections",
        {"portalId": PORTAL, "dataType": "clinical", "returnUrl": RETURN_URL},
    ),
    Case(
        "start_connection",
        "reconnect",
        "POST",
        f"/v1/connections/{CONNECTION}/reconnect",
        {"returnUrl": RETURN_URL},
    ),
    Case("launch_connection", "launch", "GET", f"/connect/{TICKET}", public=True),
    Case(
        "launch_connection",
        "again",
        "GET",
        f"/connect/{TICKET}",
        headers={"Cookie": f"other=1; __Host-portico-connect={COOKIE}"},
        public=True,
    ),
    Case(
        "launch_connection",
        "prefetch",
        "GET",
        f"/connect/{TICKET}",
        headers={"Sec-Purpose": "prefetch;prerender"},
        public=True,
    ),
    Case("launch_connection", "problem", "GET", "/connect/problem", public=True),
    Case(
        "receive_callback",
        "code",
        "GET",
        f"/oauth/callback/{SESSION}?code=fake-code-1&state=fake%2Bstate",
        headers={"Cookie": f"__Host-portico-connect={COOKIE}"},
        public=True,
    ),
    Case(
        "receive_callback",
        "declined",
        "GET",
        f"/oauth/callback/{SESSION}?error=access_denied&error_description=The+user+declined",
        headers={"Cookie": f"__Host-portico-connect={COOKIE}"},
        public=True,
    ),
    Case("exchange_token", "exchange", "POST", f"/v1/connections/{CONNECTION}/token", {"handle": HANDLE}),
    Case("manage_connections", "list", "GET", "/v1/connections?limit=2"),
    Case("manage_connections", "read", "GET", f"/v1/connections/{CONNECTION}"),
    Case("manage_connections", "delete", "DELETE", f"/v1/connections/{CONNECTION}"),
    Case("retrieve_records", "at_once", "POST", _RECORDS, {"resources": ["Patient", "Coverage"]}),
    Case(
        "retrieve_records",
        "later",
        "POST",
        _RECORDS,
        {"resources": ["Labs"], "params": {"fromTime": "2024-01-01T00:00:00Z"}},
        {"Prefer": "respond-async"},
    ),
    Case("read_retrieval", "read", "GET", f"/v1/retrievals/{RETRIEVAL}"),
    Case("read_retrieval", "cancel", "DELETE", f"/v1/retrievals/{RETRIEVAL}"),
    Case("read_retrieval", "file", "GET", f"/v1/retrievals/{RETRIEVAL}/files/Patient.ndjson"),
]


def main() -> None:
    """Capture every case."""
    settings = dataclasses.replace(Settings.from_environment({}), port=0)
    with running_world(settings) as world:
        _replace_functions(world)
        token = world.token("maria")
        for case in CASES:
            event = _imaginary(_captured(world, case, token), world, token)
            target = EVENTS / case.function / f"{case.name}.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(event, indent=2) + "\n")
            print(target.relative_to(EVENTS.parent))  # noqa: T201


def _replace_functions(world: World) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", ECHO)
    for logical in world.stack.folders:
        name = world.stack.physical_ids[logical]
        world.aws("lambda").update_function_code(FunctionName=name, ZipFile=buffer.getvalue())


def _captured(world: World, case: Case, token: str) -> Any:
    headers = case.headers | ({} if case.public else {"Authorization": f"Bearer {token}"})
    answer = httpx.request(case.method, world.api + case.path, json=case.body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def _imaginary(event: Any, world: World, token: str) -> Any:
    """The event as a deployment called `HOST` would have been given it; the token is visibly a fake."""
    context = event["requestContext"]
    known = {
        token: "fake." + base64.urlsafe_b64encode(b'{"sub":"maria"}').decode().rstrip("=") + ".fake",
        world.urls.issuer: ISSUER,
        context["domainName"]: HOST,
        context["apiId"]: "k3xv7q2n1b",
        context["accountId"]: "123456789012",
        context["requestId"]: "JKJaXmPLvHcESHA=",
        context["time"]: "24/Nov/2026:10:00:00 +0000",
        str(context["timeEpoch"]): "1795600800000",
        world.api.partition("://")[2]: HOST,
    }
    text = json.dumps(event)
    for real in sorted(known, key=len, reverse=True):
        text = text.replace(real, known[real])
    text = re.sub(r"python-httpx/[0-9.]+", "PatientApp/1.0", text)
    imagined = json.loads(text)
    claims = imagined["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims", {})
    claims |= {
        n: v
        for n, v in {"iat": "1795600500", "nbf": "1795600500", "exp": "1795604100", "jti": "fake"}.items()
        if n in claims
    }
    return imagined


if __name__ == "__main__":
    main()
