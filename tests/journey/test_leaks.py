"""Nothing that a patient, a browser or an app holds is ever written to a log. Every test's secrets are searched
for when all are over (`conftest.py`); here is a journey of its own, and proof that the search finds things."""

import base64
import re
import secrets

import httpx
import pytest

from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import leaks
from tests.journey.app import App, BoundBrowser, seen
from tests.journey.test_vendor_faults import fault

PLACES = [
    lambda secret: secret,
    lambda secret: f"GET /oauth/callback/{secret}?code=1",
    lambda secret: '{"detail": "' + secret + '"}',
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: secret.encode().hex(),
]


@pytest.fixture
def after_a_journey(world: World, app: App, outside: Outside) -> World:
    """Good and bad ends of everything, with a patient whose name is known."""
    link = app.connected(outside.portal("bluebutton"), "noah.lindqvist")
    link.fetch("Coverage")
    outside.expire_tokens(link.portal.id)
    link.retrieve("Coverage")
    app.connected(outside.portal("epic"), "maria.alvarez").retrieve("Patient")
    outside.set_scenario(link.portal.id, faults=[fault("fetch", "invalid-utf8"), fault("fetch", "400")])
    link.fetch("Patient")
    link.fetch("Patient")
    browser = BoundBrowser(app.started(outside.portal("cerner")))
    browser.comes_back("code=a%00b")
    browser.comes_back("code=abc&state=somebody-elses")
    httpx.get(browser.callback + "?code=abc", trust_env=False)
    app.exchange(link.id, secrets.token_urlsafe(32))
    app.post(
        "/v1/connections", {"portalId": secrets.token_urlsafe(20), "dataType": "payer", "returnUrl": "x"}
    )
    app.delete(f"/v1/connections/{link.id}")
    return world


def test_no_log_line_holds_a_secret_or_anything_about_a_patient(after_a_journey: World) -> None:
    world = after_a_journey
    lines = leaks.log_lines(world)
    assert len(lines) > 20
    assert any('"browser launched"' in line for line in lines), "the functions' own lines are among them"
    everything = leaks.secrets_of(world)
    assert len(everything) > 40 and everything >= {s for s in seen if len(s) >= leaks.SHORTEST}
    assert leaks.found_in(lines, everything) == []


@pytest.mark.parametrize("place", PLACES)
def test_the_search_finds_every_secret_in_every_form(place, after_a_journey: World) -> None:  # type: ignore[no-untyped-def]
    for secret in leaks.secrets_of(after_a_journey):
        assert leaks.found_in(["an innocent line", place(secret)], [secret])


def test_access_logs_name_routes_and_never_paths(world: World) -> None:
    stage = world.aws("apigatewayv2").get_stage(ApiId=world.stack.api_id, StageName="$default")
    logged = stage["AccessLogSettings"]["Format"]
    assert "$context.routeKey" in logged
    for revealing in ("path", "identity", "authorizer.claims", "querystring", "header", "requestOverride"):
        assert revealing not in logged


def test_nothing_secret_is_a_key_or_a_plain_attribute_of_a_table(after_a_journey: World) -> None:
    world = after_a_journey
    everything = leaks.secrets_of(world) - {world.settings.device_token}
    for name in ("Attempts", "Connections", "Retrievals"):
        pages = (
            world.aws("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=world.stack.outputs[f"{name}TableName"])
        )
        items = [row for page in pages for row in page["Items"]]
        for item in items:
            # Where the browser is sent: it holds the portal's own state and our public challenge.
            item.pop("outbound", None)
        assert leaks.found_in([repr(item) for item in items], everything) == [], name


def test_names_of_stored_files_say_nothing(after_a_journey: World) -> None:
    world = after_a_journey
    pages = (
        world.aws("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=world.stack.outputs["ResultsBucketName"])
    )
    keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
    assert leaks.found_in(keys, leaks.secrets_of(world)) == []
    assert keys
    assert [
        key for key in keys if not re.fullmatch(r"results/[\w-]{22}/[\w-]{22}|tombstones/[\w-]{22}", key)
    ] == []
