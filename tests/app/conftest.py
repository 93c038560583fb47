"""A real browser before the patient app; without one the tests are skipped and say so."""

import secrets
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from sandbox.outside import Outside
from sandbox.world.world import World
from tests.app.visitor import PATIENCE_MS, Visitor

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# Its event loop occupies the thread, so that it may not outlive the tests of one file.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: on Debian, apt-get install chromium")
    with sync_playwright() as driver:
        expect.set_options(timeout=PATIENCE_MS)
        running = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def outside(world: World) -> Iterator[Outside]:
    """What is outside AWS, with a vendor in a hurry."""
    world.outside.reset()
    world.outside.set_scenario(async_seconds=0.1)
    yield world.outside
    world.outside.reset()


@pytest.fixture
def visitor(browser: Browser, world: World, outside: Outside) -> Iterator[Visitor]:
    """Somebody new before the app, on a desk; afterwards the browser must have had nothing to complain of."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    somebody = Visitor(context.new_page(), world.api, f"Alice {secrets.token_hex(4)}")
    yield somebody
    complaints = somebody.complaints
    context.close()
    assert not complaints
