"""The patient app in a real browser: the whole way to the records, and every way that ends elsewhere."""

import json
import re
from collections.abc import Callable

from playwright.sync_api import Route, expect

from sandbox.outside import Outside
from tests.app.visitor import Visitor

CLINIC = "Juniper Valley Clinic"
INSURER = "Meridian Blue Health Plan"


def test_a_patient_connects_a_clinic_and_reads_the_chart(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    visitor.connect(CLINIC)
    visitor.log_in("maria.alvarez")
    visitor.allow(CLINIC)
    expect(page.locator(".notice")).to_have_text(f"{CLINIC} is connected.")
    assert "handle" not in page.evaluate("location.href + JSON.stringify({...sessionStorage})")
    expect(page.get_by_text("These are the records of")).to_contain_text(
        "María Elena Álvarez, born Mar 14, 1968."
    )
    visitor.fetch()

    expect(visitor.section("you")).to_contain_text("58 years old · female")
    expect(visitor.section("conditions")).to_contain_text("Type 2 diabetes mellitus")
    expect(visitor.section("conditions").locator("summary")).to_have_text(re.compile(r"In the past \(\d+\)"))
    expect(visitor.section("allergies").locator("li").first).to_contain_text("Penicillin high risk")
    expect(visitor.section("medications")).to_contain_text("lisinopril 20 MG Oral Tablet")
    expect(visitor.section("immunizations")).to_contain_text("Influenza")

    sugar = visitor.measure("Hemoglobin A1c")
    expect(sugar.get_by_role("img")).to_have_attribute(
        "aria-label",
        re.compile(r"Hemoglobin A1c, 49 results; latest [\d.]+ % on .*; reference range 4\.0 – 5\.6 %"),
    )
    assert sugar.locator("circle").count() == 50
    assert sugar.locator(".band").count() == 1
    sugar.locator("summary").click()
    expect(sugar.locator("tbody tr")).to_have_count(49)
    pressure = visitor.measure("Blood pressure")
    expect(pressure.locator(".value")).to_have_text(re.compile(r"^\d{2,3}/\d{2,3}$"))
    assert pressure.locator("path.line").count() == 2
    expect(visitor.measure("Birth weight Measured").locator(".value")).to_have_text("3.250")

    note = visitor.section("documents").locator("details.document").first
    note.locator("summary").click()
    expect(note.locator("pre")).to_contain_text("María Elena Álvarez")
    visitor.section("documents").get_by_role("button", name="Show all").click()
    expect(visitor.section("documents")).to_contain_text("Sign in there to read it.")

    ledger = visitor.ledger()
    assert len(ledger) == 16
    assert ledger["Laboratory results"] == ("came", "1,056")
    assert {outcome for outcome, _ in ledger.values()} == {"came"}
    expect(visitor.section("completeness")).to_contain_text("One document is withheld")


def test_a_member_connects_an_insurer_and_reads_coverage_and_claims(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.connect(INSURER, kind="Insurance")
    visitor.log_in("maria.alvarez")
    visitor.allow(INSURER)
    visitor.fetch()
    expect(visitor.section("coverage")).to_contain_text("Bluebonnet Silver PPO")
    expect(visitor.section("coverage")).to_contain_text("Member number BBM-4471-90836")
    claims = visitor.section("claims")
    expect(claims.locator(".figures")).to_contain_text("Plan paid")
    expect(claims.locator(".amounts").first).to_contain_text(
        re.compile(r"Billed \$[\d.]+ · Allowed \$[\d.]+")
    )
    claims.get_by_role("button", name="Show all 99").click()
    expect(claims.locator(".rows > li")).to_have_count(99)
    assert visitor.ledger()["Health problems"] == ("nothing there", "0")


def test_what_a_portal_refuses_is_said_and_not_silently_missing(visitor: Visitor) -> None:
    portal = "Keystone Orchard Insurance"
    visitor.begin_connected(portal, "maria.alvarez", data_type="payer")
    expect(visitor.page.get_by_text("This portal does not tell whose records these are.")).to_be_visible()
    visitor.fetch()
    expect(visitor.section("completeness").locator(".notice")).to_contain_text("Who you are did not come.")
    assert visitor.ledger()["Who you are"][0] == "did not come"


def test_only_what_was_chosen_is_asked_for(visitor: Visitor) -> None:
    page = visitor.page
    visitor.begin_connected(CLINIC, "james.okafor")
    page.get_by_text("Choose what to fetch").click()
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_role("checkbox", name="Allergies").check()
    visitor.fetch()
    ledger = visitor.ledger()
    assert ledger["Allergies"][0] == "came"
    assert [outcome for outcome, _ in ledger.values()].count("not asked for") == 15


def test_declining_is_explained_and_a_wrong_password_is_no_end_either(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    visitor.connect(CLINIC)
    visitor.log_in("maria.alvarez")
    page.locator("#deny").click()
    visitor.heading("You did not share your records").wait_for()
    assert page.url == f"{visitor.api}/app/"
    page.get_by_role("button", name="Try again").click()
    visitor.log_in("maria.alvarez", password="not-it")
    expect(page.locator("#problem")).to_contain_text("not right")
    visitor.log_in("maria.alvarez")
    visitor.allow(CLINIC)
    page.get_by_role("link", name="Your connections").click()
    expect(page.locator("li.connection")).to_have_count(1)


def test_a_portal_that_fails_is_explained(visitor: Visitor) -> None:
    portal = "Stonegate University Hospital"
    visitor.sign_in()
    visitor.connect(portal)
    visitor.log_in("maria.alvarez")
    visitor.page.locator("#allow").click()
    visitor.heading("The portal could not finish this").wait_for()
    assert f"{portal} reported an error of its own" in visitor.text()
    visitor.page.get_by_role("link", name="Your connections").click()
    expect(visitor.page.locator("details")).to_contain_text("The portal reported an error of its own.")


def test_a_reload_loses_neither_the_way_back_nor_a_running_fetch_nor_the_records(
    visitor: Visitor, outside: Outside
) -> None:
    page = visitor.page
    visitor.sign_in()
    visitor.connect(CLINIC)
    page.reload()
    visitor.log_in("james.okafor")
    held: list[Route] = []
    page.route("**/v1/connections/*/token", lambda route: held.append(route))
    page.locator("#allow").click()
    visitor.heading("Finishing your connection").wait_for()
    # What is held may yet go out when it is let go, and meet the reloaded page's own: that waits for it.
    page.unroute("**/v1/connections/*/token")
    page.reload()
    visitor.heading(CLINIC).wait_for(timeout=60_000)
    visitor.forgive("409")

    outside.set_scenario(async_seconds=1.5)
    page.get_by_role("button", name="Fetch my records").click()
    page.get_by_text("The portal is collecting your records").wait_for()
    started = outside.count("start")
    page.reload()
    visitor.section("completeness").wait_for()
    assert outside.count("start") == started, "the fetch that ran is gone on with"
    page.reload()
    expect(visitor.section("you")).to_contain_text("James Chukwuemeka Okafor")


def test_a_fetch_can_be_stopped_and_one_that_fails_tells_what_to_do_next(
    visitor: Visitor, outside: Outside
) -> None:
    page = visitor.page
    visitor.begin_connected(CLINIC, "james.okafor")
    outside.set_scenario(async_outcome="never")
    page.get_by_role("button", name="Fetch my records").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".notice")).to_have_text("The fetch was stopped.")
    outside.set_scenario(async_outcome="error")
    page.get_by_role("button", name="Fetch my records").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The portal could not do this. Trying again later often helps.")
    expect(alert).to_contain_text("502 portal-error")
    visitor.forgive("502")


def test_disconnecting_asks_first_and_then_deletes_everything(visitor: Visitor) -> None:
    page = visitor.page
    visitor.begin_connected(CLINIC, "james.okafor")
    page.get_by_role("button", name="Disconnect").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).not_to_be_visible()
    page.get_by_role("button", name="Disconnect").click()
    dialog.get_by_role("button", name="Disconnect").click()
    visitor.heading("Nothing is connected yet").wait_for()
    expect(page.locator(".notice")).to_contain_text(f"{CLINIC} is disconnected")


