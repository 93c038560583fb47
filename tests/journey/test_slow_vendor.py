"""Whoever is too slow: all of them waited for at the same time, since each costs its whole deadline."""

from concurrent.futures import ThreadPoolExecutor

from sandbox.outside import Outside
from tests.journey.app import App, refused
from tests.journey.test_vendor_faults import fault, search_of_its_own


def test_whoever_is_too_slow_is_not_waited_for(app: App, outside: Outside) -> None:
    hanging, dripping = app.authorized(outside.portal("cerner")), app.authorized(outside.portal("plain-pkce"))
    fetching, refreshing = (
        app.connected(outside.portal("patient-in-token")),
        app.connected(outside.portal("epic")),
    )
    outside.set_scenario(hanging.portal.id, faults=[fault("token", "hang", seconds=40)])
    outside.set_scenario(dripping.portal.id, faults=[fault("token", "drip", seconds=40)])
    outside.set_scenario(fetching.portal.id, fetch_seconds=40)
    outside.expire_tokens(refreshing.portal.id)
    outside.set_scenario(refreshing.portal.id, faults=[fault("refresh", "hang", seconds=40)])
    outside.set_scenario(faults=[fault("search", "hang", seconds=40)])

    with ThreadPoolExecutor(5) as threads:
        searched = threads.submit(search_of_its_own, app)
        exchanged = [threads.submit(link.exchange) for link in (hanging, dripping)]
        fetched = [threads.submit(link.fetch, "Patient") for link in (fetching, refreshing)]
        answers = [waiting.result() for waiting in (searched, *exchanged, *fetched)]
    assert [refused(answer) for answer in answers] == [(504, "portal-timeout")] * 5
    assert "respond-async" in answers[3].json()["detail"]
    assert [link.status for link in (hanging, dripping)] == [("pending", None)] * 2
    assert [link.status for link in (fetching, refreshing)] == [("active", None)] * 2
    assert refused(hanging.exchange()) == (409, "exchange-in-progress")
