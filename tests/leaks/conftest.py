"""A world of its own, in which every secret and every health field is a canary, and each sink is listened to."""

import dataclasses
from collections.abc import Iterator

import pytest

from sandbox.world.settings import Settings
from sandbox.world.world import World, running_world
from tests.leaks import drive, plants, sinks
from tests.leaks.canaries import Canaries, Search

_table: list[str] = []


@pytest.fixture(scope="session")
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(scope="session")
def world(canaries: Canaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The local world with a device token that nobody has seen, all its calls to AWS recorded."""
    settings = dataclasses.replace(
        Settings.from_environment({}),
        port=0,
        poll_seconds=0,
        wait_scale=0.05,
        device_token=canaries.new("device token", 40),
        stack="portico-canary",
        recording=tmp_path_factory.mktemp("recording") / "calls.jsonl",
    )
    with running_world(settings) as running, plants.planted(running, canaries):
        yield running


@pytest.fixture(scope="session")
def collected(world: World, canaries: Canaries) -> sinks.Collected:
    """What was written anywhere while everything was played."""
    with sinks.listening(world) as listeners:
        drive.everything(world, canaries)
        drive.settled(world)
        listeners.met(canaries)
        return listeners.collect()


@pytest.fixture(scope="session")
def search(collected: sinks.Collected, canaries: Canaries) -> Search:
    return Search(canaries)


@pytest.fixture(scope="session")
def table() -> list[str]:
    """Lines to be shown when all is over."""
    return _table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _table:
        terminalreporter.section("leak scanner: sinks x classes")
        for line in _table:
            terminalreporter.write_line(line)
