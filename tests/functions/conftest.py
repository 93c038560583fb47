"""The stand-ins for AWS that handlers run over."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from types import SimpleNamespace

import pytest

from portico import deployment
from portico import log as log_
from sandbox.outside import Outside, running
from tests import backends
from tests.adapters.stores import HeldClock, Stores
from tests.backends import Backend
from tests.functions import handlers

type Load = Callable[..., handlers.Function]


@pytest.fixture(scope="session")
def emulator() -> Iterator[Backend]:
    with backends.emulator() as backend:
        yield backend


@pytest.fixture
def stores(emulator: Backend) -> Stores:
    emulator.use()
    return Stores(emulator)


@pytest.fixture
def load(emulator: Backend, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a function by its folder's name."""
    return partial(handlers.load, backend=emulator, monkeypatch=monkeypatch)


@pytest.fixture(scope="session")
def _outside() -> Iterator[Outside]:
    with running() as outside:
        yield outside


@pytest.fixture
def outside(_outside: Outside) -> Iterator[Outside]:
    """OneRecord and the portals, with no scenario set and nothing counted."""
    _outside.reset()
    yield _outside
    _outside.reset()


@pytest.fixture
def vendor(outside: Outside) -> dict[str, str]:
    """The settings by which a function finds them; browsers stay on this machine."""
    return {
        "DIRECTORY_URL": outside.urls.directory,
        "INTEGRATOR_URL": outside.urls.integrator,
        "REDIRECTOR_HOSTS": outside.urls.redirector.partition("://")[2],
        "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
    }


@pytest.fixture
def clock(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> HeldClock:
    """The functions' clock, which is that of the stores; whoever sleeps moves it on."""
    monkeypatch.setattr(deployment, "clock", stores.clock)
    monkeypatch.setattr(deployment, "sleep", stores.clock.sleep)
    return stores.clock


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the functions write to their log."""
    lines = StringIO()
    log_.logger()
    handlers_ = [h for h in logging.getLogger("portico").handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(lines) for handler in handlers_]
    yield lines
    for handler, stream in zip(handlers_, before, strict=True):
        handler.setStream(stream)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that botocore wanted to wait between its tries; it does not wait them."""
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    return waited
