"""Where faults are tried: functions as Lambda loads them over moto's stores, OneRecord over real sockets."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest

from portico.adapters.kms_sealer import KmsSealer
from portico.connection import Connection
from portico.errors import PorticoError
from portico.ids import owner_of
from portico.retrieval import Retrieval
from portico.sealing import tokens_of
from portico.tokens import TokenReply, Tokens
from sandbox.outside import Outside, PortalInfo
from tests.adapters.stores import HeldClock, Stores
from tests.faults.effects import Effects
from tests.functions import handlers
from tests.functions.answers import Json
from tests.functions.handlers import Function, event
from tests.samples import NOW, PORTAL, active, fresh_id, fresh_owner, retrieval_of
from tests.sandbox.client import Client, Connected

ISSUER = "https://login.example.com"
VISIBILITY_SECONDS = 150
"""After which the queue brings a message again that a function did not take."""
SOON = 0.4
"""The total deadline of a call of the vendor, in seconds."""


@dataclass(frozen=True)
class Told:
    """What the caller is told: status and slug over HTTP; of a task or a message its word, or its error's name."""

    status: int
    word: str
    retry_after: int | None = None
    answer: Json = field(default_factory=dict, compare=False)

    @property
    def come_again(self) -> bool:
        """Whether the caller is asked to try again."""
        return self.retry_after is not None

    def __str__(self) -> str:
        return f"{self.status} {self.word}"