def test_signing_in_again_keeps_the_connection_and_refuses_another_patient(visitor: Visitor) -> None:
    page = visitor.page
    visitor.begin_connected(CLINIC, "james.okafor")
    address = page.url
    page.get_by_role("button", name="Sign in again").click()
    visitor.log_in("james.okafor")
    visitor.allow(CLINIC)
    assert page.url == address
    page.get_by_role("button", name="Sign in again").click()
    visitor.log_in("maria.alvarez")
    page.locator("#allow").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone else signed in at the portal than before.")
    visitor.forgive("409")


def test_a_connection_that_gives_no_records_says_why_and_what_helps(visitor: Visitor) -> None:
    page = visitor.page
    visitor.begin_connected(CLINIC, "james.okafor")
    for status, title in {"held": "On hold", "reauthorization_required": "Please sign in again"}.items():
        page.route("**/v1/connections/*", _told(status))
        page.reload()
        visitor.heading(title).wait_for()
        page.get_by_role("button", name=f"Sign in at {CLINIC}").wait_for()
        assert page.get_by_role("button", name="Fetch my records").count() == 0


def _told(status: str) -> Callable[[Route], None]:
    """The connection's own answer, with another status."""

    def fulfil(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "status": status})

    return fulfil


def test_a_way_back_that_belongs_to_somebody_else_connects_nothing(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    page.goto(f"{visitor.api}/app/?connection=AAAAAAAAAAAAAAAAAAAAAA&status=authorized#handle={'A' * 43}")
    expect(page.get_by_role("alert")).to_contain_text("It is not here, or it belongs to somebody else.")
    page.get_by_role("link", name="Your connections").click()
    visitor.heading("Nothing is connected yet").wait_for()
    visitor.forgive("404")


def test_the_search_finds_by_name_and_zip_and_explains_what_cannot_be_connected(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    visitor.search("mirador")
    row = page.locator("li.portal", has_text="Mirador Heart & Vascular")
    expect(row).to_contain_text("Not supported This portal asks for a kind of sign-in")
    assert row.get_by_role("button").count() == 0
    visitor.search("prairie")
    expect(page.locator("li.portal", has_text="Prairie Star")).to_contain_text(
        "does not take new connections"
    )
    visitor.search("04101")
    expect(page.locator("li.portal")).to_have_count(1)
    expect(page.locator("li.portal")).to_contain_text("Harborlight Medical Center")
    visitor.search("zzz no such place")
    visitor.heading("No portal found").wait_for()
    visitor.search("", kind="Insurance")
    expect(page.locator("li.portal")).to_have_count(25)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("li.portal")).to_have_count(50)


def test_typing_asks_once_for_the_whole_word(visitor: Visitor) -> None:
    page = visitor.page
    visitor.sign_in()
    visitor.search("")
    expect(page.locator("li.portal")).to_have_count(25)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/portals/" in request.url else None)
    page.get_by_label("Name or ZIP code").press_sequentially("lantern", delay=20)
    expect(page.locator("li.portal")).to_have_count(1)
    assert [url.rpartition("?")[2] for url in asked] == ["q=lantern"]


def test_markup_in_a_record_is_text_and_nothing_else(visitor: Visitor) -> None:
    page = visitor.page
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"text": hostile},
        "note": [{"text": hostile}],
    }
    visitor.begin_connected(CLINIC, "james.okafor")
    page.route("**/files/Condition.ndjson", lambda route: route.fulfill(body=json.dumps(condition) + "\n"))
    visitor.fetch()
    expect(visitor.section("conditions").locator(".title")).to_have_text(hostile)
    assert page.locator("main img").count() == 0
    assert "owned" not in page.title()
    expect(visitor.section("completeness")).to_contain_text("A file was shorter than announced.")


def test_the_way_to_the_records_needs_no_mouse_and_fits_a_phone(visitor: Visitor) -> None:
    page = visitor.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{visitor.api}/app/")
    page.get_by_label("Your name").wait_for()
    page.keyboard.type(visitor.name)
    page.keyboard.press("Enter")
    visitor.heading("Nothing is connected yet").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("Name or ZIP code").focus()
    page.keyboard.type("juniper")
    expect(page.locator("li.portal")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    visitor.log_in("james.okafor")
    visitor.allow(CLINIC)
    page.get_by_role("button", name="Fetch my records").press("Enter")
    visitor.section("completeness").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "About you"
    width, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= window
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, a, input, summary, svg[role=img]')].filter(one =>
            !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length"""
    )
    assert nameless == 0
