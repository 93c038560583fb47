"""The portals' web server: authorization requests are checked, patients sign in and decide."""

import secrets
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from sandbox.clock import Clock
from sandbox.ledger import Ledger
from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.onerecord.scenarios import Scenario
from sandbox.onerecord.stage import Stage
from sandbox.portals import pages
from sandbox.portals.authorization import Asked, Refused, check
from sandbox.portals.grants import Grant, Grants
from sandbox.portals.people import SHOWN, patient_at, sign_in, usernames
from sandbox.records import ACCOUNTS

_LOGIN_SECONDS = 600
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; frame-ancestors 'none'",
}


@dataclass
class Login:
    """One authorization request on its way through sign-in and consent."""

    asked: Asked
    endpoint: Endpoint
    good_until: float
    username: str | None = None


class Portals:
    """Every portal of the directory, under /portal/{slug}/."""

    def __init__(self, catalog: Catalog, stage: Stage, grants: Grants, clock: Clock, ledger: Ledger) -> None:
        self._catalog, self._stage, self._grants = catalog, stage, grants
        self._clock, self._ledger = clock, ledger
        self._logins: dict[str, Login] = {}

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._ledger.watch("portals")], client_max_size=64 * 1024)
        app.router.add_get("/portal/{slug}/authorize", self._authorize, allow_head=False)
        app.router.add_post("/portal/{slug}/login", self._login)
        app.router.add_get("/portal/{slug}/consent", self._consent_page, allow_head=False)
        app.router.add_post("/portal/{slug}/consent", self._consent)
        return app

    # --- the authorization request ---

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        endpoint = self._endpoint(request, "authorize")
        query = request.raw_path.partition("?")[2]
        try:
            asked = check(self._catalog, endpoint, query)
        except Refused as refused:
            return self._refuse(endpoint, refused)
        transaction = secrets.token_urlsafe(24)
        self._logins[transaction] = Login(asked, endpoint, self._clock.now() + _LOGIN_SECONDS)
        return _html(pages.sign_in_page(endpoint, transaction, usernames()[:SHOWN]))

    def _refuse(self, endpoint: Endpoint, refused: Refused) -> web.StreamResponse:
        if refused.may_redirect and self._stage.scenario(endpoint).portal_error == "redirect":
            error = {
                "error": "invalid_request",
                "error_description": refused.description,
                "error_uri": f"{self._catalog.portals}/portal/{endpoint.slug}/help#invalid_request",
            }
            told = {"state": refused.state} if refused.state else {}
            return _redirect(self._catalog.redirect_uri(endpoint), {**error, **told})
        return _html(pages.problem_page(endpoint, "OAuth2 Error", refused.description))

    # --- the patient ---

    async def _login(self, request: web.Request) -> web.StreamResponse:
        endpoint = self._endpoint(request, "login")
        form = await request.post()
        transaction = str(form.get("transaction", ""))
        login = self._open_login(endpoint, transaction)
        if login is None:
            return _over(endpoint)
        username = str(form.get("username", "")).strip().lower()
        if sign_in(username, str(form.get("password", ""))) is None:
            problem = "The user name or the password is not right. Please try again."
            return _html(pages.sign_in_page(endpoint, transaction, usernames()[:SHOWN], problem))
        login.username = username
        location = f"/portal/{endpoint.slug}/consent?transaction={transaction}"
        return web.Response(status=303, headers={**_HEADERS, "Location": location})

    async def _consent_page(self, request: web.Request) -> web.StreamResponse:
        endpoint = self._endpoint(request, "consent-page")
        transaction = request.query.get("transaction", "")
        login = self._open_login(endpoint, transaction)
        if login is None or login.username is None:
            return _over(endpoint)
        return _html(pages.consent_page(endpoint, transaction, ACCOUNTS[login.username].patient.name))

    async def _consent(self, request: web.Request) -> web.StreamResponse:
        endpoint = self._endpoint(request, "consent")
        form = await request.post()
        transaction = str(form.get("transaction", ""))
        login = self._open_login(endpoint, transaction)
        if login is None or login.username is None or form.get("decision") not in ("allow", "deny"):
            return _over(endpoint)
        del self._logins[transaction]
        return self._outcome(
            login, login.username, allowed=form["decision"] == "allow", withhold="withhold" in form
        )

    def _outcome(self, login: Login, username: str, *, allowed: bool, withhold: bool) -> web.StreamResponse:
        endpoint, scenario = login.endpoint, self._stage.scenario(login.endpoint)
        if scenario.consent == "abandon":
            return _html(pages.problem_page(endpoint, "Thank you", "You can close this window now."))
        state = _returned_state(scenario, login.asked.state)
        told = {"state": state} if state else {}
        if not allowed:
            denied = {"error": "access_denied", "error_description": "The patient did not give consent."}
            return _redirect(login.asked.redirect_uri, {**denied, **told})
        if scenario.consent != "ask":
            error = scenario.consent.replace("-", "_")
            failed = {"error": error, "error_description": "The portal could not complete the request."}
            return _redirect(login.asked.redirect_uri, {**failed, **told})
        grant = Grant(
            endpoint.id,
            username,
            patient_at(endpoint, scenario, username).id,
            needs_patient_id=scenario.patient_id in ("given", "number"),
            shares_demographics=not withhold,
        )
        code = self._grants.issue_code(grant, scenario, login.asked.challenge, state)
        return _redirect(login.asked.redirect_uri, {"code": code, **told})

    def _endpoint(self, request: web.Request, operation: str) -> Endpoint:
        endpoint = self._catalog.by_slug(request.match_info["slug"])
        if endpoint is None:
            raise web.HTTPNotFound(text=pages.not_found_page(), content_type="text/html")
        self._ledger.entered(request, operation, endpoint.id)
        return endpoint

    def _open_login(self, endpoint: Endpoint, transaction: str) -> Login | None:
        login = self._logins.get(transaction)
        if login is None or login.endpoint is not endpoint or self._clock.now() >= login.good_until:
            return None
        return login


def _returned_state(scenario: Scenario, received: str | None) -> str | None:
    if scenario.portal_state == "missing":
        return None
    if scenario.portal_state == "changed":
        return secrets.token_hex(8)
    if scenario.portal_state == "added" and received is None:
        return secrets.token_hex(8)
    return received


def _html(page: str) -> web.Response:
    return web.Response(text=page, content_type="text/html", headers=_HEADERS)


def _over(endpoint: Endpoint) -> web.Response:
    text = "This sign-in is over. Please go back to your app and start again."
    return _html(pages.problem_page(endpoint, "Please start again", text))


def _redirect(base: str, parameters: dict[str, str]) -> web.Response:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return web.Response(status=302, headers={**_HEADERS, "Location": f"{base}?{query}"})
