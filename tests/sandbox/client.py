"""A plain client of the sandbox's OneRecord, written from the vendor's guide alone."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import httpx

from sandbox.browser import Browser
from sandbox.outside import Outside, PortalInfo

CLIENT_URL = "http://127.0.0.1:9/oauth/callback/Yk3-session"


@dataclass
class Connected:
    """A portal that was connected, and the token reply that came of it."""

    portal: PortalInfo
    username: str
    reply: dict[str, Any]
    callback: dict[str, str] = field(default_factory=dict)

    @property
    def asking(self) -> dict[str, Any]:
        """The fields of a query for this patient's records."""
        known = {"patientId": str(self.reply["patId"])} if self.reply.get("patId") else {}
        return {**known, "oauthToken": self.reply["token"]}


class Client:
    """The vendor's operations, one method each."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        headers = {"Authorization": f"Bearer {outside.settings.device_token}"}
        self.http = httpx.Client(headers=headers, timeout=20, trust_env=False, verify=False)
        self._fhir = f"{outside.urls.integrator}/integrator/v1/fhir"

    def search(self, data_type: str, term: str = "") -> list[dict[str, Any]]:
        path = f"/directory/v1/client/endpoint/{data_type}/search/{quote(term, safe='')}"
        reply = self.http.get(self.outside.urls.directory + path)
        assert reply.status_code == 200, reply.text
        rows: list[dict[str, Any]] = reply.json()
        return rows

    def row(self, portal: PortalInfo) -> dict[str, Any]:
        return self.search(portal.data_type, portal.id)[0]

    def authorization_url(
        self, row: dict[str, Any], *, client_url: str = CLIENT_URL
    ) -> tuple[str, str | None]:
        """The address to send the patient to, and the verifier when the portal wants PKCE."""
        before, _, nested = row["redirectUri"].partition("portalURL=")
        portal_url, verifier = unquote(nested), None
        method = query_of(row["derivedAuthUri"]).get("code_challenge_method")
        if method is not None:
            verifier = secrets.token_urlsafe(64)
            portal_url += f"&code_challenge={challenge_of(verifier, method)}"
            if "code_challenge_method=" not in portal_url:
                portal_url += f"&code_challenge_method={method}"
        nested = quote(portal_url, safe="")
        return f"{before}portalURL={nested}&clientURL={quote(client_url, safe='')}", verifier

    def authorize(
        self, portal: PortalInfo, username: str = "james.okafor", **how: Any
    ) -> tuple[dict[str, str], str | None]:
        """Log in at a portal and decide; what the client's address was given, and the verifier."""
        url, verifier = self.authorization_url(self.row(portal))
        with Browser() as browser:
            arrived = browser.sign_in(url, username, until=CLIENT_URL, **how)
        return query_of(arrived), verifier

    def connect(self, portal: PortalInfo, username: str = "james.okafor", **how: Any) -> Connected:
        callback, verifier = self.authorize(portal, username, **how)
        reply = self.exchange(portal.id, callback, verifier)
        assert reply.status_code == 200, reply.text
        return Connected(portal, username, reply.json(), callback)

    def exchange(self, endpoint_id: str, callback: dict[str, str], verifier: str | None) -> httpx.Response:
        body = {"authorizationCode": callback["code"]}
        body |= {"state": callback["state"]} if "state" in callback else {}
        body |= {"authorizationCodeVerifier": verifier} if verifier else {}
        return self.http.post(f"{self._fhir}/auth/{endpoint_id}/token", json=body)

    def refresh(self, endpoint_id: str, refresh_token: str) -> httpx.Response:
        return self.http.post(f"{self._fhir}/auth/{endpoint_id}/token", json={"refreshToken": refresh_token})

    def fetch(self, connected: Connected, **body: Any) -> httpx.Response:
        url = f"{self._fhir}/resources/{connected.portal.id}"
        return self.http.post(url, json={**connected.asking, **body})

    def start(self, connected: Connected, **body: Any) -> httpx.Response:
        url = f"{self._fhir}/async/resources/{connected.portal.id}"
        return self.http.post(url, json={**connected.asking, **body})

    def retrieve(self, transaction_id: str, **extra: Any) -> httpx.Response:
        return self.http.get(f"{self._fhir}/cache/retrieve/{transaction_id}", **extra)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def challenge_of(verifier: str, method: str) -> str:
    if method == "plain":
        return verifier
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def resources_of(payload: Any) -> list[dict[str, Any]]:
    """Every resource of a payload that is a Bundle, nested Bundles, an array or an object of arrays."""
    if isinstance(payload, list):
        return [resource for one in payload for resource in resources_of(one)]
    if payload.get("resourceType") == "Bundle":
        return [one for entry in payload.get("entry", []) for one in resources_of(entry["resource"])]
    if "resourceType" in payload:
        return [payload]
    return [resource for group in payload.values() for resource in resources_of(group)]
