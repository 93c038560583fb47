"""One patient's whole way, with every answer held to openapi.yaml."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx

from sandbox.browser import Browser
from sandbox.world.world import World
from tests.journey.app import wait_for
from tests.openapi_traffic import Traffic, operations

PATIENT = "james.okafor"


def test_a_whole_journey_is_described_to_the_last_field(world: World) -> None:
    traffic = Traffic()
    hooks: dict[str, list[Callable[..., object]]] = {"response": [traffic]}
    token = {"Authorization": f"Bearer {world.token('traffic')}"}
    world.outside.reset()
    world.outside.set_scenario(async_seconds=0.5)
    home = f"{world.api}/app/"
    with (
        httpx.Client(
            base_url=world.api, headers=token, event_hooks=hooks, timeout=60, trust_env=False
        ) as app,
        httpx.Client(event_hooks=hooks, timeout=60, trust_env=False) as browser,
        httpx.Client(base_url=world.api, event_hooks=hooks, trust_env=False) as stranger,
    ):
        portal = world.outside.portal("epic")
        page = app.get(f"/v1/portals/{portal.data_type}", params={"limit": 2}).json()
        app.get(f"/v1/portals/{portal.data_type}", params={"limit": 2, "cursor": page["next"]})
        body = {"portalId": portal.id, "dataType": portal.data_type, "returnUrl": home}
        begun = app.post("/v1/connections", json=body).json()
        connection = f"/v1/connections/{begun['id']}"
        app.post(f"{connection}/token", json={"handle": "x" * 43})

        # The browser: our two routes by a client that is watched, the portal's pages by one that is not.
        browser.get(begun["authorizationUrl"], headers={"Sec-Purpose": "prefetch"})
        away = browser.get(begun["authorizationUrl"])
        with Browser() as at_the_portal:
            callback = at_the_portal.sign_in(
                away.headers["location"], PATIENT, until=f"{world.api}/oauth/callback/"
            )
        stranger.get(callback)
        stranger.get("/connect/problem")
        back = urlsplit(browser.get(callback).headers["location"])
        handle = parse_qs(back.fragment)["handle"][0]

        app.post(f"{connection}/token", json={"handle": "x" * 43})
        app.post(f"{connection}/token", json={"handle": handle})
        app.get("/v1/connections", params={"limit": 1})
        app.get("/v1/connections", params={"limit": 0})
        app.post(f"{connection}/records", json={"resources": ["Patient", "Labs"]})
        app.post(f"{connection}/records", json={"resources": ["Moods"]})
        later = app.post(f"{connection}/records", headers={"Prefer": "respond-async"})
        retrieval = urlsplit(later.headers["content-location"]).path

        def finished() -> httpx.Response | None:
            answer = app.get(retrieval)
            return None if answer.status_code == 202 else answer

        manifest = wait_for(finished).json()
        app.get(urlsplit(manifest["output"][0]["url"]).path)
        app.get(f"{retrieval}/files/Nothing.ndjson")
        app.get(connection)
        app.delete(retrieval)
        app.get(retrieval)
        app.post(f"{connection}/reconnect", json={"returnUrl": home})
        stranger.get(connection)
        other = {"Authorization": f"Bearer {world.token('traffic', scope='other')}"}
        app.get(connection, headers=other)
        app.delete(connection)
        app.delete(connection)
        app.put(connection)
    assert set(traffic.seen) >= {
        ("searchPortals", 200),
        ("startConnection", 201),
        ("launchConnection", 204),
        ("launchConnection", 303),
        ("receiveCallback", 303),
        ("showProblem", 200),
        ("exchangeToken", 200),
        ("exchangeToken", 400),
        ("exchangeToken", 409),
        ("listConnections", 200),
        ("listConnections", 400),
        ("readConnection", 200),
        ("readConnection", 401),
        ("readConnection", 403),
        ("retrieveRecords", 200),
        ("retrieveRecords", 202),
        ("retrieveRecords", 400),
        ("readRetrieval", 200),
        ("readRetrieval", 202),
        ("readRetrieval", 404),
        ("readFile", 302),
        ("readFile", 404),
        ("cancelRetrieval", 202),
        ("reconnect", 201),
        ("deleteConnection", 204),
        ("deleteConnection", 404),
    }
    assert {name for name, _ in traffic.seen} == {operation.id for operation in operations()}
