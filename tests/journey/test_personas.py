"""The whole journey for each kind of portal, as an app and its user see it, down to the last byte."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from sandbox.outside import Outside
from sandbox.portals.people import patient_at
from sandbox.records import ACCOUNTS, REQUESTABLE, chart, select, to_json
from tests.journey.app import App, Link

PERSONAS: dict[str, dict[str, Any]] = {
    "epic": {"refreshable": True, "lives": 3600, "pkce": False},
    "cerner": {"refreshable": True, "lives": 570, "pkce": True},
    "bluebutton": {"refreshable": True, "lives": 36000.52, "pkce": True},
    "no-refresh": {"refreshable": False, "lives": None, "pkce": False},
    "patient-in-token": {"refreshable": True, "lives": 1800, "pkce": True},
    "plain-pkce": {"refreshable": True, "lives": 3600, "pkce": True},
    "refuses-patient": {"refreshable": True, "lives": 3600, "pkce": True},
}
USERS = {
    "epic": "maria.alvarez",
    "cerner": "james.okafor",
    "bluebutton": "noah.lindqvist",
    "no-refresh": "eleanor.whitcomb",
    "patient-in-token": "zoe.nguyen",
    "plain-pkce": "meiling.chen",
    "refuses-patient": "walter.grabowski",
}


def held(outside: Outside, link: Link, username: str, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What the portal holds and shows of the records asked for (all without names), in its order."""
    endpoint = outside.catalog.get(link.portal.id)
    assert endpoint is not None
    scenario, account = outside.scenario(link.portal.id), ACCOUNTS[username]
    whole = chart(
        scenario.profile or account.profile(endpoint.data_type), patient_at(endpoint, scenario, username)
    )
    shared = [name for name in names or REQUESTABLE if name not in scenario.withheld]
    return select(whole, shared if names or scenario.withheld else None, None, None, False)


def by_type(resources: Sequence[dict[str, Any]]) -> dict[str, list[bytes]]:
    """Each resource's own bytes."""
    lines: dict[str, list[bytes]] = {}
    for resource in resources:
        lines.setdefault(resource["resourceType"], []).append(to_json(resource))
    return lines


def everything_in(app: App, manifest: dict[str, Any]) -> dict[str, list[bytes]]:
    """All files of a manifest by type; each file's count and every line's type are as the manifest says."""
    read = {}
    for shown in [*manifest["output"], *manifest["error"]]:
        lines = app.file(shown["url"])
        assert len(lines) == shown["count"]
        kind = b'"resourceType":"%s"' % shown["type"].encode()
        assert all(kind in line for line in lines)
        assert shown["type"] not in read, "a type has one file"
        read[shown["type"]] = lines
    return read


@pytest.mark.parametrize("persona", PERSONAS)
def test_the_records_of_each_kind_of_portal_travel_the_whole_way(
    persona: str, app: App, outside: Outside
) -> None:
    username, facts = USERS[persona], PERSONAS[persona]
    portal = outside.portal(persona)

    found = app.search(portal.data_type, q=portal.name).json()["portals"]
    shown = next(p for p in found if p["id"] == portal.id)
    assert (shown["name"], shown["status"], shown["pkce"]) == (portal.name, "active", facts["pkce"])
    assert "redirector" not in str(shown) and "authorize" not in str(shown)

    link = app.started(portal)
    assert link.read() == app.get("/v1/connections").json()["connections"][0]
    assert link.status == ("pending", None)
    assert app.come_back(link, username).status == "authorized"
    before = time.time()
    active = link.exchange()
    assert active.status_code == 200, active.text
    assert active.json()["status"] == "active"
    assert active.json()["portal"] == shown
    assert active.json()["refreshable"] is facts["refreshable"]
    assert_expiry(active.json()["tokenExpiresAt"], before, facts["lives"])
    assert active.json() == link.read()

    names = ("Condition", "Coverage")
    bundle = link.fetch(*names)
    assert bundle.status_code == 200, bundle.text
    assert bundle.headers["content-type"] == "application/fhir+json"
    assert bundle.json()["type"] == "collection"
    entries = b",".join(b'{"resource":' + to_json(one) + b"}" for one in held(outside, link, username, names))
    assert bundle.content == b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"

    done = link.retrieve()
    assert done.status_code == 200, done.text
    manifest = done.json()
    assert manifest["requiresAccessToken"] is True
    assert manifest["request"] == f"{app.api}/v1/connections/{link.id}/records"
    expected = by_type(held(outside, link, username))
    files = everything_in(app, manifest)
    ours = files.pop("OperationOutcome", [])
    theirs = expected.pop("OperationOutcome", [])
    assert files == expected
    assert ours[: len(theirs)] == theirs
    ledger = {entry["resource"]: entry for entry in manifest["extension"]["ledger"]}
    assert list(ledger) == list(REQUESTABLE)
    for name in set(REQUESTABLE) - {"Vitals", "Labs"}:
        count = len(expected.get(name, []))
        withheld = name in outside.scenario(portal.id).withheld
        assert ledger[name]["count"] == count
        assert ledger[name]["outcome"] == ("failed" if withheld else "returned" if count else "empty")
    assert len(ours) == len(theirs) + len(outside.scenario(portal.id).withheld)
    assert link.read()["lastRetrieval"]["status"] == "completed"

    assert app.delete(f"/v1/connections/{link.id}").status_code == 204
    for path in (f"/v1/connections/{link.id}", done.url.path, *(f["url"] for f in manifest["output"][:1])):
        assert app.get(path).status_code == 404


def assert_expiry(shown: str | None, before: float, lives: object) -> None:
    """The token's end as the portal's hint says it, to the second; null without a hint."""
    if lives is None:
        assert shown is None
        return
    assert isinstance(lives, int | float)
    assert shown is not None
    assert -2 <= datetime.fromisoformat(shown).timestamp() - before - lives <= 10


def test_a_portal_that_fails_after_the_login_closes_the_connection(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("always-failing"))
    assert app.come_back(link).status == "failed"
    assert link.status == ("closed", "portal_error")


def test_a_patient_who_declines_closes_the_connection(app: App, outside: Outside) -> None:
    link = app.started(outside.portal("cerner"))
    assert app.come_back(link, decision="deny").status == "declined"
    assert link.status == ("closed", "declined")


def test_demographics_that_the_patient_keeps_back_are_told_and_the_rest_arrives(
    app: App, outside: Outside
) -> None:
    link = app.started(outside.portal("bluebutton"))
    app.come_back(link, withhold=True)
    assert link.exchange().status_code == 200
    done = link.retrieve("Patient", "Coverage")
    types = {shown["type"] for shown in done.json()["output"]}
    assert types & {"Patient", "Coverage"} == {"Coverage"}
    ledger = {entry["resource"]: entry["outcome"] for entry in done.json()["extension"]["ledger"]}
    assert (ledger["Patient"], ledger["Coverage"], ledger["Labs"]) == ("failed", "returned", "not_asked")


def test_times_asked_for_are_applied_by_the_vendor(app: App, outside: Outside) -> None:
    link = app.connected(outside.portal("epic"), "maria.alvarez")
    whole = link.retrieve("Labs").json()
    recent = link.retrieve(
        "Labs", params={"fromTime": "2025-06-01T00:00:00Z", "excludeUndatedEntries": True}
    ).json()

    def labs(manifest: dict[str, Any]) -> int:
        return next((o["count"] for o in manifest["output"] if o["type"] == "Observation"), 0)

    assert 0 < labs(recent) < labs(whole)
