"""The app's side of the public contract, and its user's browser. Nothing here knows how Portico works inside.

Each answer that passes through is held to what every answer promises, and each secret that is seen is kept,
so that the logs can be searched for it afterwards.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from sandbox.browser import Browser, Page
from sandbox.outside import PortalInfo
from sandbox.world.world import World

PATIENT = "james.okafor"
seen: set[str] = set()
"""Every secret that any app or browser of this process has come across."""


def held_to_the_contract(answer: httpx.Response) -> None:
    """What every answer of our functions promises; the authorizer's own refusals are API Gateway's."""
    if answer.status_code in (401, 403):
        return
    assert answer.headers["cache-control"] == "no-store", answer.request.url
    if answer.status_code >= 400:
        answer.read()
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        problem = answer.json()
        assert set(problem) == {"type", "title", "status", "detail", "instance"}
        assert problem["status"] == answer.status_code
        assert re.fullmatch(r"https?://\S+/problems/[a-z-]+", problem["type"])
        assert problem["title"] and problem["detail"] and problem["instance"]
        assert answer.status_code not in (429, 503) or int(answer.headers["retry-after"]) >= 1


def slug(answer: httpx.Response) -> str:
    """The kind of a problem."""
    return str(answer.json()["type"]).rpartition("/problems/")[2]


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and kind of a refusal."""
    return answer.status_code, slug(answer)


@dataclass(frozen=True)
class Returned:
    """What the browser brought back to the app's return URL."""

    connection: str
    status: str
    handle: str | None

    @classmethod
    def parse(cls, url: str) -> Self:
        parts = urlsplit(url)
        query, fragment = parse_qs(parts.query), parse_qs(parts.fragment)
        handle = fragment.get("handle", [None])[0]
        if handle:
            seen.add(handle)
        return cls(query["connection"][0], query["status"][0], handle)


