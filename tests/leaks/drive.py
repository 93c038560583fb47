"""Everything that can happen, played once: each kind of portal, each fault of each call, bad input, the end.

Nothing is judged here: the answers only have to be there, so that what they are made of can be searched.
"""

import json
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from sandbox.outside import Outside, PortalInfo
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, BoundBrowser, Link, wait_for
from tests.leaks.canaries import Canaries
from tests.leaks.plants import OTHER_PATIENT, PATIENT, overheard_at_the_portals

PERSONAS = ("epic", "cerner", "bluebutton", "no-refresh", "patient-in-token", "plain-pkce", "refuses-patient")
FAULTS: dict[str, tuple[str, ...]] = {
    "search": ("429", "500", "401", "html", "reset"),
    "token": ("400", "401", "403", "429", "500", "401-error-data", "html", "malformed", "wrong-type", "truncated"),
    "refresh": ("400", "403", "429", "500", "401-error-data", "html", "null", "wrong-type", "reset-mid-body"),
    "fetch": ("400", "401", "403", "404", "429", "500", "html", "invalid-utf8", "not-a-number", "deep", "truncated",
              "duplicate-keys", "redirect"),
    "start": ("400", "401", "403", "429", "500", "html"),
    "retrieve": ("400", "403", "500", "html", "malformed", "invalid-utf8", "deep", "truncated"),
}  # fmt: skip


class Drive:
    """Users whose every field is a canary, over the running world."""

    def __init__(self, world: World, canaries: Canaries) -> None:
        self.world, self.canaries, self.outside = world, canaries, world.outside

    def app(self) -> App:
        subject, family, born = (self.canaries.new(kind) for kind in ("subject", "name", "name"))
        token = self.world.token(
            subject, claims={"family_name": family, "birthdate": born, "email": f"{family}@x.org"}
        )
        self.canaries.add("JWT", token, token.rpartition(".")[2], token.split(".")[1])
        app = App(self.world.api, token)
        # Also what should not be is to be looked through.
        app.http.event_hooks = {"response": []}
        return app

    def connected(self, persona: str, username: str = PATIENT) -> Link:
        return self.app().connected(self.outside.portal(persona), username)


def everything(world: World, canaries: Canaries) -> None:
    """Plays all of it; the canaries that the portals have made up are gathered at the end."""
    drive = Drive(world, canaries)
    world.outside.reset()
    world.outside.set_scenario(async_seconds=0.05)
    for persona in PERSONAS:
        _journey(drive, persona)
    _unhappy_ends(drive)
    _faults(drive)
    _bad_input(drive)
    _broken_seal(drive)
    _identity_check(drive)
    _the_end_of_an_account(drive)
    overheard_at_the_portals(world, canaries)
    world.outside.reset()


def _journey(drive: Drive, persona: str) -> None:
    """Connect, records both ways, refresh, files, reconnect, disconnect."""
    app, portal = drive.app(), drive.outside.portal(persona)
    app.search(portal.data_type, q=portal.name)
    link = app.connected(portal, PATIENT)
    link.exchange()
    link.fetch()
    done = link.retrieve()
    for file in done.json()["output"][:3] + done.json()["error"]:
        app.file(file["url"])
    drive.outside.expire_tokens(portal.id)
    link.fetch("Patient", "Coverage")
    if persona in ("epic", "bluebutton"):
        _reconnect(link)
    if persona != "cerner":
        app.delete(f"/v1/connections/{link.id}")
        app.get(done.url.path)


def _reconnect(link: Link) -> None:
    for username in (OTHER_PATIENT, PATIENT):
        again = link.app.reconnect(link)
        link.app.come_back(again, username)
        again.exchange()