@dataclass
class Ground:
    """One test's ground. Its user has no other connections, and its clock moves only when it is told to."""

    stores: Stores
    outside: Outside
    effects: Effects
    monkeypatch: pytest.MonkeyPatch
    login: Callable[[PortalInfo], Connected]
    subject: str = field(default_factory=fresh_owner)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def clock(self) -> HeldClock:
        return self.stores.clock

    @property
    def owner(self) -> str:
        return owner_of(ISSUER, self.subject)

    @cached_property
    def portal(self) -> PortalInfo:
        return self.outside.portal("cerner")

    @property
    def sealer(self) -> KmsSealer:
        return KmsSealer(self.stores.backend.key)

    # --- calling -----------------------------------------------------------------------------------

    def call(self, function: str, request: Json) -> Told:
        """What a freshly started function answers."""
        return told(self.load(function), request)

    def load(self, function: str) -> Function:
        """A function that was just started."""
        urls = {
            "DIRECTORY_URL": self.outside.urls.directory,
            "INTEGRATOR_URL": self.outside.urls.integrator,
            "REDIRECTOR_HOSTS": self.outside.urls.redirector.partition("://")[2],
            "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
        }
        return handlers.load(function, self.stores.backend, self.monkeypatch, **urls | self.settings)

    def http(self, function: str, case: str, **parameters: str) -> Json:
        """A kept request of this test's user, for another thing."""
        request = event(function, case)
        if "authorizer" in request["requestContext"]:
            request["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = self.subject
        for name, value in parameters.items():
            old = request["pathParameters"][name]
            request["pathParameters"][name] = value
            for place in (request, request["requestContext"]["http"]):
                key = "rawPath" if "rawPath" in place else "path"
                place[key] = place[key].replace(old, value)
        return dict(request)

    def deliver(self) -> None:
        """Every message of the refresh queue that is due by now comes, and once more later if it is refused."""
        due = [sent for sent in self.effects.sent if sent[0] <= self.clock.now]
        for sent in due:
            self.effects.sent.remove(sent)
            if self.call("refresh_connection", sqs(sent[1])).come_again:
                self.effects.sent.append((self.clock.now + VISIBILITY_SECONDS, sent[1]))

    def later(self, seconds: float) -> None:
        """Time passes, and the queue brings what falls due."""
        end = self.clock.now + seconds
        while coming := [at for at, _ in self.effects.sent if at <= end]:
            self.clock.now = max(self.clock.now, min(coming))
            self.deliver()
        self.clock.now = end

    # --- what is stored ----------------------------------------------------------------------------

    def connected(self, **changes: Any) -> Connection:
        """An active connection of this user, with tokens that the portal honours."""
        reply = TokenReply.parse(self.login(self.portal).reply, self.portal.id)
        shown = PORTAL | {"id": self.portal.id, "name": self.portal.name, "dataType": self.portal.data_type}
        lasting = {"token_expires_at": NOW + 3600, "refreshed_at": NOW, "portal_id": self.portal.id}
        connection = active(self.owner, portal=shown, **lasting | changes)
        seal = self.sealer.prepare(tokens_of(connection.id, connection.generation))
        return self.stores.put(replace(connection, tokens=seal.close(reply.first().to_bytes())))

    def retrieval(self, connection: Connection, **changes: Any) -> Retrieval:
        """A running retrieval, as it is stored when it was asked for."""
        retrieval = retrieval_of(connection, prefix=f"results/{fresh_id()}", **changes)
        return self.stores.retrievals.start(retrieval)

    def connection(self, connection_id: str) -> Connection | None:
        with self.effects.aside():
            return self.stores.connections.get(connection_id)

    def tokens(self, connection: Connection) -> Tokens:
        """What is under the seal of a connection."""
        with self.effects.aside():
            place = tokens_of(connection.id, connection.generation)
            return Tokens.from_bytes(self.sealer.open(place, connection.tokens or b""))

    def honoured(self, connection: Connection) -> bool:
        """Whether the portal takes the access token that is stored."""
        endpoint = self.outside.catalog.get(connection.portal_id)
        assert endpoint is not None
        return self.outside.grants.find(endpoint, self.tokens(connection).access.reveal()) is not None

    def retrieval_now(self, retrieval_id: str) -> Retrieval | None:
        with self.effects.aside():
            return self.stores.retrievals.get(retrieval_id)

    def execution(self, retrieval_id: str) -> str | None:
        """The state of a retrieval's workflow, None when it was never started."""
        machine = self.stores.backend.state_machine.replace(":stateMachine:", ":execution:")
        states = self.stores.backend.client("stepfunctions")
        try:
            return str(states.describe_execution(executionArn=f"{machine}:{retrieval_id}")["status"])
        except states.exceptions.ExecutionDoesNotExist:
            return None

    def objects(self, prefix: str) -> set[str]:
        """The keys under a prefix of the results bucket."""
        bucket = self.stores.backend.bucket
        with self.effects.aside():
            found = self.stores.backend.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        return {row["Key"] for row in found.get("Contents", [])}

    def uploads(self, prefix: str) -> int:
        """Multipart uploads under a prefix that nobody completed or aborted."""
        with self.effects.aside():
            found = self.stores.backend.client("s3").list_multipart_uploads(Bucket=self.stores.backend.bucket)
        return sum(upload["Key"].startswith(prefix) for upload in found.get("Uploads", []))


def a_login(outside: Outside) -> Callable[[PortalInfo], Connected]:
    """Logs in once a portal: static tokens serve any number of tests."""
    known: dict[str, Connected] = {}

    def login(portal: PortalInfo) -> Connected:
        """The same every time."""
        if portal.id not in known:
            known[portal.id] = fresh_login(outside, portal)
        return known[portal.id]

    return login


def fresh_login(outside: Outside, portal: PortalInfo) -> Connected:
    client = Client(outside)
    try:
        return client.connect(portal)
    finally:
        client.http.close()


def sqs(message: Json) -> Json:
    """A message as the refresh queue brings it."""
    kept = event("refresh_connection", "retry")
    (record,) = kept["Records"]
    return {"Records": [record | {"body": json.dumps(message)}]}


def told(function: Function, request: Json) -> Told:
    """An answer, or the error that escaped, in the caller's terms."""
    try:
        answer = function(request)
    except PorticoError as error:
        again = getattr(error, "retry_after", None)
        return Told(0, type(error).__name__, again)
    if "batchItemFailures" in answer:
        refused = bool(answer["batchItemFailures"])
        return Told(
            0 if refused else 200, "again" if refused else "taken", VISIBILITY_SECONDS if refused else None
        )
    if "statusCode" not in answer:
        return Told(
            200, str(answer.get("status", "complete" if answer.get("complete") else "")), None, answer
        )
    headers = answer["headers"]
    again = int(headers["Retry-After"]) if answer["statusCode"] >= 400 and "Retry-After" in headers else None
    slug = ""
    if answer["statusCode"] >= 400:
        slug = json.loads(answer["body"])["type"].rpartition("/")[2]
    return Told(answer["statusCode"], slug, again, answer)
