"""Another OneRecord in the sandbox's place, by the environment alone; and what is told when it goes away."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from sandbox import outside as outside_world
from sandbox.outside import Outside, OutsideSettings
from sandbox.world.settings import Settings
from sandbox.world.world import World, running_world
from tests.journey.app import App, refused
from tests.journey.test_personas import by_type, everything_in, held

RETURN_URL = "https://app.example.org/health/return"
UNAVAILABLE = (503, "temporarily-unavailable")


@pytest.fixture
def vendor() -> Iterator[tuple[ExitStack, Outside]]:
    """A second outside world, of which only OneRecord and the portals will be used; it can be stopped."""
    with ExitStack() as running:
        settings = OutsideSettings(device_token="token-of-another-device")
        yield running, running.enter_context(outside_world.running(settings))


@pytest.fixture
def elsewhere(vendor: tuple[ExitStack, Outside]) -> Iterator[World]:
    """A world that is told of it in the contract's variables."""
    urls = vendor[1].urls
    settings = Settings.from_environment(
        {
            "PORT": "0",
            "PORTICO_DIRECTORY_URL": urls.directory,
            "PORTICO_INTEGRATOR_URL": urls.integrator,
            "PORTICO_REDIRECTOR_HOSTS": f"redirector.example.org,{urlsplit(urls.redirector).netloc}",
            "PORTICO_DEVICE_TOKEN": "token-of-another-device",
            "PORTICO_RETURN_URLS": f"https://other.example.org/,{RETURN_URL}",
            "PORTICO_POLL_SECONDS": "1",
        }
    )
    with running_world(dataclasses.replace(settings, wait_scale=0.05)) as running:
        yield running


def test_another_onerecord_serves_the_whole_journey_and_may_go_away(
    elsewhere: World, vendor: tuple[ExitStack, Outside]
) -> None:
    running, theirs = vendor
    app = App(elsewhere.api, elsewhere.token("alice"), RETURN_URL)
    portal = theirs.portal("cerner")
    theirs.set_scenario(async_seconds=0)
    found = app.search("clinical", q=portal.name).json()["portals"]
    assert [shown["id"] for shown in found] == [portal.id]
    link = app.connected(portal)
    assert link.fetch("Patient").status_code == 200
    done = link.retrieve()
    assert everything_in(app, done.json()) == by_type(held(theirs, link, "james.okafor"))
    waiting = app.authorized(theirs.portal("plain-pkce"))
    assert elsewhere.outside.count() == 0, "the sandbox was not asked for anything"
    assert elsewhere.status()["onerecord"] == theirs.urls.directory

    running.close()
    for answer in (
        app.search("payer", q="nobody asked this before"),
        app.start(theirs.portal("patient-in-token")),
        link.fetch("Patient"),
        waiting.exchange(),
    ):
        assert refused(answer) == UNAVAILABLE, answer.text
        assert "127.0.0.1" not in answer.json()["detail"]
    assert link.status == ("active", None)
    assert waiting.status == ("pending", None)
    assert app.search("clinical", q=portal.name).json()["portals"] == found, "the last answer still serves"
    assert everything_in(app, done.json()), "what was fetched is here"


def test_a_redirector_that_is_not_allowed_makes_no_portal_connectable(world: World, app: App) -> None:
    world.outside.set_scenario(
        "*", row={"redirectUri": "https://evil.example/outbound/?portalURL=https%3A%2F%2Fp.example"}
    )
    found = app.search("clinical", q="Windrow Rural").json()["portals"]
    assert [(shown["status"], shown["pkce"]) for shown in found] == [("unsupported", False)]
