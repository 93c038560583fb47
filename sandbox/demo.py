"""`make demo`: the whole patient journey against two kinds of portal, played headless over HTTP.

Only the public contract is used, and the portals' own pages; every step says what it promises and whether
that held. Exit code 0 if all held, 1 if a step differed.
"""

import dataclasses
import json
import re
import sys
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from sandbox.browser import Browser, Stuck
from sandbox.records import ACCOUNTS
from sandbox.transcript import Differs, Transcript
from sandbox.world.deploy import DeployFailed
from sandbox.world.emulator import EmulatorFailed
from sandbox.world.packaging import PackagingError
from sandbox.world.settings import Settings, SettingsError
from sandbox.world.world import World, running_world

# Who goes where: a clinical portal with long-lived tokens, and a payer whose refresh tokens work once.
JOURNEYS = (
    ("clinical", "Epic New", "maria.alvarez", ("Patient", "Condition")),
    ("payer", "Meridian Blue Health Plan", "eleanor.whitcomb", ("Patient", "Coverage")),
)
ELEVEN_HOURS = 11 * 3600
LONGEST_WAIT_SECONDS = 120
_SECRET = re.compile(r"(/connect/|/oauth/callback/|handle=)[A-Za-z0-9_-]{6}[A-Za-z0-9_-]+")


