"""What patients have granted: one-use codes, access tokens, refresh tokens and their rotation.

The portals issue codes after a consent; the integrator redeems them on its clients' behalf.
"""

import base64
import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass, field

from sandbox.clock import Clock
from sandbox.onerecord.catalog import Endpoint
from sandbox.onerecord.scenarios import Scenario


class Rejected(Exception):
    """The portal's token endpoint refuses, in OAuth's own words."""

    def __init__(self, description: str, error: str = "invalid_grant") -> None:
        super().__init__(description)
        self.error, self.description = error, description


@dataclass(frozen=True)
class Challenge:
    """PKCE as the authorization request brought it."""

    method: str
    value: str

    def meets(self, verifier: str | None) -> bool:
        if not verifier:
            return False
        if self.method == "plain":
            return secrets.compare_digest(verifier.encode(), self.value.encode())
        digest = hashlib.sha256(verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.value


@dataclass
class Grant:
    """One patient's consent at one portal, and every token that came of it."""

    endpoint_id: str
    username: str
    patient_id: str
    needs_patient_id: bool
    shares_demographics: bool
    revoked: bool = False
    access: dict[str, float] = field(default_factory=dict)
    refresh_token: str | None = None
    spent: dict[str, float] = field(default_factory=dict)


@dataclass
class _Code:
    grant: Grant
    challenge: Challenge | None
    state: str | None
    good_until: float
    used: bool = False


@dataclass(frozen=True)
class Issued:
    """What the portal's token endpoint hands out."""

    grant: Grant
    access_token: str
    refresh_token: str | None


class Grants:
    """All codes and grants of the sandbox's portals."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._by_access: dict[str, Grant] = {}
        self._by_refresh: dict[str, Grant] = {}

    def issue_code(
        self, grant: Grant, scenario: Scenario, challenge: Challenge | None, state: str | None
    ) -> str:
        """A code for a consent that was given; `state` is what the portal sends back with it."""
        code = _CODE_FORMS[scenario.code_form]()
        self._codes[code] = _Code(grant, challenge, state, self._clock.now() + scenario.code_seconds)
        return code

    def redeem(
        self, endpoint: Endpoint, scenario: Scenario, code: str, verifier: str | None, state: str | None
    ) -> Issued:
        """Exchange a code once, at the endpoint where it was issued, with its verifier and its state."""
        held = self._codes.get(code)
        if held is None or held.grant.endpoint_id != endpoint.id:
            raise Rejected("The authorization code is unknown.")
        if held.used:
            raise Rejected("The authorization code was already used.")
        if self._clock.now() >= held.good_until:
            raise Rejected("The authorization code has expired.")
        if held.challenge and not held.challenge.meets(verifier):
            raise Rejected("The code verifier does not match the code challenge.")
        if held.state is not None and state != held.state and scenario.redirector != "strip-state":
            raise Rejected("The state does not match.", "invalid_request")
        held.used = True
        return self._issue(held.grant, scenario, first=True)

    def refresh(self, endpoint: Endpoint, scenario: Scenario, token: str) -> Issued:
        """A new access token; what becomes of the refresh token is the scenario's choice."""
        grant = self._by_refresh.get(token)
        if grant is None or grant.endpoint_id != endpoint.id or grant.revoked:
            raise Rejected("The refresh token is unknown, expired or revoked.")
        if token in grant.spent:
            graceful = self._clock.now() < grant.spent[token] + scenario.refresh_grace_seconds
            if not graceful:
                grant.revoked = grant.revoked or scenario.reuse_revokes_family
                raise Rejected("The refresh token was already used.")
        return self._issue(grant, scenario, first=False)

    def find(self, endpoint: Endpoint, access_token: str) -> Grant | None:
        """The grant behind a live access token of this endpoint."""
        grant = self._by_access.get(access_token)
        if grant is None or grant.revoked or grant.endpoint_id != endpoint.id:
            return None
        return grant if self._clock.now() < grant.access[access_token] else None

    def expire_tokens(self, endpoint_id: str) -> int:
        """End every access token of an endpoint now; refresh tokens stay good. Says how many grants."""
        return sum(self._end(grant) for grant in self._of(endpoint_id))

    def revoke(self, endpoint_id: str) -> int:
        """Withdraw every consent at an endpoint, as a patient does in the portal's own settings."""
        found = self._of(endpoint_id)
        for grant in found:
            grant.revoked = True
        return len(found)

    def _issue(self, grant: Grant, scenario: Scenario, *, first: bool) -> Issued:
        access_token = _access_token(grant, scenario)
        grant.access[access_token] = self._clock.now() + scenario.token_seconds
        self._by_access[access_token] = grant
        if first:
            shown = None if scenario.refresh == "none" else self._new_refresh_token(grant)
        elif scenario.refresh == "rotating":
            if grant.refresh_token:
                grant.spent.setdefault(grant.refresh_token, self._clock.now())
            shown = self._new_refresh_token(grant)
        else:
            shown = {"static": grant.refresh_token, "empty": ""}.get(scenario.refresh)
        return Issued(grant, access_token, shown)

    def _new_refresh_token(self, grant: Grant) -> str:
        token = str(uuid.uuid4())
        grant.refresh_token = token
        self._by_refresh[token] = grant
        return token

    def _of(self, endpoint_id: str) -> list[Grant]:
        every = {id(grant): grant for grant in self._by_access.values()}.values()
        return [grant for grant in every if endpoint_id in ("*", grant.endpoint_id)]

    def _end(self, grant: Grant) -> int:
        grant.access = dict.fromkeys(grant.access, 0.0)
        return 1


def _access_token(grant: Grant, scenario: Scenario) -> str:
    if scenario.patient_id != "in-token":
        return str(uuid.uuid4())
    claims = {"sub": grant.username, "patient": grant.patient_id, "jti": uuid.uuid4().hex}
    return ".".join((_part({"alg": "RS256", "typ": "JWT"}), _part(claims), secrets.token_urlsafe(256)))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


_CODE_FORMS = {
    "short": lambda: secrets.token_urlsafe(18),
    "jwt": lambda: f"{_part({'alg': 'RS256'})}.{secrets.token_urlsafe(320)}.{secrets.token_urlsafe(256)}",
    "longest": lambda: secrets.token_urlsafe(1125),
}
