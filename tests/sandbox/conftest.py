from collections.abc import Iterator

import pytest

from sandbox.outside import Outside, running
from tests.sandbox.client import Client


@pytest.fixture(scope="session")
def _world() -> Iterator[Outside]:
    with running() as outside:
        yield outside


@pytest.fixture
def outside(_world: Outside) -> Iterator[Outside]:
    """The outside world with no scenario set and nothing counted."""
    _world.reset()
    yield _world
    _world.reset()


@pytest.fixture
def client(outside: Outside) -> Iterator[Client]:
    client = Client(outside)
    yield client
    client.http.close()
