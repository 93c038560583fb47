"""The vendor down, slow or wrong: what the app is told, what is kept, and never a word of the vendor's."""

import secrets
import time
from typing import Any

import httpx
import pytest

from sandbox.outside import Outside, PortalInfo
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, Link, refused

VENDORS_WORDS = (
    "unexpected error", "could not be understood", "was refused", "not authorized for", "answered with an error",
    "temporarily unavailable", "Bad Gateway", "invalid_grant", "DOCTYPE", "errorData", "oauthToken", "127.0.0.1:9",
    "too many", "did not answer in time\"", "Harborlight",
)  # fmt: skip

BUSY = ["429", "503"]
UNCLEAR = ["500", "502", "504", "reset", "reset-mid-body", "truncated"]
UNUSABLE = [
    "empty", "null", "array", "html", "malformed", "invalid-utf8", "not-a-number", "duplicate-keys", "deep",
    "wrong-type", "redirect",
]  # fmt: skip
REJECTED = ["400", "401", "403", "404", "401-error-data"]

PORTAL_ERROR = (502, "portal-error")
UNAVAILABLE = (503, "temporarily-unavailable")
REAUTHORIZE = (409, "reauthorization-required")


def fault(operation: str, answer: str, **more: Any) -> dict[str, Any]:
    return {"operation": operation, "answer": answer} | more


def says_nothing_of_the_vendors(answer: httpx.Response) -> httpx.Response:
    told = answer.json()
    said = f"{told['title']} {told['detail']}"
    assert not [words for words in VENDORS_WORDS if words in said], answer.text
    return answer


# --- the directory --------------------------------------------------------------------------------


def search_of_its_own(app: App) -> httpx.Response:
    """A search that nobody has made before, so that no copy of an answer is at hand."""
    return app.search("clinical", q=f"no such {secrets.token_hex(6)}")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (BUSY, UNAVAILABLE),
        (UNCLEAR, PORTAL_ERROR),
        (
            ["empty", "null", "html", "malformed", "invalid-utf8", "deep", "wrong-type", "redirect"],
            PORTAL_ERROR,
        ),
        (["400", "403"], PORTAL_ERROR),
        (["401"], UNAVAILABLE),
    ],
    ids=["busy", "unclear", "unusable", "rejected", "device token dead"],
)
def test_a_directory_that_fails_is_told_without_its_words(
    answers: list[str], told: tuple[int, str], app: App, outside: Outside
) -> None:
    for answer in answers:
        outside.set_scenario(faults=[fault("search", answer, calls=0)])
        assert refused(says_nothing_of_the_vendors(search_of_its_own(app))) == told, answer
    outside.set_scenario(faults=[])
    assert search_of_its_own(app).status_code == 200


def test_how_long_the_directory_wants_to_be_left_alone_is_passed_on(app: App, outside: Outside) -> None:
    outside.set_scenario(faults=[fault("search", "429", retry_after=17)])
    assert search_of_its_own(app).headers["retry-after"] == "17"


def test_an_attempt_does_not_begin_while_the_directory_fails(app: App, outside: Outside) -> None:
    unseen = next(p for p in outside.portals() if p.name == "Alder Grove Mutual Insurance of Denver")
    outside.set_scenario(faults=[fault("search", "500", calls=0)])
    assert refused(app.start(unseen)) == PORTAL_ERROR
    assert app.get("/v1/connections").json()["connections"] == []
    outside.set_scenario(faults=[])
    assert app.start(unseen).status_code == 201


def test_what_the_directory_said_last_serves_while_it_is_down(app: App, outside: Outside) -> None:
    term = f"Larkspur{' ' * secrets.randbelow(20)}"
    first = app.search("clinical", q=term)
    outside.set_scenario(faults=[fault("search", "500", calls=0)])
    second = app.search("clinical", q=term)
    assert second.status_code == 200 and second.json() == first.json()
    assert int(second.headers["age"]) >= 0


# --- the exchange ---------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", BUSY)
def test_a_busy_vendor_costs_the_code_nothing(answer: str, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("token", answer, retry_after=7)])
    busy = says_nothing_of_the_vendors(link.exchange())
    assert refused(busy) == UNAVAILABLE and busy.headers["retry-after"] == "7"
    assert link.status == ("pending", None)
    assert link.exchange().status_code == 200


# The vendor has done its work when it cuts its reply: the code is used up.
LOST = ["reset-mid-body", "truncated"]


@pytest.mark.parametrize("answer", [a for a in [*UNCLEAR, *UNUSABLE] if a not in LOST])
def test_after_an_unclear_exchange_the_code_is_sent_once_more(
    answer: str, world: World, app: App, outside: Outside
) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("token", answer)])
    assert refused(says_nothing_of_the_vendors(link.exchange())) == PORTAL_ERROR
    assert link.status == ("pending", None)
    assert refused(link.exchange()) == (409, "exchange-in-progress")
    elapsed.attempt(world, link.id, lease_until=1)
    assert link.exchange().status_code == 200


