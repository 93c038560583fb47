"""Moving a deployment to another tokens key as docs/operations.md says, patients' tokens and all, IAM enforced."""

import dataclasses
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.world.deploy import deploy
from sandbox.world.emulator import ROOT
from sandbox.world.settings import Settings
from sandbox.world.world import World, running_world
from tests.journey.app import App, Link, refused


@pytest.fixture(scope="module")
def own_world() -> Iterator[World]:
    """A world of its own: it does not stay as it was deployed."""
    settings = dataclasses.replace(Settings.from_environment({}), port=0, poll_seconds=0, wait_scale=0.05)
    with running_world(settings) as running:
        yield running


def redeploy(world: World, home: Path, template: str, previous: str) -> None:
    """The stack becomes what this template says."""
    for folder in ("functions", "layers", "statemachines"):
        if not (home / folder).exists():
            (home / folder).symlink_to(ROOT / folder)
    (home / "template.yaml").write_text(template)
    parameters = {**world.parameters(), "PreviousTokensKeyArn": previous}
    world.stack = deploy(world.aws, home / "template.yaml", world.stack.name, parameters)


def rewrap(world: World) -> dict[str, Any]:
    answer = world.aws("lambda").invoke(
        FunctionName=world.stack.outputs["RewrapTokensFunctionName"], Payload=b"{}"
    )
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told


def connected(world: World, persona: str) -> Link:
    app = App(world.api, world.token(f"user-{secrets.token_hex(8)}"))
    return app.connected(world.outside.portal(persona))


def test_a_deployment_moves_to_another_key_and_loses_no_connection(own_world: World, tmp_path: Path) -> None:
    world, kms = own_world, own_world.aws("kms")
    old = world.stack.outputs["TokensKeyArn"]
    links = [connected(world, persona) for persona in ("epic", "bluebutton")]
    under_way = App(world.api, world.token("somebody-in-the-middle")).authorized(
        world.outside.portal("cerner")
    )

    moved = re.sub(r"\bTokensKey\b", "TokensKeyTwo", (ROOT / "template.yaml").read_text())
    redeploy(world, tmp_path, moved, previous="")
    assert refused(links[0].fetch("Patient")) == (503, "temporarily-unavailable"), (
        "the previous key was forgotten"
    )
    assert links[0].read()["status"] == "active", "nobody is held or asked to log in again for that"
    redeploy(world, tmp_path, moved, previous=old)
    new = world.stack.outputs["TokensKeyArn"]
    assert new != old
    assert kms.describe_key(KeyId=old)["KeyMetadata"]["Enabled"], (
        "the old key outlives its place in the stack"
    )

    assert under_way.exchange().status_code == 200, "a code that was sealed before the move"
    assert links[0].fetch("Patient").status_code == 200
    world.outside.expire_tokens(links[1].portal.id)
    assert links[1].fetch("Coverage").status_code == 200, "a refresh seals under the new key"

    first = rewrap(world)
    assert (first["complete"], first["rewrapped"], first["current"], first["broken"]) == (True, 1, 2, 0)
    second = rewrap(world)
    assert (second["rewrapped"], second["current"]) == (0, 3)

    kms.disable_key(KeyId=old)
    redeploy(world, tmp_path, moved, previous="")
    for link, kind in ((links[0], "Patient"), (links[1], "Coverage"), (under_way, "Patient")):
        assert link.fetch(kind).status_code == 200
        world.outside.expire_tokens(link.portal.id)
        assert link.fetch(kind).status_code == 200, "the refresh token opens too"
        assert link.read()["status"] == "active"


def test_a_disabled_tokens_key_is_told_as_busy_and_loses_nothing(own_world: World) -> None:
    world, kms = own_world, own_world.aws("kms")
    link = connected(world, "epic")
    key = world.stack.outputs["TokensKeyArn"]
    kms.disable_key(KeyId=key)
    try:
        assert refused(link.fetch("Patient")) == (503, "temporarily-unavailable")
        assert link.read()["status"] == "active"
    finally:
        kms.enable_key(KeyId=key)
    assert link.fetch("Patient").status_code == 200
