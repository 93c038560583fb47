"""What each function does in its ordinary runs, as scenes: how it begins, who calls, and how one knows the end.

A scene ends well (`done`) or with a reason that somebody is told (`reason`), never both and never neither.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from portico.adapters.kms_sealer import KmsSealer
from portico.attempt import State
from portico.connection import Connection, Status
from portico.errors import KeyUnavailable
from portico.exchange import HeldCode
from portico.fetch import BundleWriter
from portico.ids import digest, new_secret, session_of
from portico.records_request import RecordsRequest
from portico.refresh import MOST_SENT, Renewal
from portico.retrieval import Retrieval
from portico.retrieval import Status as RetrievalStatus
from portico.sealing import code_of, tokens_of, transaction_of, verifier_of
from portico.secret import Secret
from portico.tokens import Tokens
from tests.faults.ground import VISIBILITY_SECONDS, Ground, Told, fresh_login
from tests.functions.answers import Json, with_body, with_query
from tests.functions.handlers import event
from tests.functions.patients import USERNAME
from tests.samples import NOW, attempt_of, fresh_id, pending
from tests.sandbox.client import Client

EXPIRED = {"token_expires_at": NOW - 1.0, "token_lifetime": 3600.0, "refreshed_at": NOW - 3601.0}


class Scene:
    """A function in one of its runs. Nothing lost: only the scenes of `may_end_so` may end with a reason."""

    function: str

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.last = Told(0, "never called")
        self.killed = False
        with ground.effects.aside():
            self.prepare()

    def prepare(self) -> None:
        """Brings the stores so far."""

    def request(self) -> Json:
        """What the function is called with."""
        raise NotImplementedError

    def call(self) -> Told:
        """Somebody calls."""
        self.last = self.ground.call(self.function, self.request())
        return self.last

    def peer(self) -> Told:
        """Somebody else calls meanwhile, and is not disturbed."""
        with self.ground.effects.aside():
            return self.ground.call(self.function, self.request())

    def settle(self) -> None:
        """The caller goes on as it is told to, and the queue brings what is due."""
        for _ in range(8):
            told = self.call()
            if not told.come_again:
                self.ground.later(60)
                return
            self.ground.later((told.retry_after or 0) + 1)
        raise AssertionError(f"still told to come again: {self.last}")

    def died(self) -> None:
        """The function is gone; it may take a while until somebody calls again."""
        self.killed = True

    def done(self) -> bool:
        """Everything is as it should be."""
        raise NotImplementedError

    def reason(self) -> str | None:
        """Why it came to nothing, in the words of whoever is told."""
        return None


SCENES: dict[str, type[Scene]] = {}


def scene(name: str) -> Callable[[type[Scene]], type[Scene]]:
    """Names a scene."""

    def named(kind: type[Scene]) -> type[Scene]:
        SCENES[name] = kind
        return kind

    return named


# --- finding and starting --------------------------------------------------------------------------


@scene("search_portals")
class Searching(Scene):
    function = "search_portals"

    def request(self) -> Json:
        return with_query(self.ground.http(self.function, "by_name"), q=self.ground.portal.id)

    def done(self) -> bool:
        return self.last.status == 200 and len(json.loads(self.last.answer["body"])["portals"]) == 1


class _Started(Scene):
    function = "start_connection"

    def open_attempts(self) -> list[State]:
        with self.ground.effects.aside():
            found, _ = self.ground.stores.attempts.open_of(self.ground.owner)
        return [attempt.state for attempt in found if attempt.is_open(self.ground.clock.now)]

    def done(self) -> bool:
        return self.last.status == 201 and self.open_attempts() == [State.CREATED]


@scene("start_connection")
class Starting(_Started):
    def request(self) -> Json:
        portal = {"portalId": self.ground.portal.id, "dataType": "clinical"}
        given = portal | {"returnUrl": "https://app.example.com/return"}
        return with_body(self.ground.http(self.function, "start"), given)


@scene("start_connection-reconnect")
class Reconnecting(_Started):
    def prepare(self) -> None:
        self.connection = self.ground.connected()

    def request(self) -> Json:
        return self.ground.http(self.function, "reconnect", id=self.connection.id)


# --- the browser -----------------------------------------------------------------------------------


class _AtTheBrowser(Scene):
    def prepare(self) -> None:
        self.ticket, self.cookie = (new_secret(self._random) for _ in range(2))
        self.session = session_of(self.ticket)
        stores = self.ground.stores
        connection = stores.put(pending(self.ground.owner, attempt=digest(self.session)))
        self.attempt = stores.put_attempt(
            attempt_of(connection, key=digest(self.session), expires_at=NOW + 900, **self.so_far())
        )

    def so_far(self) -> dict[str, Any]:
        return {"state": State.LAUNCHED, "cookie": digest(self.cookie)}

    @staticmethod
    def _random(count: int) -> bytes:
        return digest(fresh_id()).encode()[:count]

    def location(self) -> str:
        return str(self.last.answer.get("headers", {}).get("Location", ""))

    def now(self) -> Any:
        with self.ground.effects.aside():
            return self.ground.stores.attempts.get(self.attempt.key)


@scene("launch_connection")
class Launching(_AtTheBrowser):
    function = "launch_connection"

    def so_far(self) -> dict[str, Any]:
        return {"state": State.CREATED}

    def request(self) -> Json:
        return self.ground.http(self.function, "launch", ticket=self.ticket)

    def done(self) -> bool:
        if "/outbound/" not in self.location():
            return False
        (cookie,) = self.last.answer["cookies"]
        value = cookie.partition("=")[2].partition(";")[0]
        return self.now().state is State.LAUNCHED and self.now().cookie == digest(value)

    def reason(self) -> str | None:
        return self.location().rpartition("/connect/problem#")[2] if "/problem#" in self.location() else None


@scene("receive_callback")
class Returning(_AtTheBrowser):
    function = "receive_callback"

    def request(self) -> Json:
        request = self.ground.http(self.function, "code", session=self.session)
        return request | {"cookies": [f"portico-connect={self.cookie}"]}

    def done(self) -> bool:
        handle = self.location().rpartition("#handle=")[2]
        return self.now().state is State.CODE_HELD and self.now().handle == digest(handle)


@scene("receive_callback-declined")
class Declined(Returning):
    def request(self) -> Json:
        return super().request() | {"rawQueryString": "error=access_denied"}

    def done(self) -> bool:
        connection = self.ground.connection(self.attempt.connection_id)
        assert connection is not None
        return (self.now().state, connection.status, connection.reason) == (
            State.DECLINED,
            Status.CLOSED,
            "declined",
        )


# --- the exchange ----------------------------------------------------------------------------------


@scene("exchange_token")
class Exchanging(Scene):
    function = "exchange_token"

    def prepare(self) -> None:
        ground = self.ground
        client = Client(ground.outside)
        callback, verifier = client.authorize(ground.portal, USERNAME)
        client.http.close()
        self.code = callback["code"]
        self.handle = fresh_id()
        key = digest(fresh_id())
        connection = pending(ground.owner, portal_id=ground.portal.id, attempt=key)
        held = HeldCode(Secret(callback["code"]), callback.get("state"))
        self.attempt = attempt_of(
            connection,
            key=key,
            state=State.CODE_HELD,
            handle=digest(self.handle),
            codes=1,
            code_at=NOW,
            expires_at=NOW + 300,
            code=ground.sealer.prepare(code_of(key, 1)).close(held.to_bytes()),
            verifier=ground.sealer.prepare(verifier_of(key)).close(verifier.encode()) if verifier else None,
        )
        self.id = ground.stores.put(connection).id
        ground.stores.put_attempt(self.attempt)

    def request(self) -> Json:
        return with_body(self.ground.http(self.function, "exchange", id=self.id), {"handle": self.handle})

    @property
    def connection(self) -> Connection:
        stored = self.ground.connection(self.id)
        assert stored is not None
        return stored

    def state(self) -> State:
        with self.ground.effects.aside():
            stored = self.ground.stores.attempts.get(self.attempt.key)
        assert stored is not None
        return stored.state

    def done(self) -> bool:
        stored = self.connection
        if (stored.status, stored.generation) != (Status.ACTIVE, 1):
            return False
        return self.last.status == 200 and self.state() is State.CONNECTED and self.ground.honoured(stored)

    def reason(self) -> str | None:
        if self.connection.status is not Status.CLOSED or self.last.word not in (
            "gone",
            "authorization-rejected",
        ):
            return None
        assert self.connection.tokens is None
        return self.connection.reason


# --- records at once -------------------------------------------------------------------------------


class OverAConnection(Scene):
    """A scene with a connection that must come out of it alive: its tokens open, and the portal takes them."""

    so_far: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def prepare(self) -> None:
        self.before = self.ground.connected(**self.so_far)
        self.id = self.before.id

    @property
    def connection(self) -> Connection:
        stored = self.ground.connection(self.id)
        assert stored is not None
        return stored

    def alive(self) -> bool:
        stored = self.connection
        return stored.status is Status.ACTIVE and self.ground.honoured(stored)

    def refreshed(self) -> bool:
        """By how much the generation moved, it was for a refresh."""
        count = self.ground.outside.count("refresh", self.before.portal_id, 200)
        moved = self.connection.generation - self.before.generation
        return 1 <= moved <= count and self.connection.sent == 0


@scene("retrieve_records-at-once")
class AtOnce(OverAConnection):
    function = "retrieve_records"

    def request(self) -> Json:
        request = self.ground.http(self.function, "at_once", id=self.id)
        return with_body(request, {"resources": ["Patient"]})

    def done(self) -> bool:
        return self.last.status == 200 and self.alive()


@scene("retrieve_records-refreshing")
class AtOnceRefreshing(AtOnce):
    so_far = EXPIRED

    def done(self) -> bool:
        return super().done() and self.refreshed()


@scene("retrieve_records-rotating")
class AtOnceRotating(AtOnceRefreshing):
    """A portal that rotates strictly: only a reply that is lost between its arrival and the commit is lost."""

    def prepare(self) -> None:
        self.ground.outside.set_scenario(self.ground.portal.id, refresh="rotating")
        self.ground.login = lambda portal: fresh_login(self.ground.outside, portal)
        super().prepare()

    def reason(self) -> str | None:
        if self.connection.status is not Status.REAUTHORIZATION_REQUIRED:
            return None
        assert self.ground.tokens(self.connection).refresh is not None
        return self.connection.reason


@scene("retrieve_records-large")
class AtOnceLarge(AtOnce):
    def prepare(self) -> None:
        super().prepare()
        # From a kilobyte on it is large.
        _, *others = BundleWriter.__init__.__defaults__ or ()
        self.ground.monkeypatch.setattr(BundleWriter.__init__, "__defaults__", (1000, *others))

    def done(self) -> bool:
        if self.last.status != 303:
            return False
        rid = self.last.answer["headers"]["Location"].partition("/v1/retrievals/")[2].partition("/")[0]
        stored = self.ground.retrieval_now(rid)
        assert stored is not None
        assert stored.result is not None
        kept = {file.key for file in stored.result.files}
        last = self.connection.last_retrieval
        return kept <= self.ground.objects(stored.prefix) and last is not None and last["id"] == rid


# --- records later ---------------------------------------------------------------------------------


@scene("retrieve_records-later")
class Later(OverAConnection):
    function = "retrieve_records"

    def request(self) -> Json:
        return self.ground.http(self.function, "later", id=self.id)

    def done(self) -> bool:
        with self.ground.effects.aside():
            known = self.ground.stores.retrievals.of_connection(self.id)
        return self.last.status == 202 and [self.ground.execution(rid) for rid in known] == ["RUNNING"]


class _OverARetrieval(OverAConnection):
    filter = RecordsRequest(("Patient",))

    def prepare(self) -> None:
        super().prepare()
        self.rid = self.ground.retrieval(self.before, request=self.filter).id

    def request(self) -> Json:
        return event(self.function, "retrieval") | {"retrievalId": self.rid}  # type: ignore[no-any-return]

    @property
    def retrieval(self) -> Retrieval:
        stored = self.ground.retrieval_now(self.rid)
        assert stored is not None
        return stored


@scene("begin_retrieval")
class Beginning(_OverARetrieval):
    function = "begin_retrieval"

    def done(self) -> bool:
        stored = self.retrieval
        if self.last.word != "running" or stored.transaction is None:
            return False
        with self.ground.effects.aside():
            ids = json.loads(self.ground.sealer.open(transaction_of(self.rid), stored.transaction))
        return len(ids) == 1 and stored.status is RetrievalStatus.RUNNING


@scene("begin_retrieval-refreshing")
class BeginningRefreshing(Beginning):
    so_far = EXPIRED

    def done(self) -> bool:
        return super().done() and self.refreshed()


class _Polling(_OverARetrieval):
    function = "poll_retrieval"

    def prepare(self) -> None:
        super().prepare()
        assert self.ground.call("begin_retrieval", {"retrievalId": self.rid}).word == "running"


@scene("poll_retrieval-waiting")
class Waiting(_Polling):
    def prepare(self) -> None:
        self.ground.outside.set_scenario(async_seconds=9999)
        super().prepare()

    def done(self) -> bool:
        return self.last.word == "running" and self.retrieval.polls >= 1


@scene("poll_retrieval")
class Taking(_Polling):
    def done(self) -> bool:
        stored = self.retrieval
        if self.last.word != "completed" or stored.status is not RetrievalStatus.COMPLETED:
            return False
        assert stored.result is not None
        kept = {file.key for file in stored.result.files}
        last = self.connection.last_retrieval
        assert self.killed or not self.ground.uploads(stored.prefix), "an upload that nobody ends"
        return bool(kept) and kept <= self.ground.objects(stored.prefix) and last is not None


@scene("poll_retrieval-in-parts")
class TakingInParts(Taking):
    """A result that goes up in several parts."""

    filter = RecordsRequest(("DocumentReference",))

    def prepare(self) -> None:
        self.ground.monkeypatch.setattr("portico.adapters.results_bucket.PART_BYTES", 400_000)
        self.ground.monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
        self.ground.outside.set_scenario(attachment_megabytes=1)
        super().prepare()


@scene("finish_retrieval")
class Finishing(_OverARetrieval):
    function = "finish_retrieval"

    def prepare(self) -> None:
        super().prepare()
        key = f"{self.retrieval.prefix}/half"
        self.ground.stores.backend.client("s3").put_object(
            Bucket=self.ground.stores.backend.bucket, Key=key, Body=b"half"
        )

    def request(self) -> Json:
        return {"retrievalId": self.rid, "error": "States.Timeout"}

    def done(self) -> bool:
        stored = self.retrieval
        gone = not self.ground.objects(stored.prefix)
        ended = (stored.status, stored.reason, self.last.word) == (
            RetrievalStatus.FAILED,
            "timeout",
            "failed",
        )
        return ended and gone


# --- reading and ending ----------------------------------------------------------------------------


class _OverAResult(_OverARetrieval):
    def prepare(self) -> None:
        super().prepare()
        for function in ("begin_retrieval", "poll_retrieval"):
            self.ground.call(function, {"retrievalId": self.rid})
        assert self.retrieval.status is RetrievalStatus.COMPLETED


@scene("read_retrieval")
class Reading(_OverAResult):
    function = "read_retrieval"

    def request(self) -> Json:
        return self.ground.http(self.function, "read", rid=self.rid)

    def done(self) -> bool:
        return self.last.status == 200


@scene("read_retrieval-file")
class ReadingAFile(_OverAResult):
    function = "read_retrieval"

    def request(self) -> Json:
        return self.ground.http(self.function, "file", rid=self.rid, name="Patient.ndjson")

    def done(self) -> bool:
        return self.last.status == 302


@scene("read_retrieval-cancel")
class Cancelling(_OverARetrieval):
    function = "read_retrieval"

    def prepare(self) -> None:
        super().prepare()
        self.prefix = self.retrieval.prefix
        states = self.ground.stores.backend
        states.client("stepfunctions").start_execution(stateMachineArn=states.state_machine, name=self.rid)

    def request(self) -> Json:
        return self.ground.http(self.function, "cancel", rid=self.rid)

    def done(self) -> bool:
        stopped = self.ground.execution(self.rid) == "ABORTED"
        gone = self.ground.retrieval_now(self.rid) is None and not self.ground.objects(self.prefix)
        return gone and stopped and self.last.status in (202, 404)


@scene("manage_connections-list")
class Listing(OverAConnection):
    function = "manage_connections"

    def request(self) -> Json:
        return self.ground.http(self.function, "list")

    def done(self) -> bool:
        shown = json.loads(self.last.answer.get("body", "{}")).get("connections", [])
        return [one["id"] for one in shown] == [self.id]


@scene("manage_connections-read")
class ReadingOne(OverAConnection):
    function = "manage_connections"

    def request(self) -> Json:
        return self.ground.http(self.function, "read", id=self.id)

    def done(self) -> bool:
        return self.last.status == 200


class _Deleted(_OverAResult):
    def prepare(self) -> None:
        super().prepare()
        self.prefix = self.retrieval.prefix
        self.schedule()

    def schedule(self) -> None:
        backend = self.ground.stores.backend
        backend.client("scheduler").create_schedule(
            Name=self.id,
            GroupName=backend.schedule_group,
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": backend.queue_arn, "RoleArn": backend.scheduler_role, "Input": "{}"},
        )

    def scheduled(self) -> bool:
        backend = self.ground.stores.backend
        found = backend.client("scheduler").list_schedules(
            GroupName=backend.schedule_group, NamePrefix=self.id
        )
        return bool(found["Schedules"])

    def gone(self) -> bool:
        rest = self.ground.connection(self.id), self.ground.retrieval_now(self.rid)
        buried = self.ground.objects(f"tombstones/{self.id}")
        return (
            rest == (None, None)
            and not self.ground.objects(self.prefix)
            and not self.scheduled()
            and bool(buried)
        )


@scene("manage_connections-delete")
class Deleting(_Deleted):
    function = "manage_connections"

    def request(self) -> Json:
        return self.ground.http(self.function, "delete", id=self.id)

    def done(self) -> bool:
        return self.gone() and self.last.status in (204, 404)


@scene("erase_user")
class Erasing(_Deleted):
    function = "erase_user"

    def request(self) -> Json:
        return event(self.function, "erase") | {"subject": self.ground.subject}  # type: ignore[no-any-return]

    def done(self) -> bool:
        return self.gone() and self.last.word == "complete"


@scene("apply_tombstones")
class Burying(_Deleted):
    function = "apply_tombstones"

    def prepare(self) -> None:
        super().prepare()
        backend = self.ground.stores.backend
        for key in self.ground.objects("tombstones/"):
            backend.client("s3").delete_object(Bucket=backend.bucket, Key=key)
        backend.client("s3").put_object(Bucket=backend.bucket, Key=f"tombstones/{self.id}", Body=b"")

    def request(self) -> Json:
        return event(self.function, "all")  # type: ignore[no-any-return]

    def done(self) -> bool:
        return self.gone() and self.last.word == "complete"


@scene("rewrap_tokens")
class Rewrapping(OverAConnection):
    function = "rewrap_tokens"

    def prepare(self) -> None:
        super().prepare()
        # The only connection: a sweep goes through all of them.
        backend = self.ground.stores.backend
        for row in backend.client("dynamodb").scan(TableName=backend.connections)["Items"]:
            if row["id"]["S"] != self.id:
                backend.client("dynamodb").delete_item(TableName=backend.connections, Key={"id": row["id"]})
        self.ground.settings = {"TOKENS_KEY": backend.new_key(), "PREVIOUS_TOKENS_KEY": backend.key}

    def request(self) -> Json:
        return event(self.function, "all")  # type: ignore[no-any-return]

    def done(self) -> bool:
        place, key = tokens_of(self.id, self.connection.generation), self.ground.settings["TOKENS_KEY"]
        try:
            with self.ground.effects.aside():
                opened = KmsSealer(key).open(place, self.connection.tokens or b"")
        except KeyUnavailable:
            return False  # still under the key before
        return self.last.word == "complete" and bool(Tokens.from_bytes(opened).refresh)


# --- the refresh queue -----------------------------------------------------------------------------


class _Message(OverAConnection):
    function = "refresh_connection"

    def message(self) -> Json:
        """What the queue brings."""
        raise NotImplementedError

    def died(self) -> None:
        super().died()
        self.ground.later(VISIBILITY_SECONDS)

    def request(self) -> Json:
        (record,) = event(self.function, "retry")["Records"]
        return {"Records": [record | {"body": json.dumps(self.message())}]}


@scene("refresh_connection-retry")
class Retrying(_Message):
    so_far = EXPIRED | {"sent": 1}

    def settle(self) -> None:
        super().settle()
        if self.connection.sent >= MOST_SENT:
            # Enough by itself: the next use goes on.
            request = self.ground.http("retrieve_records", "at_once", id=self.id)
            self.ground.call("retrieve_records", with_body(request, {"resources": ["Patient"]}))

    def message(self) -> Json:
        return {"kind": "retry", "connectionId": self.id, "generation": self.before.generation}

    def done(self) -> bool:
        return self.last.word == "taken" and self.alive() and self.refreshed()


@scene("refresh_connection-keep-alive")
class KeepingAlive(_Message):
    so_far = {"refreshed_at": NOW - 90_000.0}  # noqa: RUF012 - never changed

    def message(self) -> Json:
        return {"kind": "keep-alive", "connectionId": self.id}

    def done(self) -> bool:
        return self.last.word == "taken" and self.alive() and self.refreshed()


@scene("refresh_connection-over")
class NoLongerAlive(_Deleted):
    function = "refresh_connection"

    def prepare(self) -> None:
        super().prepare()
        self.ground.stores.connections.delete(self.before)

    def request(self) -> Json:
        (record,) = event(self.function, "retry")["Records"]
        return {"Records": [record | {"body": json.dumps({"kind": "keep-alive", "connectionId": self.id})}]}

    def done(self) -> bool:
        return self.last.word == "taken" and not self.scheduled()


@scene("refresh_connection-parked")
class Parked(_Message):
    def prepare(self) -> None:
        super().prepare()
        old = self.ground.tokens(self.before)
        generation = self.before.generation + 1
        newer = Tokens(old.access, Secret("the newer refresh token"), old.patient_id)
        seal = self.ground.sealer.prepare(tokens_of(self.id, generation))
        self.renewal = Renewal(seal.close(newer.to_bytes()), generation, NOW, NOW + 3600, 3600.0, True)

    def message(self) -> Json:
        kept = asdict(self.renewal) | {"tokens": b64encode(self.renewal.tokens).decode()}
        return {"kind": "parked", "connectionId": self.id, "renewal": kept}

    def done(self) -> bool:
        refresh = self.ground.tokens(self.connection).refresh
        return (
            self.last.word == "taken"
            and refresh is not None
            and refresh.reveal() == "the newer refresh token"
        )


def begun(name: str, ground: Ground) -> Scene:
    """A scene whose stores are prepared."""
    return SCENES[name](ground)
