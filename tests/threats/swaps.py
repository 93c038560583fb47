"""The ways in which A could have B's browser finish what A began, played one by one, and told as a table.

`python -m tests.threats.swaps` writes the table into docs/security.md. In here A is an attacker with an ordinary
account in the same app, B the patient whose records A wants.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sandbox.browser import Browser, Stuck
from sandbox.outside import Outside, PortalInfo
from tests.journey.app import (
    App,
    BoundBrowser,
    Link,
    Returned,
    problem_fragment,
    signed_in_up_to_the_callback,
    slug,
)

VICTIM, ATTACKER = "maria.alvarez", "james.okafor"
WRONG = "W" * 43
DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- swaps: begin -->", "<!-- swaps: end -->"


@dataclass(frozen=True)
class Stage:
    """A and B with their apps, and a portal that uses PKCE."""

    a: App
    b: App
    portal: PortalInfo
    outside: Outside

    def told_to_a(self, link: Link, handle: str | None = None) -> str:
        """What A's app learns when it asks for the connection to be finished."""
        answer = link.exchange(handle or WRONG)
        reason = answer.json()["detail"] if answer.status_code == 410 else ""
        return f"{slug(answer)} {reason}".strip() if answer.status_code != 200 else "active"


@dataclass(frozen=True)
class Swap:
    """One attack: what A does, what becomes of it, and what the two are told."""

    does: str
    comes: str
    to_a: str
    to_b: str
    play: Callable[[Stage], tuple[str, str]]
    open: str = ""
    """Why it is not stopped, if it is not."""


def _forwarded_before(stage: Stage) -> tuple[str, str]:
    link = stage.a.started(stage.portal)
    with Browser() as browser:
        back = Returned.parse(browser.sign_in(link.authorization_url, VICTIM, until=stage.b.return_url))
    told_to_b = slug(stage.b.exchange(back.connection, back.handle or ""))
    return stage.told_to_a(link), told_to_b


def _forwarded_after(stage: Stage) -> tuple[str, str]:
    link = stage.a.started(stage.portal)
    BoundBrowser(link)
    with Browser() as browser:
        told = problem_fragment(browser.open(link.authorization_url))
    return stage.told_to_a(link), told


def _redirector_forwarded(stage: Stage) -> tuple[str, str]:
    link = stage.a.started(stage.portal)
    bound = BoundBrowser(link)
    with Browser() as browser:
        callback = browser.sign_in(bound.launched.headers["location"], VICTIM, until=bound.callback)
        told = problem_fragment(browser.open(callback))
    return stage.told_to_a(link), told


def _portal_forwarded(stage: Stage) -> tuple[str, str]:
    link = stage.a.started(stage.portal)
    outbound = BoundBrowser(link).launched.headers["location"]
    login = parse_qs(urlsplit(outbound).query)["portalURL"][0]
    with Browser() as browser:
        try:
            browser.sign_in(login, VICTIM, until=stage.b.return_url)
        except Stuck:
            return stage.told_to_a(link), "the redirector's page"
    return stage.told_to_a(link), "nothing"


def _finished_callback_forwarded(stage: Stage) -> tuple[str, str]:
    link = stage.a.started(stage.portal)
    mine, callback = signed_in_up_to_the_callback(link, ATTACKER)
    with Browser() as browser:
        told = problem_fragment(browser.open(callback))
    back = Returned.parse(mine.open(callback, until=stage.a.return_url).url)
    return stage.told_to_a(link, back.handle), told


def _return_url_forwarded(stage: Stage) -> tuple[str, str]:
    link = stage.a.authorized(stage.portal, ATTACKER)
    told = slug(stage.b.exchange(link.id, link.handle or ""))
    return stage.told_to_a(link, link.handle), told


def _handle_stolen(stage: Stage) -> tuple[str, str]:
    link = stage.b.authorized(stage.portal, VICTIM)
    told_to_a = slug(stage.a.exchange(link.id, link.handle or ""))
    answer = link.exchange()
    return told_to_a, f"{slug(answer)} {answer.json()['detail']}"


