"""Which authorization requests a portal accepts: its client, its return address, its PKCE, nothing altered."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.portals.grants import Challenge

_SINGLE = (
    "client_id",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
)
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True)
class Asked:
    """A request that was accepted."""

    redirect_uri: str
    state: str | None
    challenge: Challenge | None


class Refused(Exception):
    """The request is wrong; `may_redirect` when client and return address themselves were right."""

    def __init__(self, description: str, *, may_redirect: bool = True, state: str | None = None) -> None:
        super().__init__(description)
        self.description, self.may_redirect, self.state = description, may_redirect, state


def check(catalog: Catalog, endpoint: Endpoint, query: str) -> Asked:
    """Accept a request by its raw query, or raise Refused."""
    pairs = parse_qsl(query, keep_blank_values=True)
    names, given = [name for name, _ in pairs], dict(pairs)
    if any(names.count(name) > 1 for name in _SINGLE):
        raise Refused("A parameter was given more than once.", may_redirect=False)
    if given.get("client_id") != endpoint.client_id:
        raise Refused("The application is not registered here.", may_redirect=False)
    if given.get("redirect_uri") != catalog.redirect_uri(endpoint):
        raise Refused("The return address is not registered here.", may_redirect=False)
    state = given.get("state") or None
    try:
        if given.get("response_type") != "code":
            raise Refused("The response type must be code.")
        if endpoint.strict_query and _without_pkce(query) != catalog.authorize_query(endpoint):
            raise Refused("The request was altered on its way.")
        return Asked(given["redirect_uri"], state, _challenge(endpoint, given))
    except Refused as refused:
        refused.state = state
        raise


def _challenge(endpoint: Endpoint, given: dict[str, str]) -> Challenge | None:
    """PKCE as this portal wants it; a challenge nobody asked for is kept to as well (RFC 7636)."""
    value, method = given.get("code_challenge", ""), given.get("code_challenge_method")
    wanted = endpoint.usable_method
    if wanted is None and not value:
        return None
    if wanted == "":
        raise Refused("The code challenge method is not available.")
    if not value:
        raise Refused("A code challenge is required.")
    meant = _meant_method(endpoint, method)
    if wanted is not None and meant != wanted:
        raise Refused(f"The code challenge method must be {wanted}.")
    if not (_PLAIN if meant == "plain" else _S256).fullmatch(value):
        raise Refused("The code challenge is malformed.")
    return Challenge(meant, value)


def _meant_method(endpoint: Endpoint, method: str | None) -> str:
    if method is None:
        return "plain"
    if method == "" and endpoint.challenge_method == "":
        return "S256"
    return "S256" if method.upper() == "S256" else method


def _without_pkce(query: str) -> str:
    return "&".join(part for part in query.split("&") if not part.startswith("code_challenge"))
