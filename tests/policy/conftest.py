"""One stage for each test, cleared when it is over."""

from collections.abc import Iterator

import pytest

from sandbox.world.world import World
from tests.policy.play import Play
from tests.policy.roles import Roles


@pytest.fixture
def play(world: World) -> Iterator[Play]:
    staged = Play(world)
    yield staged
    staged.close()


@pytest.fixture(scope="session")
def roles(world: World) -> Roles:
    return Roles(world)