def main(arguments: list[str]) -> int:
    """Plays the journeys; prints the transcript."""
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    transcript = Transcript()
    began = time.monotonic()
    try:
        settings = dataclasses.replace(Settings.from_environment(), port=0)
        with running_world(settings) as world:
            transcript.note(f"The local world is up after {time.monotonic() - began:.1f} s: {world.api}")
            requests = sum(Journey(world, transcript, *journey).play() for journey in JOURNEYS)
            _summary(world, transcript, requests)
    except (Differs, Stuck, httpx.HTTPError) as error:
        print(f"\nThis differs from the promise: {error}", file=sys.stderr)
        return 1
    except (SettingsError, DeployFailed, EmulatorFailed, PackagingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


class Journey:
    """One patient's way from finding a portal to leaving it again."""

    def __init__(
        self,
        world: World,
        transcript: Transcript,
        kind: str,
        portal: str,
        username: str,
        few: tuple[str, ...],
    ) -> None:
        self.world, self.say = world, transcript
        self.kind, self.portal_name, self.username, self.few = kind, portal, username, few
        self.patient = ACCOUNTS[username].patient
        # Whoever stands in OneRecord's place has portals and logins of its own.
        self.sandboxed = world.settings.directory_url is None
        self.requests = 0
        token = world.token(username)
        self.http = httpx.Client(
            base_url=world.api, timeout=60, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        )

    def play(self) -> int:
        """Every step; the number of requests that it took."""
        self.say.title(
            f"{self.patient.name} and {self.portal_name}" if self.sandboxed else f"A {self.kind} portal"
        )
        portal = self.search()
        connection = self.connect(portal)
        self.records_later(connection["id"])
        self.records_now(connection["id"], "Records at once, for the few that a screen needs")
        if self.sandboxed:
            self.refresh(connection["id"])
        self.disconnect(connection["id"])
        self.http.close()
        return self.requests

    def search(self) -> dict[str, Any]:
        self.say.step("The app looks for the portal")
        term = self.portal_name if self.sandboxed else ""
        found = self.call("GET", f"/v1/portals/{self.kind}", 200, params={"q": term} if term else {}).json()
        active = [portal for portal in found["portals"] if portal["status"] == "active"]
        self.say.expect(bool(active), "a portal that can be connected to is found")
        portal: dict[str, Any] = active[0]
        place = ", ".join(part for part in (portal["address"]["city"], portal["address"]["state"]) if part)
        self.say.note(f"{portal['name']} ({place}), PKCE {'yes' if portal['pkce'] else 'no'}")
        return portal

    def connect(self, portal: dict[str, Any]) -> dict[str, Any]:
        self.say.step("The app starts a connection")
        return_url = self.world.settings.allowed_return_urls(self.world.api)[0]
        wanted = {"portalId": portal["id"], "dataType": self.kind, "returnUrl": return_url}
        started = self.call("POST", "/v1/connections", 201, json=wanted).json()
        self.say.expect(started["status"] == "pending", "the connection is pending")

        self.say.step(
            f"The browser: launch, login as {self.username}, consent, callback, and home to the app"
        )
        with Browser() as browser:
            home = browser.sign_in(started["authorizationUrl"], self.username, until=return_url)
            for status, address in browser.visited:
                self.say.request("", _shown(address), status)
            self.requests += len(browser.visited)
        outcome = parse_qs(urlsplit(home).query)
        handle = parse_qs(urlsplit(home).fragment).get("handle", [""])[0]
        self.say.note(f"home: {_shown(home)}")
        self.say.expect(outcome.get("status") == ["authorized"], "the portal authorized")
        self.say.expect(bool(handle), "a one-time handle came in the fragment, where no server sees it")

        self.say.step("The app exchanges the handle with its own token")
        path = f"/v1/connections/{started['id']}/token"
        active: dict[str, Any] = self.call("POST", path, 200, json={"handle": handle}).json()
        self.say.expect(active["status"] == "active", "the connection is active")
        self.say.note(
            f"refreshable {active['refreshable']}, token expires {active['tokenExpiresAt'] or 'unknown'}"
        )
        again = self.call("POST", path, 200, json={"handle": handle}).json()
        self.say.expect(again["id"] == active["id"], "a repeated exchange gets the same answer")
        return active

    def records_later(self, connection_id: str) -> None:
        self.say.step("Everything, asynchronously")
        path = f"/v1/connections/{connection_id}/records"
        accepted = self.call("POST", path, 202, headers={"Prefer": "respond-async"})
        status_url = urlsplit(accepted.headers["Content-Location"]).path
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        polls = 0
        while (answer := self.get(status_url)).status_code == 202 and time.monotonic() < deadline:
            polls += 1
            time.sleep(min(float(answer.headers["Retry-After"]), 1))
        self.say.note(f"asked {polls} times: {answer.status_code}")
        self.say.expect(answer.status_code == 200, "the manifest is there")
        manifest = answer.json()
        self.say.step("The files, by FHIR type")
        resources = self.download(manifest)
        self.tell(resources)
        self.ledger(manifest)

    def download(self, manifest: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for file in manifest["output"] + manifest["error"]:
            signed = self.get(urlsplit(file["url"]).path)
            text = httpx.get(signed.headers["Location"], trust_env=False).text
            self.requests += 1
            lines = [json.loads(line) for line in text.splitlines()]
            if len(lines) != file["count"] or any(line["resourceType"] != file["type"] for line in lines):
                raise Differs(f"{file['type']}: the file is not what the manifest says")
            found[file["type"]] = lines
        total = sum(len(lines) for lines in found.values())
        self.say.expect(
            total > 0, f"{len(found)} files with {total} resources, counts and types as the manifest says"
        )
        return found

    def tell(self, resources: dict[str, list[dict[str, Any]]]) -> None:
        for patient in resources.get("Patient", []):
            name = patient["name"][0]
            self.say.note(f"This is {' '.join(name['given'])} {name['family']}, born {patient['birthDate']}.")
            if self.sandboxed:
                mine = (
                    name["family"] == self.patient.family and patient["birthDate"] == self.patient.birth_date
                )
                self.say.expect(mine, "it is the person who logged in")
        conditions = [
            c["code"].get("text") or c["code"]["coding"][0]["display"] for c in resources.get("Condition", [])
        ]
        if conditions:
            self.say.note(f"Conditions: {', '.join(dict.fromkeys(conditions))}")
        claims = Counter(
            claim["type"]["coding"][0]["code"] for claim in resources.get("ExplanationOfBenefit", [])
        )
        if claims:
            self.say.note(f"Claims: {', '.join(f'{count} {kind}' for kind, count in claims.most_common())}")

    def ledger(self, manifest: dict[str, Any]) -> None:
        outcomes = {entry["resource"]: entry for entry in manifest["extension"]["ledger"]}
        self.say.expect(len(outcomes) == 16, "the ledger accounts for all 16 kinds of record")
        for outcome in ("returned", "empty", "failed"):
            names = [
                f"{n} {e['count'] or ''}".strip() for n, e in outcomes.items() if e["outcome"] == outcome
            ]
            if names:
                self.say.note(f"{outcome}: {', '.join(names)}")

    def records_now(self, connection_id: str, title: str) -> None:
        self.say.step(title)
        path = f"/v1/connections/{connection_id}/records"
        bundle = self.call("POST", path, 200, json={"resources": list(self.few)}).json()
        types = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
        self.say.note(", ".join(f"{count} {type_}" for type_, count in types.items()))
        self.say.expect(bundle["type"] == "collection" and types["Patient"] == 1, "one Bundle, one patient")

    def refresh(self, connection_id: str) -> None:
        self.say.step("Eleven hours later the portal's token is dead")
        self.call("POST", "/_local/clock", 200, json={"advance": ELEVEN_HOURS})
        before = self.world.outside.count("refresh")
        self.records_now(connection_id, "The same records again: refreshed on the way, and nobody was asked")
        self.say.expect(
            self.world.outside.count("refresh") == before + 1, "exactly one refresh reached the portal"
        )
        connection = self.call("GET", f"/v1/connections/{connection_id}", 200).json()
        self.say.expect(connection["status"] == "active", "the connection is still active")

    def disconnect(self, connection_id: str) -> None:
        self.say.step("The patient disconnects")
        self.call("DELETE", f"/v1/connections/{connection_id}", 204)
        self.call("GET", f"/v1/connections/{connection_id}", 404)
        self.say.expect(True, "tokens, files and retrievals are gone")

    def call(self, method: str, path: str, status: int, **given: Any) -> httpx.Response:
        answer = self.http.request(method, path, **given)
        self.requests += 1
        self.say.request(method, path, answer.status_code)
        if answer.status_code != status:
            raise Differs(f"{method} {path} answered {answer.status_code}, not {status}: {answer.text}")
        return answer

    def get(self, path: str) -> httpx.Response:
        self.requests += 1
        return self.http.get(path)


def _summary(world: World, transcript: Transcript, requests: int) -> None:
    transcript.title("What it took")
    calls: Counter[str] = Counter()
    for call, count in world.aws_calls().items():
        calls[call.service] += count
    transcript.note(f"{requests} requests by apps and browsers, {transcript.steps} steps")
    transcript.note("AWS calls by the functions: " + ", ".join(f"{s} {n}" for s, n in calls.most_common()))
    transcript.note("Everything above held. `make run` keeps such a world up for you.")


def _shown(url: str) -> str:
    """One-time secrets of this very run, shortened: a transcript may be kept."""
    return _SECRET.sub(lambda found: found[0][: len(found[1]) + 6] + "…", url)