def _unhappy_ends(drive: Drive) -> None:
    """Logins that come to nothing, consents withdrawn, retrievals that fail, in all the vendor's ways."""
    outside = drive.outside
    app = drive.app()
    app.come_back(app.started(outside.portal("always-failing")), PATIENT)
    app.come_back(app.started(outside.portal("cerner")), PATIENT, decision="deny")
    stolen = app.authorized(outside.portal("epic"), PATIENT)
    drive.app().exchange(stolen.id, stolen.handle or "")
    stolen.exchange()
    for mode in ("added", "changed"):
        portal = outside.portal("cerner")
        outside.set_scenario(portal.id, portal_state=mode)
        app = drive.app()
        app.come_back(app.started(portal), PATIENT) if mode == "added" else _turned_away(app, portal)
        outside.set_scenario(portal.id, portal_state="echo")
    for outcome in ("error", "500", "gone"):
        link = drive.connected("bluebutton")
        outside.set_scenario(link.portal.id, async_outcome=outcome)
        _retrieved(link, "Coverage")
        outside.set_scenario(link.portal.id, async_outcome="data")
    link = drive.connected("cerner")
    outside.set_scenario(link.portal.id, failing=("Condition",), withheld=("Immunization",), operation_outcome=True,
                         next_link=True)  # fmt: skip
    link.fetch()
    link.retrieve()
    outside.set_scenario(link.portal.id, failing=(), withheld=(), operation_outcome=False, next_link=False)
    outside.set_scenario(link.portal.id, async_outcome="never")
    running = link.begin("Patient")
    link.app.delete(httpx.URL(running.headers["content-location"]).path)
    outside.set_scenario(link.portal.id, async_outcome="data")
    outside.revoke_grants(link.portal.id)
    link.fetch("Patient")
    link.begin("Patient")


def _turned_away(app: App, portal: PortalInfo) -> None:
    """The browser ends on the problem page, as the portal's state came back another."""
    browser = BoundBrowser(app.started(portal))
    browser.comes_back("code=abc&state=another")


def _faults(drive: Drive) -> None:
    """One connection meets everything; each answer of the vendor's has the patient's data or canary words in it."""
    outside = drive.outside
    for answer in FAULTS["search"]:
        outside.set_scenario(faults=[_fault("search", answer)])
        drive.app().search("clinical", q=drive.canaries.new("subject")[:12])
        outside.set_scenario(faults=[])
    for answer in FAULTS["token"]:
        link = drive.app().authorized(outside.portal("cerner"), PATIENT)
        _with(outside, link, "token", answer, link.exchange)
    link = drive.connected("bluebutton")
    for operation in ("fetch", "start", "retrieve"):
        for answer in FAULTS[operation]:
            if link.status != ("active", None):
                link = drive.connected("bluebutton")
            act = link.fetch if operation == "fetch" else partial(_retrieved, link)
            _with(outside, link, operation, answer, partial(act, "Coverage"))
    for answer in FAULTS["refresh"]:
        link = drive.connected("epic")
        outside.expire_tokens(link.portal.id)
        _with(outside, link, "refresh", answer, partial(link.fetch, "Patient"))
    for operation in ("fetch", "refresh"):
        _with(outside, link, operation, "401", partial(link.fetch, "Patient"))


def _retrieved(link: Link, resource: str) -> None:
    """A retrieval to its end, or the refusal to begin one."""
    begun = link.begin(resource)
    if begun.status_code == 202:
        link.app.outcome(begun.headers["content-location"])


def _with(outside: Outside, link: Link, operation: str, answer: str, act: Any) -> None:
    outside.set_scenario(link.portal.id, faults=[_fault(operation, answer)])
    act()
    outside.set_scenario(link.portal.id, faults=[])


def _fault(operation: str, answer: str) -> dict[str, Any]:
    return {"operation": operation, "answer": answer, "calls": 2}