@dataclass
class Link:
    """A connection as the app knows it, with the portal behind it."""

    app: "App"
    portal: PortalInfo
    id: str
    authorization_url: str
    handle: str | None = None

    def exchange(self, handle: str | None = None) -> httpx.Response:
        return self.app.exchange(self.id, handle or self.handle or "")

    def read(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.app.get(f"/v1/connections/{self.id}").json()
        return shown

    @property
    def status(self) -> tuple[str, str | None]:
        shown = self.read()
        return shown["status"], shown.get("reason")

    def fetch(self, *resources: str) -> httpx.Response:
        return self.app.records(self.id, *resources)

    def begin(self, *resources: str, params: Mapping[str, Any] | None = None) -> httpx.Response:
        return self.app.records(self.id, *resources, later=True, params=params)

    def retrieve(self, *resources: str, params: Mapping[str, Any] | None = None) -> httpx.Response:
        """Starts a retrieval and waits for its end."""
        begun = self.begin(*resources, params=params)
        assert begun.status_code == 202, begun.text
        return self.app.outcome(begun.headers["content-location"])


@dataclass
class App:
    """The app in the hands of one user; its return URL is the local patient app's unless told otherwise."""

    api: str
    token: str
    return_url: str = ""
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        seen.add(self.token)
        self.return_url = self.return_url or f"{self.api}/app/"
        self.http = httpx.Client(
            base_url=self.api,
            timeout=60,
            trust_env=False,
            headers={"Authorization": f"Bearer {self.token}"},
            event_hooks={"response": [held_to_the_contract]},
        )

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self.http.get(path, params=parameters or None)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body, headers=headers)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path)

    # --- connecting ---

    def search(self, data_type: str, **parameters: str) -> httpx.Response:
        return self.get(f"/v1/portals/{data_type}", **parameters)

    def start(self, portal: PortalInfo) -> httpx.Response:
        body = {"portalId": portal.id, "dataType": portal.data_type, "returnUrl": self.return_url}
        return self.post("/v1/connections", body)

    def started(self, portal: PortalInfo) -> Link:
        begun = self.start(portal)
        assert begun.status_code == 201, begun.text
        return self._link(portal, begun)

    def reconnect(self, link: Link) -> Link:
        begun = self.post(f"/v1/connections/{link.id}/reconnect", {"returnUrl": self.return_url})
        assert begun.status_code == 201, begun.text
        return self._link(link.portal, begun)

    def _link(self, portal: PortalInfo, begun: httpx.Response) -> Link:
        shown = begun.json()
        seen.add(shown["authorizationUrl"].rpartition("/")[2])
        return Link(self, portal, shown["id"], shown["authorizationUrl"])

    def come_back(self, link: Link, username: str = PATIENT, **choices: Any) -> Returned:
        """The user's browser goes the whole way from the launch link to the return URL."""
        with Browser() as browser:
            back = browser.sign_in(link.authorization_url, username, until=self.return_url, **choices)
            _remember(browser)
        returned = Returned.parse(back)
        link.handle = returned.handle
        return returned

    def authorized(self, portal: PortalInfo, username: str = PATIENT) -> Link:
        """Signed in, with the handle in hand and not yet exchanged."""
        link = self.started(portal)
        assert self.come_back(link, username).status == "authorized"
        return link

    def connected(self, portal: PortalInfo, username: str = PATIENT) -> Link:
        link = self.authorized(portal, username)
        done = link.exchange()
        assert done.status_code == 200, done.text
        return link

    def exchange(self, connection: str, handle: str) -> httpx.Response:
        return self.post(f"/v1/connections/{connection}/token", {"handle": handle})

    # --- records ---

    def records(
        self,
        connection: str,
        *resources: str,
        later: bool = False,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        body: dict[str, Any] = {}
        if resources:
            body["resources"] = list(resources)
        if params is not None:
            body["params"] = params
        headers = {"Prefer": "respond-async"} if later else {}
        return self.post(f"/v1/connections/{connection}/records", body, **headers)

    def outcome(self, url: str, seconds: float = 30) -> httpx.Response:
        """Asks until the retrieval is over; each answer before must be a proper one for waiting."""
        return wait_for(lambda: self._if_over(url), seconds, f"{url} is still running")

    def _if_over(self, url: str) -> httpx.Response | None:
        answer = self.http.get(url)
        if answer.status_code != 202:
            return answer
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["x-progress"]
        assert answer.json()["status"] == "running"
        return None

    def file(self, url: str) -> list[bytes]:
        """The lines of a file, the way a client reads them: our address, then the signed one without a token."""
        answer = self.http.get(url)
        assert answer.status_code == 302, answer.text
        seen.add(answer.headers["location"].partition("?")[2])
        stored = httpx.get(answer.headers["location"], trust_env=False)
        assert stored.status_code == 200, stored.text
        assert stored.headers["content-encoding"] == "gzip"
        return stored.content.splitlines()


class BoundBrowser:
    """A browser that has opened a launch link and stands before the portal; it may forge what comes back."""

    def __init__(self, link: Link) -> None:
        self.http = httpx.Client(timeout=30, trust_env=False)
        self.launched = self.http.get(link.authorization_url)
        assert self.launched.status_code == 303, self.launched.text
        self.callback = callback_of(self.launched.headers["location"])
        seen.add(self.callback.rpartition("/")[2])
        self.cookies = dict(self.launched.cookies)
        seen.update(self.cookies.values())

    def comes_back(self, query: str, **headers: str) -> httpx.Response:
        return self.http.get(f"{self.callback}?{query}", headers=headers)

    def brings_code(self, code: str | None = None) -> Returned:
        """A code that no portal has issued: enough for everything up to the exchange."""
        code = code or f"code-{secrets.token_urlsafe(24)}"
        seen.add(code)
        answer = self.comes_back(f"code={code}")
        assert answer.status_code == 303, answer.text
        return Returned.parse(answer.headers["location"])


def callback_of(outbound: str) -> str:
    """The address of ours that a redirector URL sends the browser back to."""
    return parse_qs(urlsplit(outbound).query)["clientURL"][0]


def signed_in_up_to_the_callback(link: Link, username: str = PATIENT) -> tuple[Browser, str]:
    """A browser that the portal has just sent back, and the callback URL that it has not opened yet."""
    browser = Browser()
    callback = urljoin(link.app.api, "/oauth/callback/")
    url = browser.sign_in(link.authorization_url, username, until=callback)
    _remember(browser)
    _remember_url(url)
    return browser, url


def _remember(browser: Browser) -> None:
    for _, url in browser.visited:
        _remember_url(url)


def _remember_url(url: str) -> None:
    parts = urlsplit(url)
    if "/oauth/callback/" in parts.path or "/connect/" in parts.path:
        seen.add(parts.path.rpartition("/")[2])
    query = parse_qs(parts.query)
    for name in ("code", "state", "code_challenge"):
        seen.update(query.get(name, []))


def problem_fragment(page: Page | httpx.Response) -> str:
    """Which explanation the browser was sent to."""
    if isinstance(page, httpx.Response):
        assert page.status_code == 303, f"{page.status_code} for {page.request.url}"
    url = page.url if isinstance(page, Page) else page.headers["location"]
    assert urlsplit(url).path == "/connect/problem", url
    return urlsplit(url).fragment


def wait_for[T](look: Callable[[], T | None], seconds: float = 20, what: str = "it did not happen") -> T:
    """Looks again and again until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(what)


def tables(world: World) -> Iterator[str]:
    """The stack's tables by name."""
    for name in ("Attempts", "Connections", "Retrievals"):
        yield world.stack.outputs[f"{name}TableName"]