@pytest.mark.parametrize("answer", LOST)
def test_a_reply_that_breaks_off_is_no_success(answer: str, world: World, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("token", answer)])
    assert refused(says_nothing_of_the_vendors(link.exchange())) == PORTAL_ERROR
    elapsed.attempt(world, link.id, lease_until=1)
    assert refused(link.exchange()) == (422, "authorization-rejected")


@pytest.mark.parametrize("answer", REJECTED)
def test_a_rejected_exchange_ends_the_attempt(answer: str, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("token", answer)])
    assert refused(says_nothing_of_the_vendors(link.exchange())) == (422, "authorization-rejected")
    assert link.status == ("closed", "rejected")
    assert refused(link.exchange()) == (410, "gone")


@pytest.mark.parametrize("answer", ["gzip-bomb", "flood"])
def test_a_token_reply_of_any_size_is_cut_off(answer: str, app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("token", answer, megabytes=64)])
    assert refused(link.exchange()) == PORTAL_ERROR


def test_a_dead_device_token_ends_no_attempt(app: App, outside: Outside) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(faults=[fault("token", "401", calls=0), fault("search", "401", calls=0)])
    assert refused(says_nothing_of_the_vendors(link.exchange())) == UNAVAILABLE
    assert link.status == ("pending", None)
    outside.set_scenario(faults=[])
    assert link.exchange().status_code == 200


# --- the refresh ----------------------------------------------------------------------------------


def ended(app: App, portal: PortalInfo, outside: Outside) -> Link:
    """A connection whose access token has just ended."""
    link = app.connected(portal)
    outside.expire_tokens(portal.id)
    return link


def later(world: World, link: Link) -> None:
    """The pause after a failed refresh is over."""
    elapsed.connection(world, link.id, next_refresh_at=0, lease_until=0)


@pytest.mark.parametrize(
    ("answer", "told"),
    [(a, UNAVAILABLE) for a in BUSY] + [(a, PORTAL_ERROR) for a in [*UNCLEAR, *UNUSABLE]],
)
def test_a_refresh_that_fails_marks_no_connection(
    answer: str, told: tuple[int, str], app: App, outside: Outside
) -> None:
    link = ended(app, outside.portal("epic"), outside)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", answer)])
    assert refused(says_nothing_of_the_vendors(link.fetch("Patient"))) == told
    assert link.status == ("active", None)


@pytest.mark.parametrize("answer", ["503", "502", "reset", "truncated", "html"])
def test_after_a_refresh_that_failed_the_next_one_succeeds(
    answer: str, world: World, app: App, outside: Outside
) -> None:
    link = ended(app, outside.portal("epic"), outside)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", answer)])
    assert link.fetch("Patient").status_code >= 500
    later(world, link)
    assert link.fetch("Patient").status_code == 200


@pytest.mark.parametrize("answer", ["401", "401-error-data"])
def test_a_refresh_that_is_refused_twice_asks_for_a_new_login(
    answer: str, app: App, outside: Outside
) -> None:
    link = ended(app, outside.portal("epic"), outside)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", answer, calls=0)])
    assert refused(says_nothing_of_the_vendors(link.fetch("Patient"))) == REAUTHORIZE
    assert link.status[0] == "reauthorization_required"
    assert outside.count("refresh", link.portal.id) == 2


@pytest.mark.parametrize("answer", ["401", "401-error-data"])
def test_a_refresh_that_is_refused_once_is_asked_for_again(answer: str, app: App, outside: Outside) -> None:
    link = ended(app, outside.portal("epic"), outside)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", answer)])
    assert link.fetch("Patient").status_code == 200
    assert link.status == ("active", None)


@pytest.mark.parametrize("answer", ["400", "403", "404"])
def test_a_refusal_that_says_nothing_of_the_grant_marks_no_connection(
    answer: str, world: World, app: App, outside: Outside
) -> None:
    link = ended(app, outside.portal("epic"), outside)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", answer)])
    assert refused(says_nothing_of_the_vendors(link.fetch("Patient"))) == PORTAL_ERROR
    assert link.status == ("active", None)
    later(world, link)
    assert link.fetch("Patient").status_code == 200


def test_while_the_access_token_lives_a_failing_refresh_is_not_noticed(
    world: World, app: App, outside: Outside
) -> None:
    link = app.connected(outside.portal("epic"))
    elapsed.connection(world, link.id, token_expires_at=time.time() + 30)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", "503")])
    assert link.fetch("Patient").status_code == 200
    assert outside.count("refresh", link.portal.id) == 1


