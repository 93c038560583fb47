"""Somebody who uses the patient app in a browser, as far as the tests need it."""

import json
import re
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import ConsoleMessage, Locator, Page, Request

from sandbox.browser import Browser
from sandbox.records import PASSWORDS

PATIENCE_MS = 30_000


class Visitor:
    """One tab. `complaints` are the browser's: errors on the console, failed or foreign requests."""

    def __init__(self, page: Page, api: str, name: str) -> None:
        self.page, self.api, self.name = page, api, name
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            self.complaints.append(f"foreign: {request.url}")

    def forgive(self, status: str) -> None:
        """An answer of that status belongs to the test."""
        self.complaints[:] = [one for one in self.complaints if f"status of {status}" not in one]

    # --- the app ---

    def sign_in(self) -> None:
        self.page.goto(f"{self.api}/app/")
        self.page.get_by_label("Your name").fill(self.name)
        self.page.get_by_role("button", name="Sign in").click()
        self.heading("Nothing is connected yet").wait_for()

    def begin_connected(self, portal: str, username: str, *, data_type: str = "clinical") -> None:
        """Before the page of a connection that stands already: the way there is another test's."""
        token = httpx.post(f"{self.api}/_local/token", json={"sub": self.name}).json()["access_token"]
        home = f"{self.api}/app/"
        with (
            httpx.Client(base_url=self.api, headers={"Authorization": f"Bearer {token}"}, timeout=30) as app,
            Browser() as browser,
        ):
            found = app.get(f"/v1/portals/{data_type}", params={"q": portal}).json()["portals"]
            wanted = {"portalId": found[0]["id"], "dataType": data_type, "returnUrl": home}
            started = app.post("/v1/connections", json=wanted).json()
            back = browser.sign_in(started["authorizationUrl"], username, until=home)
            handle = back.rpartition("handle=")[2]
            app.post(f"/v1/connections/{started['id']}/token", json={"handle": handle}).raise_for_status()
        user = json.dumps({"name": self.name, "token": token})
        self.page.add_init_script(f"sessionStorage['portico.user'] ??= {json.dumps(user)}")
        self.page.goto(f"{home}connections/{started['id']}")
        self.page.get_by_role("button", name="Fetch my records").wait_for()

    def search(self, words: str, *, kind: str = "Doctor, clinic or hospital") -> None:
        if not self.page.url.endswith("/app/find"):
            self.page.goto(f"{self.api}/app/find")
        self.page.get_by_role("radio", name=kind).check(force=True)
        self.page.get_by_label("Name or ZIP code").fill(words)

    def connect(self, portal: str, *, kind: str = "Doctor, clinic or hospital") -> None:
        """As far as the portal's login page."""
        self.search(portal, kind=kind)
        self.page.get_by_role("button", name=f"Connect {portal}", exact=True).click()
        self.page.locator("#username").wait_for()

    def log_in(self, username: str, *, password: str | None = None) -> None:
        """At the portal; as far as its next page."""
        self.page.locator("#username").fill(username)
        self.page.locator("#password").fill(PASSWORDS[username] if password is None else password)
        self.page.locator("#login").click()

    def allow(self, portal: str) -> None:
        """At the portal; as far as the app's page of the new connection."""
        self.page.locator("#allow").click()
        self.heading(portal).wait_for()
        self.page.get_by_role("button", name="Fetch my records").wait_for()

    def fetch(self) -> None:
        self.page.get_by_role("button", name="Fetch my records").click()
        self.section("completeness").wait_for()

    # --- what the page shows ---

    def heading(self, words: str) -> Locator:
        return self.page.get_by_role("heading", name=words, exact=True)

    def section(self, name: str) -> Locator:
        return self.page.locator(f"section#{name}")

    def measure(self, name: str) -> Locator:
        """The card of what was measured."""
        return self.page.locator(
            "article.measure", has=self.page.get_by_role("heading", name=name, exact=True)
        )

    def ledger(self) -> dict[str, tuple[str, str]]:
        """{kind of record: (outcome, entries)}."""
        rows = self.section("completeness").locator("tbody tr")
        return {
            row.locator("th").inner_text(): (
                row.locator(".chip").inner_text(),
                row.locator("td").last.inner_text(),
            )
            for row in rows.all()
        }

    def text(self) -> str:
        return re.sub(r"\s+", " ", self.page.locator("main").inner_text())