def _bad_input(drive: Drive) -> None:
    """What a careless or hostile caller sends where it does not belong: secrets as ids, names as words to search."""
    new, api = drive.canaries.new, drive.world.api
    link = drive.app().authorized(drive.outside.portal("cerner"), PATIENT)
    app, handle = link.app, link.handle or ""
    for text in (
        new("access token"),
        new("name"),
        f"{new('FHIR content')}\r\nX: {new('name')}",
        new("handle", 43),
    ):
        part = quote(text)
        app.search("clinical", q=text)
        app.search(part)
        app.get("/v1/connections", cursor=text)
        app.get(f"/v1/connections/{part}")
        app.get(f"/v1/retrievals/{part}/files/{part}")
        app.exchange(link.id, text)
        app.post("/v1/connections", {"portalId": text, "dataType": "clinical", "returnUrl": app.return_url})
        app.post("/v1/connections", {"portalId": "x", "dataType": text, "returnUrl": text})
        app.post(f"/v1/connections/{link.id}/records", {"resources": [text], "params": {"fromTime": text}})
        app.http.post("/v1/connections", content=f'{{"portalId": "{text}", ')
        app.http.get("/v1/connections", headers={"X-Forwarded-Host": text[:20], "User-Agent": text[:20]})
    httpx.get(f"{api}/v1/connections", headers={"Authorization": f"Bearer {new('JWT')}"}, trust_env=False)
    app.exchange(link.id, handle)
    started = app.started(drive.outside.portal("plain-pkce"))
    browser = BoundBrowser(started)
    for query in (
        f"code={new('code')}&error={new('code')}",
        f"code={new('code')}%0D%0A{new('code')}",
        f"code={new('code')}&state={new('state')}&state={new('state')}",
        f"error=access_denied{new('code')}&error_description={new('name')}",
    ):
        httpx.get(f"{browser.callback}?{query}", trust_env=False)
        browser.comes_back(query)
    again = drive.app().started(drive.outside.portal("epic"))
    httpx.get(again.authorization_url, headers={"Sec-Purpose": "prefetch"}, trust_env=False)
    bound = BoundBrowser(again)
    httpx.get(
        again.authorization_url, headers={"Cookie": f"portico-connect={new('cookie', 43)}"}, trust_env=False
    )
    bound.brings_code(drive.canaries.new("code"))
    httpx.get(f"{api}/connect/problem?code={new('code')}", trust_env=False)


def _broken_seal(drive: Drive) -> None:
    """Tokens of one connection put into another: whatever opens them is not to be talked about."""
    one, two = (drive.connected("epic") for _ in range(2))
    items = [elapsed.stored(drive.world, "Connections", link.id) for link in (one, two)]
    assert items[0] and items[1]
    table = drive.world.stack.outputs["ConnectionsTableName"]
    drive.world.aws("dynamodb").put_item(TableName=table, Item=items[0] | {"tokens": items[1]["tokens"]})
    one.fetch("Patient")
    _retrieved(one, "Patient")


def _identity_check(drive: Drive) -> None:
    """With the check on, a patient with another name than the user's."""
    functions, name = drive.world.aws("lambda"), _function(drive.world, "exchange_token")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    on = {"Variables": before["Variables"] | {"IDENTITY_CHECK": "match"}}
    functions.update_function_configuration(FunctionName=name, Environment=on)
    link = drive.app().authorized(drive.outside.portal("epic"), PATIENT)
    link.exchange()
    link.fetch("Patient")
    functions.update_function_configuration(FunctionName=name, Environment=before)


def _the_end_of_an_account(drive: Drive) -> None:
    subject = drive.canaries.new("subject")
    app = App(drive.world.api, drive.world.token(subject))
    app.connected(drive.outside.portal("epic"), PATIENT).retrieve("Patient")
    for function, event in (
        ("erase_user", {"issuer": drive.world.urls.issuer, "subject": subject}),
        ("erase_user", {"issuer": drive.world.urls.issuer, "name": drive.canaries.new("name")}),
        ("rewrap_tokens", {}),
        ("apply_tombstones", {}),
    ):
        name = _function(drive.world, function)
        drive.world.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read()


def _function(world: World, folder: str) -> str:
    return world.stack.physical_ids[next(n for n, known in world.stack.folders.items() if known == folder)]


def settled(world: World) -> None:
    """No workflow is under way any more."""
    machine = world.stack.outputs["StateMachineArn"]
    running = world.aws("stepfunctions").list_executions

    def over() -> bool | None:
        return not running(stateMachineArn=machine, statusFilter="RUNNING")["executions"] or None

    wait_for(over, what="a workflow is still running")
