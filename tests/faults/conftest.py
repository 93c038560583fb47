"""The ground that every fault is tried on."""

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from portico import deployment
from portico.adapters import aws
from sandbox.outside import Outside, PortalInfo, running
from tests import backends
from tests.adapters.stores import Stores
from tests.backends import Backend
from tests.faults import effects
from tests.faults.ground import Ground, a_login
from tests.samples import NOW
from tests.sandbox.client import Connected


@pytest.fixture(scope="session")
def moto() -> Iterator[Backend]:
    with backends.moto() as backend:
        yield backend


@pytest.fixture(scope="session")
def _outside() -> Iterator[Outside]:
    with running() as outside:
        yield outside


@pytest.fixture(scope="session")
def _login(_outside: Outside) -> Callable[[PortalInfo], Connected]:
    return a_login(_outside)


@pytest.fixture
def ground(
    moto: Backend,
    _outside: Outside,
    _login: Callable[[PortalInfo], Connected],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    moto.use()
    stores = Stores(moto)
    stores.clock.now = NOW
    monkeypatch.setattr(deployment, "clock", stores.clock)
    monkeypatch.setattr(
        deployment, "sleep", lambda seconds: setattr(stores.clock, "now", stores.clock.now + seconds)
    )
    # Pauses between tries take no time here.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(aws, "time", SimpleNamespace(sleep=lambda _: None))
    _outside.reset()
    _outside.set_scenario(profile="tiny", async_seconds=0, token_seconds=86_400)
    logging.getLogger("portico").setLevel(logging.CRITICAL)
    with effects.watched(monkeypatch, stores.clock) as seen:
        yield Ground(stores, _outside, seen, monkeypatch, _login)
    _outside.reset()
