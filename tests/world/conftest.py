"""A world of the smallest stack, once for all tests here; and the same stack without our patches."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox.world.deploy import deploy
from sandbox.world.emulator import Emulator
from sandbox.world.settings import Settings
from sandbox.world.world import World, running_world
from tests.world.deployed import Deployed

SMALL = Path(__file__).parent / "small_stack" / "template.yaml"
SOMEBODYS_CONFIGURATION = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "a-real-looking-session-token",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL": "https://example.com",
    "AWS_ENDPOINT_URL_S3": "https://s3.eu-central-1.amazonaws.com",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
}


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Started on a machine whose user has an AWS configuration and a proxy."""
    with ExitStack() as started:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in SOMEBODYS_CONFIGURATION.items():
                patch.setenv(name, value)
            settings = Settings(port=0, template=SMALL, wait_scale=0.02)
            running = started.enter_context(running_world(settings))
        yield running


@pytest.fixture(scope="session")
def plain_emulator() -> Iterator[Deployed]:
    emulator = Emulator.start(wait_scale=0.02, patched=False)
    try:
        yield Deployed(emulator, deploy(emulator.client, SMALL, "small", {}))
    finally:
        emulator.stop()


@pytest.fixture
def patched(world: World) -> Deployed:
    return Deployed(world.emulator, world.stack)


NO_LONGER_NEEDED = pytest.mark.xfail(
    strict=True,
    raises=(AssertionError, pytest.fail.Exception),
    reason="the emulator does this wrong by itself; if this passes, the patch can go",
)


@pytest.fixture(params=["patched", pytest.param("plain", marks=NO_LONGER_NEEDED)])
def emulator(request: pytest.FixtureRequest) -> Deployed:
    """Once as we run it, where the test must pass; once without our patches, where it must fail."""
    name = {"patched": "patched", "plain": "plain_emulator"}[request.param]
    deployed: Deployed = request.getfixturevalue(name)
    return deployed
