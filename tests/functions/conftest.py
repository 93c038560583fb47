"""The stand-ins for AWS that handlers run over."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests import backends
from tests.adapters.stores import Stores
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
