"""Retrievals in the background: every way in which a result may come, or not come."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import httpx
import pytest

from sandbox.onerecord.scenarios import PayloadForm
from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, Link, refused, wait_for
from tests.journey.test_personas import by_type, everything_in, held
from tests.journey.test_vendor_faults import fault, later, says_nothing_of_the_vendors

USER = "james.okafor"
PORTAL_ERROR = (502, "portal-error")
FORMS = get_args(PayloadForm.__value__)


@pytest.fixture
def link(app: App, outside: Outside) -> Link:
    return app.connected(outside.portal("epic"), USER)


def ledger(manifest: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {e["resource"]: (e["outcome"], e["count"]) for e in manifest["extension"]["ledger"]}


def id_of(answer: httpx.Response) -> str:
    return str(answer.headers["content-location"]).rpartition("/")[2]


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["detail"])


# --- how a result comes ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["404", "202", "204", "information", "empty"])
def test_a_result_is_waited_for_however_the_vendor_says_not_yet(
    form: str, link: Link, outside: Outside
) -> None:
    outside.set_scenario(link.portal.id, pending=form, async_seconds=0.6)
    begun = link.begin("Patient", "Coverage")
    assert begun.headers["preference-applied"] == "respond-async" and int(begun.headers["retry-after"]) >= 1
    assert begun.json() == {"id": id_of(begun), "status": "running"}
    done = link.app.outcome(begun.headers["content-location"])
    assert done.status_code == 200, done.text
    assert ledger(done.json())["Patient"] == ("returned", 1)
    assert outside.count("retrieve", link.portal.id) >= 2


@pytest.mark.parametrize("form", FORMS)
def test_a_result_is_read_in_whatever_form_it_comes(form: str, link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, payload=form)
    done = link.retrieve()
    assert done.status_code == 200, done.text
    files = everything_in(link.app, done.json())
    if form == "bundle-without-entry":
        assert files == {}
        assert {outcome for outcome, _ in ledger(done.json()).values()} == {"empty"}
        return
    assert files == by_type(held(outside, link, USER))


@pytest.mark.parametrize(
    "scenario",
    [
        {"error_data": "last"},
        {"error_data": "absent"},
        {"compress": True},
        {"content_type": None, "fhir_version": None},
        {"fhir_version": "4.0.1"},
        {"transaction_id": "header"},
        {"transaction_id": "body"},
        {"transaction_id": "differing"},
        {"transaction_id": "differing-body"},
        {"refresh": "none"},
        {"patient_id": "in-token"},
    ],
    ids=str,
)
def test_a_result_is_found_and_read_however_it_is_wrapped(
    scenario: dict[str, Any], app: App, outside: Outside
) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(portal.id, **scenario)
    link = app.connected(portal, USER)
    done = link.retrieve("Condition", "Patient")
    assert done.status_code == 200, done.text
    assert everything_in(app, done.json()) == by_type(held(outside, link, USER, ("Condition", "Patient")))


def test_a_chart_of_many_megabytes_arrives_whole(link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, profile="huge-12")
    done = link.retrieve()
    assert done.status_code == 200, done.text
    observations = next(f for f in done.json()["output"] if f["type"] == "Observation")
    assert len(link.app.file(observations["url"])) == observations["count"] > 4000


def test_an_empty_chart_is_a_result(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"), USER)
    outside.set_scenario(link.portal.id, profile="empty")
    done = link.retrieve("Labs")
    assert done.status_code == 200
    assert ledger(done.json())["Labs"] == ("empty", 0)
    assert done.json()["error"] == []


# --- what is missing is told ----------------------------------------------------------------------


def test_what_failed_is_listed_and_can_be_asked_for_again(link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, failing=["Labs", "Condition"])
    done = link.retrieve("Patient", "Labs", "Condition")
    shown = ledger(done.json())
    assert shown["Patient"] == ("returned", 1)
    assert shown["Labs"][0] == shown["Condition"][0] == "failed"
    assert [(e["type"], e["count"]) for e in done.json()["error"]] == [("OperationOutcome", 2)]
    told = b"".join(everything_in(link.app, done.json())["OperationOutcome"])
    assert b"Labs" in told and b"Condition" in told and b"answered with an error" not in told
    outside.set_scenario(link.portal.id, failing=[])
    again = ledger(link.retrieve("Labs", "Condition").json())
    assert again["Labs"][0] == again["Condition"][0] == "returned"


def test_a_next_page_and_another_fhir_version_are_flagged(link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, next_link=True, fhir_version="DSTU2", operation_outcome=True)
    done = link.retrieve("Patient")
    outcomes = everything_in(link.app, done.json())["OperationOutcome"]
    assert len(outcomes) == 3
    assert done.json()["extension"]["fhirVersion"] == "DSTU2"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", ["ERROR", "FATAL", "unheard-of"])
def test_an_error_as_the_result_is_the_end(severity: str, link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, async_outcome="error", severity=severity)
    over = says_nothing_of_the_vendors(link.retrieve("Patient"))
    assert refused(over) == PORTAL_ERROR and "vendor_error" in reason(over)
    assert outside.count("start", link.portal.id) == 1
    assert link.status == ("active", None)
    assert link.read()["lastRetrieval"]["status"] == "failed"
    outside.set_scenario(link.portal.id, async_outcome="data")
    assert link.retrieve("Patient").status_code == 200, "another one may be tried at once"


def test_a_result_that_stays_a_server_error_is_given_up(link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, async_outcome="500", async_seconds=0)
    over = says_nothing_of_the_vendors(link.retrieve("Patient"))
    assert refused(over) == PORTAL_ERROR and "vendor_error" in reason(over)
    assert outside.count("retrieve", link.portal.id) == 5


@pytest.mark.parametrize("answer", ["500", "502", "reset", "reset-mid-body", "truncated", "429", "503"])
def test_trouble_while_asking_is_outlived(answer: str, link: Link, outside: Outside) -> None:
    outside.set_scenario(
        link.portal.id, async_seconds=0, faults=[fault("retrieve", answer, calls=2, retry_after=1)]
    )
    assert link.retrieve("Patient").status_code == 200
    assert outside.count("retrieve", link.portal.id) == 3
    assert outside.count("start", link.portal.id) == 1


UNUSABLE = ["html", "malformed", "invalid-utf8", "not-a-number", "deep", "400", "403", "redirect"]


@pytest.mark.parametrize("answer", UNUSABLE)
def test_two_unusable_answers_are_outlived_and_a_third_is_the_end(
    answer: str, link: Link, outside: Outside
) -> None:
    outside.set_scenario(link.portal.id, async_seconds=0, faults=[fault("retrieve", answer, calls=2)])
    assert link.retrieve("Patient").status_code == 200
    outside.set_scenario(link.portal.id, faults=[fault("retrieve", answer, calls=0)])
    over = says_nothing_of_the_vendors(link.retrieve("Patient"))
    assert refused(over) == PORTAL_ERROR
    assert outside.count("retrieve", link.portal.id) == 6
    assert link.status == ("active", None)


@pytest.mark.parametrize("answer", ["500", "reset", "429", "503", "empty", "html"])
def test_a_start_that_fails_is_tried_again(answer: str, link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, faults=[fault("start", answer, retry_after=1)])
    assert link.retrieve("Patient").status_code == 200
    assert outside.count("start", link.portal.id) == 2


def test_a_start_whose_reply_was_lost_is_made_again(link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, faults=[fault("start", "reset", after=True)])
    assert link.retrieve("Patient").status_code == 200
    assert outside.count("start", link.portal.id) == 2


@pytest.mark.parametrize("answer", ["400", "403", "404"])
def test_a_start_that_is_rejected_is_the_end(answer: str, link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, faults=[fault("start", answer, calls=0)])
    over = says_nothing_of_the_vendors(link.retrieve("Patient"))
    assert refused(over) == PORTAL_ERROR and "portal_rejected" in reason(over)
    assert outside.count("start", link.portal.id) == 1
    assert link.status == ("active", None)


@pytest.mark.parametrize("answer", ["401", "401-error-data"])
def test_a_start_with_an_ended_token_is_made_again_with_a_fresh_one(
    answer: str, link: Link, outside: Outside
) -> None:
    outside.set_scenario(link.portal.id, faults=[fault("start", answer)])
    assert link.retrieve("Patient").status_code == 200
    assert outside.count("refresh", link.portal.id) == 1
    assert outside.count("start", link.portal.id) == 2


def test_an_ended_token_that_shows_only_in_the_result_is_refreshed_and_tried_again(
    link: Link, outside: Outside
) -> None:
    outside.set_scenario(link.portal.id, async_token_check="in-result")
    outside.expire_tokens(link.portal.id)
    done = link.retrieve("Patient")
    assert done.status_code == 200, done.text
    assert outside.count("refresh", link.portal.id) == 1
    assert outside.count("start", link.portal.id) == 2


def test_a_dead_device_token_ends_a_retrieval_only_after_patience_and_marks_no_connection(
    world: World, link: Link, outside: Outside
) -> None:
    dead = [fault(operation, "401", calls=0) for operation in ("search", "refresh", "start", "fetch")]
    outside.set_scenario(faults=dead)
    begun = link.begin("Patient")
    wait_for(lambda: outside.count("start", link.portal.id) or None)
    assert link.status == ("active", None)
    outside.set_scenario(faults=[])
    later(world, link)
    assert link.app.outcome(begun.headers["content-location"]).status_code == 200


# --- gone, late, cancelled ------------------------------------------------------------------------


def test_a_result_that_began_to_arrive_and_is_then_gone_is_asked_for_anew(
    link: Link, outside: Outside
) -> None:
    outside.set_scenario(
        link.portal.id,
        async_seconds=0,
        async_outcome="gone",
        profile="huge-3",
        faults=[fault("retrieve", "truncated", megabytes=1)],
    )
    done = link.retrieve()
    assert done.status_code == 200, done.text
    assert outside.count("start", link.portal.id) == 2


def test_a_result_that_never_comes_ends_at_the_deadline(world: World, link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    begun = link.begin("Patient")
    wait_for(lambda: outside.count("retrieve", link.portal.id) or None)
    elapsed.retrieval(world, id_of(begun), submitted_at=time.time() - 3700)
    over = link.app.outcome(begun.headers["content-location"])
    assert refused(over) == (504, "portal-timeout")
    assert link.read()["lastRetrieval"]["status"] == "failed"
    assert link.status == ("active", None)


def test_a_retrieval_can_be_cancelled_while_it_runs(world: World, link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    url = link.begin("Patient").headers["content-location"]
    wait_for(lambda: outside.count("retrieve", link.portal.id) or None)
    path = url.removeprefix(link.app.api)
    assert link.app.delete(path).status_code == 202
    assert refused(link.app.get(path)) == (404, "not-found")
    assert refused(link.app.delete(path)) == (404, "not-found")
    outside.set_scenario(link.portal.id, async_outcome="data")
    again = link.begin("Patient")
    assert again.headers["content-location"] != url
    assert link.app.outcome(again.headers["content-location"]).status_code == 200
    assert elapsed.stored(world, "Retrievals", url.rpartition("/")[2]) is None


def test_a_finished_retrieval_can_be_deleted_with_its_files(link: Link) -> None:
    done = link.retrieve("Patient")
    stored = link.app.http.get(done.json()["output"][0]["url"]).headers["location"]
    assert link.app.delete(done.url.path).status_code == 202
    assert refused(link.app.get(done.url.path)) == (404, "not-found")
    assert httpx.get(stored, trust_env=False).status_code == 404


def test_after_retention_a_retrieval_is_gone(world: World, link: Link) -> None:
    done = link.retrieve("Patient")
    file = done.json()["output"][0]["url"]
    elapsed.retrieval(world, done.url.path.rpartition("/")[2], expires_at=1)
    for url in (done.url, file):
        assert refused(link.app.http.get(url)) == (410, "gone")


# --- one at a time --------------------------------------------------------------------------------


def test_the_same_records_are_retrieved_once_at_a_time(link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    first, second = link.begin("Patient", "Labs"), link.begin("Labs", "Patient")
    assert first.headers["content-location"] == second.headers["content-location"]
    other = link.begin("Patient")
    assert other.headers["content-location"] != first.headers["content-location"]
    wait_for(lambda: True if outside.count("start", link.portal.id) == 2 else None)
    outside.set_scenario(link.portal.id, async_outcome="data")
    for begun in (first, other):
        assert link.app.outcome(begun.headers["content-location"]).status_code == 200
    again = link.begin("Patient").headers["content-location"]
    assert again != other.headers["content-location"]
    assert link.app.outcome(again).status_code == 200


def test_even_when_asked_for_at_the_same_moment(link: Link, outside: Outside) -> None:
    outside.set_scenario(link.portal.id, async_outcome="never")
    with ThreadPoolExecutor(4) as threads:
        begun = list(threads.map(lambda _: link.begin("Condition"), range(4)))
    assert {answer.status_code for answer in begun} == {202}
    assert len({id_of(answer) for answer in begun}) == 1
    outside.set_scenario(link.portal.id, async_outcome="data")
    assert link.app.outcome(begun[0].headers["content-location"]).status_code == 200
    assert outside.count("start", link.portal.id) == 1


def test_a_signed_url_lives_five_minutes(link: Link) -> None:
    done = link.retrieve("Patient")
    answer = link.app.http.get(done.json()["output"][0]["url"])
    assert "X-Amz-Expires=300" in answer.headers["location"]
    assert answer.content == b""
