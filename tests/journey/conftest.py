"""A user of its own for every test, over the world that all share; what a test set up outside is taken back."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import leaks
from tests.journey.app import App

type NewApp = Callable[..., App]


@pytest.fixture(scope="session", autouse=True)
def _nothing_leaks(world: World) -> Iterator[None]:
    """When all tests of this process are over, no log line holds anything that they have come across."""
    yield
    found = leaks.in_logs(world, leaks.secrets_of(world))
    assert not found, f"{len(found)} log lines hold a secret: {found[:5]}"


@pytest.fixture
def outside(world: World) -> Iterator[Outside]:
    """What is outside AWS, with nothing set but a vendor in a hurry."""
    world.outside.reset()
    world.outside.set_scenario(async_seconds=0.1)
    yield world.outside
    world.outside.reset()


@pytest.fixture
def new_app(world: World, outside: Outside) -> NewApp:
    """The app, for a user that nobody else has."""

    def new(sub: str | None = None) -> App:
        return App(world.api, world.token(sub or f"user-{secrets.token_hex(8)}"))

    return new


@pytest.fixture
def app(new_app: NewApp) -> App:
    return new_app()
