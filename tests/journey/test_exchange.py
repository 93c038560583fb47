"""Exchanging the handle: every row of what may happen, seen by the app."""

import pytest

from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, BoundBrowser, refused, slug
from tests.journey.conftest import NewApp

WRONG = "W" * 43


def test_the_handle_makes_the_connection_active_once_and_for_all(app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    first, second = link.exchange(), link.exchange()
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json() == link.read()
    assert outside.count("token", link.portal.id) == 1


def test_no_route_but_the_return_url_ever_shows_the_handle(app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    shown = [app.get(f"/v1/connections/{link.id}"), app.get("/v1/connections"), link.exchange()]
    assert all(link.handle and link.handle not in answer.text for answer in shown)


def test_before_the_browser_is_back_there_is_nothing_to_exchange(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("epic"))
    assert refused(link.exchange(WRONG)) == (409, "not-authorized-yet")
    browser = BoundBrowser(link)
    assert refused(link.exchange(WRONG)) == (409, "not-authorized-yet")
    assert browser.brings_code().status == "authorized"


def test_the_sixth_wrong_handle_ends_the_attempt(app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("epic"))
    assert [refused(link.exchange(WRONG)) for _ in range(6)] == [(400, "invalid-handle")] * 6
    over = link.exchange()
    assert refused(over) == (410, "gone") and "too_many_wrong_handles" in over.json()["detail"]
    assert link.status == ("closed", "too_many_wrong_handles")
    assert outside.count("token", link.portal.id) == 0


def test_after_five_wrong_handles_the_right_one_still_works(app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("epic"))
    assert [link.exchange(WRONG).status_code for _ in range(5)] == [400] * 5
    assert link.exchange().status_code == 200


@pytest.mark.parametrize("handle", ["", "short", "ü" * 43, "x" * 10_000, "a\u0000b"])
def test_a_handle_of_any_other_form_is_just_wrong(handle: str, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("epic"))
    answer = app.exchange(link.id, handle)
    assert refused(answer) == (400, "invalid-handle")
    assert handle not in answer.text or not handle
    assert link.exchange().status_code == 200


def test_a_handle_shown_by_another_user_burns_the_attempt(new_app: NewApp, outside: Outside) -> None:
    victim, thief = new_app(), new_app()
    link = victim.authorized(outside.portal("cerner"))
    assert link.handle
    stolen = thief.exchange(link.id, link.handle)
    unknown = thief.exchange("x" * 22, link.handle)
    assert refused(stolen) == (404, "not-found")
    assert without_instance(stolen.json()) == without_instance(unknown.json())
    over = link.exchange()
    assert refused(over) == (410, "gone") and "burned" in over.json()["detail"]
    assert link.status == ("closed", "burned")
    assert outside.count("token", link.portal.id) == 0


def test_a_wrong_handle_of_another_user_changes_nothing(new_app: NewApp, outside: Outside) -> None:
    owner, other = new_app(), new_app()
    link = owner.authorized(outside.portal("cerner"))
    assert [refused(other.exchange(link.id, WRONG)) for _ in range(7)] == [(404, "not-found")] * 7
    assert link.exchange().status_code == 200


def test_a_handle_of_another_connection_is_wrong(app: App, outside: Outside) -> None:
    one, two = app.authorized(outside.portal("cerner")), app.authorized(outside.portal("epic"))
    assert refused(one.exchange(two.handle)) == (400, "invalid-handle")
    assert one.exchange().status_code == two.exchange().status_code == 200


def test_after_a_declined_login_the_exchange_is_told_so(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    app.come_back(link, decision="deny")
    over = link.exchange(WRONG)
    assert refused(over) == (410, "gone") and "declined" in over.json()["detail"]


def test_after_a_failed_login_the_exchange_is_told_so(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("always-failing"))
    app.come_back(link)
    over = link.exchange(WRONG)
    assert refused(over) == (410, "gone") and "portal_error" in over.json()["detail"]


def test_a_code_that_nobody_fetched_in_time_is_gone(world: World, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    elapsed.attempt(world, link.id, expires_at=1)
    over = link.exchange()
    assert refused(over) == (410, "gone") and "expired" in over.json()["detail"]
    assert outside.count("token", link.portal.id) == 0


def test_a_login_that_nobody_finished_shows_as_abandoned(world: World, app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    elapsed.connection(world, link.id, pending_until=1)
    assert link.status == ("closed", "abandoned")
    assert refused(link.fetch("Patient")) == (410, "gone")
    answer = app.post(f"/v1/connections/{link.id}/reconnect", {"returnUrl": app.return_url})
    assert refused(answer) == (410, "gone")


def test_while_one_exchange_runs_another_has_to_wait(world: World, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[{"operation": "token", "answer": "502"}])
    assert refused(link.exchange()) == (502, "portal-error")
    waiting = link.exchange()
    assert refused(waiting) == (409, "exchange-in-progress")
    assert 1 <= int(waiting.headers["retry-after"]) <= 35
    assert refused(link.exchange(WRONG)) == (400, "invalid-handle")
    elapsed.attempt(world, link.id, lease_until=1)
    assert link.exchange().status_code == 200
    assert outside.count("token", link.portal.id) == 2


def test_a_code_is_sent_at_most_twice(world: World, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[{"operation": "token", "answer": "reset", "calls": 0}])
    assert refused(link.exchange()) == (502, "portal-error")
    elapsed.attempt(world, link.id, lease_until=1)
    over = link.exchange()
    assert refused(over) == (410, "gone") and "outcome_unknown" in over.json()["detail"]
    assert refused(link.exchange()) == (410, "gone")
    assert link.status == ("closed", "outcome_unknown")
    assert outside.count("token", link.portal.id) == 2


def test_a_reply_that_was_lost_after_the_code_was_used_ends_the_attempt(
    world: World, app: App, outside: Outside
) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[{"operation": "token", "answer": "reset", "after": True}])
    assert refused(link.exchange()) == (502, "portal-error")
    elapsed.attempt(world, link.id, lease_until=1)
    assert refused(link.exchange()) == (422, "authorization-rejected")
    assert link.status == ("closed", "rejected")


@pytest.mark.parametrize("shape", ["500", "400", "401", "error-data"])
def test_a_code_that_the_portal_rejects_ends_the_attempt(shape: str, app: App, outside: Outside) -> None:
    portal = outside.portal("cerner")
    outside.set_scenario(portal.id, token_failure=shape, code_seconds=0)
    link = app.authorized(portal)
    answer = link.exchange()
    assert refused(answer) == (422, "authorization-rejected")
    assert "invalid_grant" not in answer.text and portal.name not in answer.text
    assert refused(link.exchange()) == (410, "gone")
    assert link.status == ("closed", "rejected")


def test_a_code_of_another_portal_is_never_sent_to_this_one(app: App, outside: Outside) -> None:
    here = app.started(outside.portal("epic"))
    browser = BoundBrowser(here)
    elsewhere = app.started(outside.portal("patient-in-token"))
    here.handle = browser.brings_code().handle
    assert refused(here.exchange()) == (422, "authorization-rejected")
    assert outside.count("token", elsewhere.portal.id) == 0


@pytest.mark.parametrize("reply", ["empty-token", "other-endpoint"])
def test_a_reply_without_a_token_for_this_portal_is_no_success(
    reply: str, world: World, app: App, outside: Outside
) -> None:
    portal = outside.portal("cerner")
    outside.set_scenario(portal.id, token_reply=reply)
    link = app.authorized(portal)
    assert refused(link.exchange()) == (502, "portal-error")
    assert link.status == ("pending", None)


@pytest.mark.parametrize(
    ("scenario", "expires"),
    [
        ({"token_expires": "absent"}, False),
        ({"token_expires": "zero"}, False),
        ({"token_expires": "negative"}, False),
        ({"token_expires": "garbage"}, False),
        ({"token_expires": "float"}, True),
        ({"token_expires": "integer"}, True),
        ({"patient_id": "number"}, True),
        ({"patient_id": "absent"}, True),
        ({"patient_id": "null"}, True),
        ({"patient_id": "empty"}, True),
        ({"code_form": "longest"}, True),
    ],
    ids=str,
)
def test_every_form_of_token_reply_leads_to_records(
    scenario: dict[str, str], expires: bool, app: App, outside: Outside
) -> None:
    portal = outside.portal("cerner")
    outside.set_scenario(portal.id, **scenario)
    link = app.connected(portal)
    assert (link.read()["tokenExpiresAt"] is not None) is expires
    assert link.fetch("Patient").status_code == 200


def test_a_deleted_attempt_cannot_be_exchanged(app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    assert app.delete(f"/v1/connections/{link.id}").status_code == 204
    assert slug(link.exchange()) == "not-found"
    assert outside.count("token", link.portal.id) == 0


# --- how many at once -----------------------------------------------------------------------------


def test_three_attempts_may_be_open_and_the_fourth_has_to_wait(app: App, outside: Outside) -> None:
    portals = [outside.portal(p) for p in ("epic", "cerner", "plain-pkce", "patient-in-token")]
    for portal in portals[:3]:
        app.started(portal)
    answer = app.start(portals[3])
    assert refused(answer) == (429, "too-many-requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 600
    assert len(app.get("/v1/connections").json()["connections"]) == 3


def test_a_finished_attempt_makes_room(app: App, outside: Outside) -> None:
    for persona in ("epic", "cerner"):
        app.started(outside.portal(persona))
    app.connected(outside.portal("plain-pkce"))
    assert app.start(outside.portal("patient-in-token")).status_code == 201


def test_a_second_attempt_at_the_same_portal_takes_the_place_of_the_first(app: App, outside: Outside) -> None:
    portal = outside.portal("cerner")
    first = app.authorized(portal)
    browser = BoundBrowser(app.started(outside.portal("epic")))
    second = app.started(portal)
    assert first.status == ("closed", "superseded")
    over = first.exchange()
    assert refused(over) == (410, "gone") and "superseded" in over.json()["detail"]
    assert browser.brings_code().status == "authorized", "another portal's attempt is untouched"
    assert app.come_back(second).status == "authorized"
    assert second.exchange().status_code == 200


def without_instance(problem: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in problem.items() if name != "instance"}