def _code_injected(stage: Stage) -> tuple[str, str]:
    theirs = stage.b.started(stage.portal)
    browser, callback = signed_in_up_to_the_callback(theirs, VICTIM)
    link = stage.a.started(stage.portal)
    back = Returned.parse(BoundBrowser(link).comes_back(urlsplit(callback).query).headers["location"])
    told_to_a = stage.told_to_a(link, back.handle)
    home = Returned.parse(browser.open(callback, until=stage.b.return_url).url)
    done = theirs.exchange(home.handle)
    return told_to_a, "active" if done.status_code == 200 else slug(done)


def _answer_handed_over(stage: Stage) -> tuple[str, str]:
    link = stage.a.started(stage.portal)
    bound = BoundBrowser(link)
    with Browser() as browser:
        callback = browser.sign_in(bound.launched.headers["location"], VICTIM, until=bound.callback)
        told = problem_fragment(browser.open(callback))
    back = Returned.parse(bound.comes_back(urlsplit(callback).query).headers["location"])
    return stage.told_to_a(link, back.handle), told


SWAPS = {
    "launch link forwarded before A opens it": Swap(
        "sends B the launch link, unopened",
        "B's browser is bound; the handle lands in B's app, under B's login, and burns the attempt",
        "gone Reason: burned.", "not-found", _forwarded_before,
    ),
    "launch link forwarded after A opened it": Swap(
        "opens the launch link, then sends it to B",
        "B's browser has no cookie of this attempt: refused at the launch",
        "not-authorized-yet", "wrong_browser", _forwarded_after,
    ),
    "redirector link forwarded": Swap(
        "opens the launch link and sends B where it leads to",
        "B logs in and comes back without the cookie: nothing is kept, nothing changes",
        "not-authorized-yet", "wrong_browser", _redirector_forwarded,
    ),
    "portal link forwarded": Swap(
        "sends B the portal's own login address out of the redirector's link",
        "B logs in, and the redirector does not know where to: B's answer never comes here",
        "not-authorized-yet", "the redirector's page", _portal_forwarded,
    ),
    "finished callback forwarded (login CSRF)": Swap(
        "logs in and sends B the callback address, so that B would use A's records as B's own",
        "B's browser has no cookie of this attempt: nothing changes, A's own login goes on",
        "active", "wrong_browser", _finished_callback_forwarded,
    ),
    "return URL forwarded": Swap(
        "finishes the login and sends B's app the return URL, handle and all",
        "the handle does not go with B's access token: the attempt burns",
        "gone Reason: burned.", "not-found", _return_url_forwarded,
    ),
    "handle stolen": Swap(
        "gets hold of B's own return URL (an app that took over the link, a shoulder)",
        "the handle does not go with A's access token: B's attempt burns, and B starts again",
        "not-found", "gone Reason: burned.", _handle_stolen,
    ),
    "code injected": Swap(
        "gets hold of the code of B's own login and puts it into A's own callback",
        "with PKCE the portal refuses it: it was not made for A's verifier; B's login goes on",
        "authorization-rejected", "active", _code_injected,
    ),
    "redirector link forwarded and B's answer handed over": Swap(
        "sends B the redirector's link **and** gets B's answer (the whole callback address) out of B's browser",
        "nothing in B's browser changes, but the answer was made for A's attempt and A's browser may bring it",
        "active", "wrong_browser", _answer_handed_over,
        open="A needs B's address bar, or a redirector that sends answers to A's own host (*What is open*). "
        "`IdentityCheck=match` holds the connection back: A has nothing",
    ),
}  # fmt: skip


def table() -> str:
    """The matrix as docs/security.md has it."""
    lines = [
        "| | A ... | what comes of it | A is told | B is told | A gets B's records |",
        "|--|--|--|--|--|--|",
    ]
    for number, swap in enumerate(SWAPS.values(), 1):
        gets = f"**yes**: {swap.open}" if swap.open else "no"
        lines.append(f"| {number} | {swap.does} | {swap.comes} | {swap.to_a} | {swap.to_b} | {gets} |")
    return "\n".join(lines)


def documented() -> str:
    """The matrix that stands in docs/security.md."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")


if __name__ == "__main__":
    main()
