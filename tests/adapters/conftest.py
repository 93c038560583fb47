"""The stand-ins for AWS, and the sandbox's OneRecord for whatever speaks to the vendor."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from sandbox.outside import Outside, running
from tests import backends
from tests.adapters.stores import Stores
from tests.backends import Backend


@pytest.fixture(scope="session")
def moto() -> Iterator[Backend]:
    with backends.moto() as backend:
        yield backend


@pytest.fixture(scope="session")
def emulator() -> Iterator[Backend]:
    with backends.emulator() as backend:
        yield backend


@pytest.fixture(params=["moto", "emulator"])
def aws(request: pytest.FixtureRequest) -> Backend:
    """Each test runs against both; where they are known to differ, a strict xfail says so."""
    backend: Backend = request.getfixturevalue(request.param)
    backend.use()
    return backend


@pytest.fixture(scope="session")
def _outside() -> Iterator[Outside]:
    with running() as outside:
        yield outside


@pytest.fixture
def outside(_outside: Outside) -> Iterator[Outside]:
    """The vendor and the portals, with no scenario set and nothing counted."""
    _outside.reset()
    yield _outside
    _outside.reset()


@pytest.fixture
def stores(aws: Backend) -> Stores:
    return Stores(aws)


@pytest.fixture
def contended(emulator: Backend) -> Stores:
    """Tables for several writers at once: moto inside this process does not isolate its threads."""
    emulator.use()
    return Stores(emulator)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that botocore wanted to wait between its tries; it does not wait them."""
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    return waited
