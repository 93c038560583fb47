"""What every test starts from: an environment that is set before anything is imported, and a world to share."""

import dataclasses
import os
from collections.abc import Iterator

import pytest

# Nothing of the user's own AWS configuration may reach a test: a test's clients have these keys or none.
for _name in [name for name in os.environ if name.upper().startswith(("AWS_", "PORTICO_"))]:
    del os.environ[_name]
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "portico",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}

from sandbox.world.settings import Settings  # noqa: E402
from sandbox.world.world import World, running_world  # noqa: E402


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The whole local world with short waits: one for all tests of a process, on ports of its own.

    Tests share it, so each one has a user of its own and takes back the scenarios that it sets.
    """
    settings = dataclasses.replace(Settings.from_environment({}), port=0, poll_seconds=0, wait_scale=0.05)
    with running_world(settings) as running:
        yield running
