"""A headless patient: keeps cookies, follows redirects, fills the portals' forms, decides.

The demo and the tests use it in a real browser's place; like a browser it shares cookies between ports.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from sandbox.records import ACCOUNTS


class Stuck(Exception):
    """A page came that leads nowhere; its text says why."""


@dataclass
class Form:
    """The first form of a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Page:
    """Where the browser is now. Status 0: arrived at an address that was not to be opened."""

    url: str
    status: int = 0
    text: str = ""
    form: Form | None = None


class Browser:
    """One browser profile; `visited` lists every hop as (status, address)."""

    def __init__(self, *, hops: int = 20) -> None:
        self._client = httpx.Client(timeout=20, trust_env=False, verify=False)
        self._hops = hops
        self.visited: list[tuple[int, str]] = []

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def sign_in(
        self,
        url: str,
        username: str,
        *,
        until: str,
        password: str | None = None,
        decision: str = "allow",
        withhold: bool = False,
    ) -> str:
        """The whole way from a link through login and consent to an address that begins with `until`."""
        password = ACCOUNTS[username].password if password is None else password
        page = self.open(url, until=until)
        while page.status:
            if page.form is None:
                raise Stuck(page.text)
            if "username" in page.form.fields:
                filled = {"username": username, "password": password}
            else:
                filled = {"decision": decision, **({"withhold": "demographics"} if withhold else {})}
            before, page = page, self.submit(page, filled, until=until)
            if (
                page.form
                and before.form
                and "username" in before.form.fields
                and "username" in page.form.fields
            ):
                raise Stuck(page.text)
        return page.url

    def open(self, url: str, *, until: str = "\0") -> Page:
        """Open an address and follow redirects."""
        return self._follow(self._client.build_request("GET", url), until)

    def submit(self, page: Page, filled: dict[str, str], *, until: str = "\0") -> Page:
        """Send a page's form with these fields filled in."""
        if page.form is None:
            raise Stuck(page.text)
        kept = {name: value for name, value in page.form.fields.items() if value}
        action = urljoin(page.url, page.form.action)
        return self._follow(self._client.build_request("POST", action, data={**kept, **filled}), until)

    def _follow(self, request: httpx.Request, until: str) -> Page:
        for _ in range(self._hops):
            response = self._client.send(request)
            address = str(request.url)
            self.visited.append((response.status_code, address))
            if not response.is_redirect:
                return Page(address, response.status_code, response.text, _form(response.text))
            target = urljoin(address, response.headers["Location"])
            if target.startswith(until):
                return Page(target)
            request = self._client.build_request("GET", target)
        raise Stuck("too many redirects")


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form = Form(given.get("action", ""))
        if self.form is None or "name" not in given:
            return
        if tag == "input" and given.get("type") not in ("checkbox", "radio"):
            self.form.fields[given["name"]] = given.get("value", "")
        if tag == "button":
            self.form.buttons.add(given.get("value", ""))


def _form(text: str) -> Form | None:
    parser = _Forms()
    parser.feed(text)
    return parser.form