def test_a_rotated_refresh_token_whose_reply_was_lost_is_found_again_in_the_grace_period(
    world: World, app: App, outside: Outside
) -> None:
    portal = outside.portal("bluebutton")
    outside.set_scenario(portal.id, refresh_grace_seconds=60)
    link = ended(app, portal, outside)
    outside.set_scenario(portal.id, faults=[fault("refresh", "reset", after=True)])
    assert refused(link.fetch("Coverage")) == PORTAL_ERROR
    assert link.status == ("active", None)
    later(world, link)
    assert link.fetch("Coverage").status_code == 200


def test_a_dead_device_token_marks_no_connection(world: World, app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"))
    every = [fault(operation, "401", calls=0) for operation in ("search", "refresh", "fetch", "start")]
    outside.set_scenario(faults=every)
    assert refused(says_nothing_of_the_vendors(link.fetch("Patient"))) == UNAVAILABLE
    assert link.status == ("active", None)
    outside.set_scenario(faults=[])
    later(world, link)
    assert link.fetch("Patient").status_code == 200


# --- records at once ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (BUSY, UNAVAILABLE),
        (UNCLEAR, PORTAL_ERROR),
        (["html", "malformed", "invalid-utf8", "not-a-number", "deep", "redirect"], PORTAL_ERROR),
        (["empty", "null", "array", "wrong-type", "duplicate-keys"], PORTAL_ERROR),
        (["400", "403", "404"], PORTAL_ERROR),
    ],
    ids=["busy", "unclear", "unusable", "nothing", "rejected"],
)
def test_records_that_do_not_come_are_told_and_change_nothing(
    answers: list[str], told: tuple[int, str], app: App, outside: Outside
) -> None:
    link = app.connected(outside.portal("epic"))
    for answer in answers:
        outside.set_scenario(link.portal.id, faults=[fault("fetch", answer)])
        assert refused(says_nothing_of_the_vendors(link.fetch("Patient"))) == told, answer
        assert link.status == ("active", None)
        assert link.fetch("Patient").status_code == 200


@pytest.mark.parametrize("answer", ["gzip-bomb", "flood"])
def test_records_of_any_size_are_cut_off(answer: str, app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"))
    outside.set_scenario(link.portal.id, faults=[fault("fetch", answer, megabytes=80)])
    assert refused(link.fetch("Patient")) == PORTAL_ERROR


@pytest.mark.parametrize("answer", ["401", "401-error-data"])
def test_a_token_that_is_refused_once_is_refreshed_once(answer: str, app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("fetch", answer)])
    assert link.fetch("Patient").status_code == 200
    assert outside.count("refresh", link.portal.id) == 1
    assert outside.count("fetch", link.portal.id) == 2


@pytest.mark.parametrize("answer", ["401", "401-error-data"])
def test_a_fresh_token_that_is_refused_too_asks_for_a_new_login(
    answer: str, app: App, outside: Outside
) -> None:
    link = app.connected(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("fetch", answer, calls=0)])
    assert refused(link.fetch("Patient")) == REAUTHORIZE
    assert outside.count("refresh", link.portal.id) == 1
    assert outside.count("fetch", link.portal.id) == 3
    assert outside.count("search") >= 1, "it was made sure that it is not our own token"


@pytest.mark.parametrize("severity", ["ERROR", "FATAL", "Severe", "unheard-of"])
def test_an_error_told_inside_a_success_is_an_error(severity: str, app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"))
    outside.set_scenario(link.portal.id, fetch_outcome="error", severity=severity)
    assert refused(says_nothing_of_the_vendors(link.fetch("Patient"))) == PORTAL_ERROR
    assert link.status == ("active", None)


def test_records_that_partly_fail_say_so_in_the_bundle(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"))
    outside.set_scenario(link.portal.id, failing=["Labs"])
    bundle = link.fetch("Patient", "Labs").json()
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds.count("OperationOutcome") == 1 and kinds.count("Patient") == 1
    outcome = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "OperationOutcome"
    )
    assert "Labs" in outcome["issue"][0]["diagnostics"]
    assert "answered with an error" not in str(outcome)


def test_records_too_large_for_the_gateway_come_as_a_file(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"))
    outside.set_scenario(link.portal.id, profile="huge-6")
    large = link.fetch()
    assert large.status_code == 303, large.text
    lines = app.file(large.headers["location"])
    assert len(lines) == 1 and len(lines[0]) > 6_000_000
    assert lines[0].startswith(b'{"resourceType":"Bundle"') and lines[0].endswith(b"]}")
    manifest = app.get(large.headers["location"].partition("/files/")[0].removeprefix(app.api)).json()
    assert [(shown["type"], shown["count"]) for shown in manifest["output"]] == [("Bundle", 1)]
