"""Threats are played through the front door of the shared world, by the journeys' own apps and browsers."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from sandbox.outside import Outside, PortalInfo
from sandbox.world.world import World
from tests.journey.app import App
from tests.journey.conftest import NewApp, _nothing_leaks, app, new_app, outside

__all__ = ["NewApp", "_nothing_leaks", "app", "new_app", "outside"]

type Settings = Callable[..., AbstractContextManager[None]]
_unseen: dict[int, list[PortalInfo]] = {}


@pytest.fixture
def unseen(world: World, outside: Outside) -> Callable[..., PortalInfo]:
    """A clinical portal whose entry no function has in memory yet, with fields of its entry said otherwise."""

    def portal(**row: Any) -> PortalInfo:
        left = _unseen.setdefault(id(world), [])
        if not left:
            left += [p for p in outside.portals() if p.data_type == "payer" and p.status == "active"][-60:]
        found = left.pop()
        outside.set_scenario(found.id, row=row)
        return found

    return portal


@pytest.fixture
def setting(world: World) -> Settings:
    """One function with a setting of the deployment changed, and put back afterwards."""

    @contextmanager
    def changed(folder: str, **variables: str) -> Iterator[None]:
        functions = world.aws("lambda")
        name = world.stack.physical_ids[next(n for n, f in world.stack.folders.items() if f == folder)]
        before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": before | variables}
        )
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})

    return changed


@pytest.fixture
def known_app(world: World) -> Callable[..., App]:
    """The app of a new user whose name and birth date the identity provider vouches for."""

    def new(family: str, born: str) -> App:
        claims = {"family_name": family, "birthdate": born}
        return App(world.api, world.token(f"user-{secrets.token_hex(8)}", claims=claims))

    return new
