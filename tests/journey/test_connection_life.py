"""A connection after it is made: refreshed when its token ends, reconnected in place, and gone when deleted."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sandbox.outside import Outside
from sandbox.records import ACCOUNTS
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, BoundBrowser, Returned, refused, wait_for

OTHER_PATIENT = "noah.lindqvist"


# --- refresh --------------------------------------------------------------------------------------


@pytest.mark.parametrize("persona", ["epic", "cerner", "bluebutton", "patient-in-token", "plain-pkce"])
def test_an_ended_token_is_refreshed_again_and_again(persona: str, app: App, outside: Outside) -> None:
    link = app.connected(outside.portal(persona))
    for times in (1, 2, 3):
        outside.expire_tokens(link.portal.id)
        assert link.fetch("Coverage").status_code == 200
        assert outside.count("refresh", link.portal.id, 200) == times
    assert link.status == ("active", None)


def test_a_token_that_is_about_to_end_is_refreshed_before_it_is_used(
    world: World, app: App, outside: Outside
) -> None:
    link = app.connected(outside.portal("epic"))
    elapsed.connection(world, link.id, token_expires_at=1)
    assert link.fetch("Patient").status_code == 200
    assert outside.count("refresh", link.portal.id) == 1
    assert outside.count("fetch", link.portal.id) == 1, "no refusal was needed to notice"
    assert link.read()["tokenExpiresAt"] > "2020"


def test_an_ended_token_is_refreshed_for_a_retrieval_too(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("bluebutton"))
    outside.expire_tokens(link.portal.id)
    assert link.retrieve("Coverage").status_code == 200
    assert outside.count("refresh", link.portal.id) == 1


@pytest.mark.parametrize("refresh", ["static", "not-reissued", "rotating", "empty"])
def test_every_way_of_reissuing_refresh_tokens_survives_three_rounds(
    refresh: str, app: App, outside: Outside
) -> None:
    portal = outside.portal("cerner")
    outside.set_scenario(portal.id, refresh=refresh, refresh_patient_id=False)
    link = app.connected(portal)
    for _ in range(3):
        outside.expire_tokens(portal.id)
        assert link.fetch("Patient").status_code == 200


def test_many_requests_at_once_refresh_once(app: App, outside: Outside) -> None:
    portal = outside.portal("bluebutton")
    outside.set_scenario(portal.id, reuse_revokes_family=True)
    link = app.connected(portal)
    outside.expire_tokens(portal.id)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: link.fetch("Coverage"), range(4)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert 200 in {answer.status_code for answer in answers}
    assert outside.most_at_once("refresh", portal.id) == 1
    assert link.status == ("active", None)
    outside.expire_tokens(portal.id)
    assert link.fetch("Coverage").status_code == 200


@pytest.mark.parametrize("shape", ["500", "400", "401", "error-data"])
def test_a_consent_that_was_withdrawn_asks_for_a_new_login(shape: str, app: App, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, token_failure=shape)
    link = app.connected(portal)
    outside.revoke_grants(portal.id)
    answer = link.fetch("Patient")
    assert refused(answer) == (409, "reauthorization-required")
    assert "revoked" not in answer.text and "invalid_grant" not in answer.text
    assert link.status[0] == "reauthorization_required"
    assert refused(link.begin("Patient")) == (409, "reauthorization-required")
    again = app.reconnect(link)
    assert app.come_back(again).status == "authorized"
    assert again.exchange().status_code == 200
    assert link.status == ("active", None)
    assert link.fetch("Patient").status_code == 200


@pytest.mark.parametrize("told", ["401", "error-data"])
def test_without_a_refresh_token_the_end_of_the_token_asks_for_a_new_login(
    told: str, app: App, outside: Outside
) -> None:
    portal = outside.portal("no-refresh")
    outside.set_scenario(portal.id, dead_token=told)
    link = app.connected(portal)
    outside.expire_tokens(portal.id)
    assert refused(link.fetch("Coverage")) == (409, "reauthorization-required")
    assert link.status[0] == "reauthorization_required"


def test_a_withdrawn_consent_ends_a_retrieval_with_its_reason(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"))
    outside.revoke_grants(link.portal.id)
    assert refused(link.retrieve("Patient")) == (409, "reauthorization-required")
    assert link.status[0] == "reauthorization_required"


# --- reconnect ------------------------------------------------------------------------------------


def test_a_reconnect_keeps_the_connection_and_its_history(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("cerner"))
    done = link.retrieve("Patient")
    before = link.read()
    again = app.reconnect(link)
    assert again.id == link.id
    assert link.read() == before, "the old authorization stands until the new one is there"
    assert link.fetch("Patient").status_code == 200
    assert app.come_back(again).status == "authorized"
    assert again.exchange().status_code == 200
    after = link.read()
    assert after["status"] == "active" and after["lastRetrieval"] == before["lastRetrieval"]
    assert after["createdAt"] == before["createdAt"]
    assert app.http.get(done.url).json() == done.json()
    assert len(app.get("/v1/connections").json()["connections"]) == 1


def test_a_reconnect_by_another_patient_changes_nothing(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("cerner"))
    before = link.read()
    again = app.reconnect(link)
    assert app.come_back(again, OTHER_PATIENT).status == "authorized"
    assert refused(again.exchange()) == (409, "different-patient")
    assert link.read() == before
    family = link.fetch("Patient").json()["entry"][0]["resource"]["name"][0]["family"]
    assert family == ACCOUNTS["james.okafor"].patient.family
    outside.expire_tokens(link.portal.id)
    assert link.fetch("Patient").status_code == 200, "the old refresh token is still there"
    over = again.exchange()
    assert refused(over) == (410, "gone") and "different_patient" in over.json()["detail"]


def test_a_reconnect_that_is_declined_changes_nothing(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("cerner"))
    before = link.read()
    again = app.reconnect(link)
    assert app.come_back(again, decision="deny").status == "declined"
    assert refused(again.exchange("W" * 43)) == (410, "gone")
    assert link.read() == before
    assert link.fetch("Patient").status_code == 200


def test_a_connection_that_was_never_authorized_cannot_be_reconnected(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    body = {"returnUrl": app.return_url}
    assert refused(app.post(f"/v1/connections/{link.id}/reconnect", body)) == (409, "not-authorized-yet")
    app.come_back(link, decision="deny")
    assert refused(app.post(f"/v1/connections/{link.id}/reconnect", body)) == (410, "gone")


def test_records_need_an_authorized_connection(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    assert refused(link.fetch("Patient")) == (409, "not-authorized-yet")
    assert refused(link.begin("Patient")) == (409, "not-authorized-yet")
    assert outside.count("fetch") == outside.count("start") == 0


# --- disconnect -----------------------------------------------------------------------------------


def test_a_deleted_connection_leaves_no_token_no_record_and_no_file(
    world: World, app: App, outside: Outside
) -> None:
    link = app.connected(outside.portal("epic"))
    done = link.retrieve("Patient", "Condition")
    file = app.http.get(done.json()["output"][0]["url"]).headers["location"]
    retrieval_id = done.url.path.rpartition("/")[2]
    retrieval = elapsed.stored(world, "Retrievals", retrieval_id)
    assert retrieval is not None

    assert app.delete(f"/v1/connections/{link.id}").content == b""
    assert refused(app.delete(f"/v1/connections/{link.id}")) == (404, "not-found")
    assert refused(link.fetch("Patient")) == (404, "not-found")
    assert refused(app.http.get(done.url)) == (404, "not-found")
    assert refused(app.http.get(done.json()["output"][0]["url"])) == (404, "not-found")
    assert httpx.get(file, trust_env=False).status_code == 404, "a URL signed before leads nowhere"
    assert elapsed.stored(world, "Connections", link.id) is None
    assert elapsed.stored(world, "Retrievals", retrieval_id) is None
    bucket = world.stack.outputs["ResultsBucketName"]
    prefix = retrieval["prefix"]["S"]
    assert world.aws("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("KeyCount", 0) == 0
    assert app.get("/v1/connections").json()["connections"] == []


def test_deleting_stops_what_is_running(app: App, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, async_outcome="never")
    link = app.connected(portal)
    url = link.begin("Patient").headers["content-location"]
    wait_for(lambda: outside.count("retrieve", portal.id) or None)
    assert app.delete(f"/v1/connections/{link.id}").status_code == 204
    assert refused(app.http.get(url)) == (404, "not-found")
    asked = outside.count("retrieve", portal.id)
    time.sleep(0.3)  # several waits of the workflow
    assert outside.count("retrieve", portal.id) <= asked + 1


def test_a_login_that_ends_after_the_deletion_revives_nothing(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("epic"))
    browser = BoundBrowser(link)
    assert app.delete(f"/v1/connections/{link.id}").status_code == 204
    answer = browser.comes_back("code=abc")
    assert answer.headers["location"].endswith("/connect/problem#invalid")
    assert refused(app.get(f"/v1/connections/{link.id}")) == (404, "not-found")


def test_a_deletion_makes_room_for_another_attempt(app: App, outside: Outside) -> None:
    links = [app.started(outside.portal(p)) for p in ("epic", "cerner", "plain-pkce")]
    assert app.start(outside.portal("patient-in-token")).status_code == 429
    app.delete(f"/v1/connections/{links[0].id}")
    assert app.start(outside.portal("patient-in-token")).status_code == 201


def test_connections_are_listed_newest_first_page_by_page(app: App, outside: Outside) -> None:
    made = [app.started(outside.portal(p)).id for p in ("epic", "cerner", "plain-pkce")]
    listed, cursor = [], None
    for _ in range(3):
        page = app.get("/v1/connections", limit="1", **({"cursor": cursor} if cursor else {})).json()
        listed += [shown["id"] for shown in page["connections"]]
        cursor = page["next"]
    if cursor:
        assert app.get("/v1/connections", limit="1", cursor=cursor).json() == {
            "connections": [],
            "next": None,
        }
    assert listed == made[::-1]


def test_the_return_says_which_connection_it_is_about(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("epic"))
    back: Returned = BoundBrowser(link).brings_code()
    assert back.connection == link.id
