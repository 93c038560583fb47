"""A little world for the domain: clock, randomness, seals, tables with conditional writes, a portal, a bucket.

Each is a small real implementation. Whatever reaches out takes two steps of `Effects`, one before it happens
and one after, so that a test can crash, fail or let somebody else run at every point between two effects.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from portico import pkce
from portico.attempt import OPEN, Attempt, State
from portico.connection import Connection, ConnectionPage
from portico.connection import Status as ConnectionStatus
from portico.directory import Portal
from portico.errors import Cancelled, Conflict, PortalRejected, SealBroken
from portico.exchange import Activation
from portico.records_request import RecordsRequest
from portico.refresh import Failure, Renewal
from portico.retrieval import File, Result, Retrieval, Status
from portico.sealing import Place
from portico.secret import Secret
from portico.tokens import TokenReply, Tokens
from portico.vendor import Stream

START = 1_795_512_600.0
"""2026-11-24T09:30:00Z."""


class Crash(BaseException):
    """The function is killed here: nothing in the domain may catch it."""


class Effects:
    """Counts what reaches out, and lets a test step in: at the n-th step, or at the next step of a name."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._at: dict[int, Callable[[], object]] = {}
        self._on: dict[str, list[Callable[[], object]]] = {}

    def at(self, step: int, action: Callable[[], object]) -> None:
        """Runs `action` at the n-th step from now."""
        self._at[len(self.seen) + step] = action

    def on(self, name: str, *actions: Callable[[], object]) -> None:
        """Runs each of the actions once, at the next steps of that name."""
        self._on.setdefault(name, []).extend(actions)

    def fail(self, name: str, *errors: BaseException) -> None:
        """The next steps of that name raise."""
        self.on(name, *(raising(error) for error in errors))

    def clear(self) -> None:
        """Nothing is planned any more."""
        self._at.clear()
        self._on.clear()

    def count(self, name: str) -> int:
        """How often a step was taken."""
        return self.seen.count(name)

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        action = self._at.pop(len(self.seen) - 1, None)
        if action:
            action()
        if self._on.get(name):
            self._on[name].pop(0)()

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """An effect: a step before it, a step after it."""
        self(name)
        yield
        self(f"{name} done")


def raising(error: BaseException) -> Callable[[], None]:
    """An action that raises."""

    def action() -> None:
        raise error

    return action


@dataclass
class Clock:
    """Time that passes only when told."""

    seconds: float = START

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Also what `sleep` is."""
        self.seconds += seconds


@dataclass
class Randomness:
    """Bytes that never repeat, the same in every run."""

    drawn: int = 0

    def __call__(self, n: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(f"draw {self.drawn}".encode()).digest(n)


@dataclass
class Sealer:
    """Seals that open only in their place, and show nothing of what they hold."""

    effects: Effects

    def prepare(self, place: Place) -> "Seal":
        with self.effects.around("sealer.prepare"):
            return Seal(place)

    def open(self, place: Place, sealed: bytes) -> bytes:
        with self.effects.around("sealer.open"):
            data = _mask(place, sealed[16:])
            if sealed[:16] != _tag(place, data):
                raise SealBroken
            return data


@dataclass
class Seal:
    place: Place

    def close(self, plaintext: bytes) -> bytes:
        return _tag(self.place, plaintext) + _mask(self.place, plaintext)


def _tag(place: Place, data: bytes) -> bytes:
    return hashlib.sha256(repr(place).encode() + data).digest()[:16]


def _mask(place: Place, data: bytes) -> bytes:
    stream = hashlib.shake_256(repr(place).encode()).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))


# --- tables ----------------------------------------------------------------------------------------


@dataclass
class AttemptsTable:
    """Attempts by key, and who has which open."""

    clock: Clock
    effects: Effects
    items: dict[str, Attempt] = field(default_factory=dict)
    rolls: dict[str, tuple[list[str], int]] = field(default_factory=dict)

    def get(self, key: str) -> Attempt | None:
        with self.effects.around("attempts.get"):
            return self.items.get(key)

    def replace(self, old: Attempt, new: Attempt) -> None:
        with self.effects.around("attempts.replace"):
            self.check(old, new)
            self.items[new.key] = new

    def check(self, old: Attempt, new: Attempt) -> None:
        stored = self.items.get(old.key)
        if stored is None or stored.revision != old.revision:
            raise Conflict
        may_be_late = new.state not in OPEN or old.state is State.EXCHANGING
        if not may_be_late and stored.expires_at <= self.clock():
            raise Conflict

    def open_of(self, owner: str) -> tuple[Sequence[Attempt], int]:
        with self.effects.around("attempts.open_of"):
            keys, revision = self.rolls.get(owner, ([], 0))
            return [self.items[key] for key in keys if key in self.items], revision

    def delete_all_of(self, owner: str) -> int:
        with self.effects.around("attempts.delete_all_of"):
            self.rolls.pop(owner, None)
            gone = [attempt.key for attempt in self.items.values() if attempt.owner == owner]
            for key in gone:
                del self.items[key]
            return len(gone)

    def roll_call(
        self, owner: str, keys: Sequence[str], revision: int, expires_at: float
    ) -> Mapping[str, Any]:
        return {"owner": owner, "keys": list(keys), "revision": revision, "expires_at": expires_at}

    def call(self, roll: Mapping[str, Any]) -> Callable[[], None]:
        """The roll's write, once its condition holds. Raises Conflict."""
        if self.rolls.get(roll["owner"], ([], 0))[1] != roll["revision"]:
            raise Conflict

        def write() -> None:
            self.rolls[roll["owner"]] = (roll["keys"], roll["revision"] + 1)

        return write


@dataclass
class ConnectionsTable:
    """Connections by id. A transaction checks every condition before it writes anything."""

    attempts: AttemptsTable
    effects: Effects
    items: dict[str, Connection] = field(default_factory=dict)

    def get(self, connection_id: str) -> Connection | None:
        with self.effects.around("connections.get"):
            return self.items.get(connection_id)

    def owned_by(self, owner: str, limit: int, cursor: str | None) -> ConnectionPage:
        with self.effects.around("connections.owned_by"):
            owned = [c for c in self.items.values() if c.owner == owner]
            start = int(cursor or 0)
            more = str(start + limit) if start + limit < len(owned) else None
            return ConnectionPage(owned[start : start + limit], more)

    def start(
        self,
        connection: Connection,
        attempt: Attempt,
        superseded: Attempt | None,
        roll: Mapping[str, Any],
        now: float,
    ) -> None:
        with self.effects.around("connections.start"):
            if connection.id in self.items:
                raise Conflict
            self._begin(attempt, superseded, roll)
            self.items[connection.id] = connection

    def restart(
        self, connection: Connection, attempt: Attempt, superseded: Attempt | None, roll: Mapping[str, Any]
    ) -> None:
        with self.effects.around("connections.restart"):
            stored = self.items.get(connection.id)
            if (
                stored is None
                or stored.owner != connection.owner
                or stored.status is ConnectionStatus.PENDING
            ):
                raise Conflict
            self._begin(attempt, superseded, roll)
            self.items[connection.id] = replace(stored, attempt=attempt.key)

    def _begin(self, attempt: Attempt, superseded: Attempt | None, roll: Mapping[str, Any]) -> None:
        if attempt.key in self.attempts.items:
            raise Conflict
        write_roll = self.attempts.call(roll)
        if superseded is not None:
            self._end(superseded, superseded.over(State.SUPERSEDED, "superseded"))
        self.attempts.items[attempt.key] = attempt
        write_roll()

    def close(self, connection: Connection, old: Attempt, new: Attempt) -> None:
        with self.effects.around("connections.close"):
            self._end(old, new)

    def close_of(self, old: Attempt, new: Attempt) -> None:
        with self.effects.around("connections.close"):
            self._end(old, new)

    def _end(self, old: Attempt, new: Attempt) -> None:
        self.attempts.check(old, new)
        if not old.reconnect:
            stored = self.items.get(old.connection_id)
            if stored is None or stored.status is not ConnectionStatus.PENDING or stored.attempt != old.key:
                raise Conflict
            self.items[stored.id] = replace(stored, status=ConnectionStatus.CLOSED, reason=new.reason)
        self.attempts.items[new.key] = new

    def activate(self, connection: Connection, activation: Activation, old: Attempt, new: Attempt) -> None:
        with self.effects.around("connections.activate"):
            stored = self.items.get(connection.id)
            if stored is None or stored.attempt != old.key or stored.generation != connection.generation:
                raise Conflict
            self.attempts.check(old, new)
            self.attempts.items[new.key] = new
            self.items[stored.id] = replace(
                stored,
                status=ConnectionStatus.ACTIVE,
                tokens=activation.tokens,
                generation=activation.generation,
                authorized_at=activation.authorized_at,
                token_expires_at=activation.token_expires_at,
                token_lifetime=activation.token_lifetime,
                refreshable=activation.refreshable,
                lease_until=0,
                next_refresh_at=0,
                reason=None,
            )

    def lease(self, connection: Connection, until: float, now: float) -> None:
        with self.effects.around("connections.lease"):
            stored = self._unmoved(connection)
            if stored.lease_until > now or stored.next_refresh_at > now:
                raise Conflict
            self.items[stored.id] = replace(stored, lease_until=until, sent=stored.sent + 1)

    def renew(self, connection_id: str, renewal: Renewal) -> None:
        with self.effects.around("connections.renew"):
            stored = self.items.get(connection_id)
            renewable = (ConnectionStatus.ACTIVE, ConnectionStatus.REAUTHORIZATION_REQUIRED)
            if (
                stored is None
                or stored.generation != renewal.generation - 1
                or stored.status not in renewable
            ):
                raise Conflict
            self.items[stored.id] = replace(
                stored,
                status=ConnectionStatus.ACTIVE,
                reason=None,
                tokens=renewal.tokens,
                generation=renewal.generation,
                refreshed_at=renewal.refreshed_at,
                token_expires_at=renewal.token_expires_at,
                token_lifetime=renewal.token_lifetime,
                refreshable=renewal.refreshable,
                lease_until=0,
                next_refresh_at=0,
                sent=0,
                failures=0,
                failing_since=0,
            )

    def release(self, connection: Connection, failure: Failure) -> None:
        with self.effects.around("connections.release"):
            stored = self._held(connection)
            self.items[stored.id] = replace(
                stored,
                lease_until=0,
                next_refresh_at=failure.next_refresh_at,
                failures=failure.failures,
                failing_since=failure.failing_since,
                sent=failure.sent,
            )

    def hold(self, connection: Connection, reason: str) -> None:
        with self.effects.around("connections.hold"):
            stored = self._unmoved(connection)
            self.items[stored.id] = replace(stored, status=ConnectionStatus.HELD, reason=reason)

    def require_reauthorization(self, connection: Connection) -> None:
        with self.effects.around("connections.require_reauthorization"):
            stored = self._held(connection)
            self.items[stored.id] = replace(
                stored,
                status=ConnectionStatus.REAUTHORIZATION_REQUIRED,
                reason="portal_refused",
                lease_until=0,
            )

    def delete(self, connection: Connection) -> None:
        with self.effects.around("connections.delete"):
            if self.items.get(connection.id) is None:
                raise Cancelled
            del self.items[connection.id]

    def _unmoved(self, connection: Connection) -> Connection:
        stored = self.items.get(connection.id)
        if (
            stored is None
            or stored.status is not ConnectionStatus.ACTIVE
            or stored.generation != connection.generation
        ):
            raise Conflict
        return stored

    def _held(self, connection: Connection) -> Connection:
        stored = self._unmoved(connection)
        if stored.lease_until != connection.lease_until:
            raise Conflict
        return stored


@dataclass
class Retries:
    """The queue that outlives a function: messages stay until a test takes them."""

    effects: Effects
    delayed: list[tuple[str, int]] = field(default_factory=list)
    parked: list[tuple[str, Renewal]] = field(default_factory=list)

    def later(self, connection_id: str, generation: int) -> None:
        with self.effects.around("retries.later"):
            self.delayed.append((connection_id, generation))

    def park(self, connection_id: str, renewal: Renewal) -> None:
        with self.effects.around("retries.park"):
            self.parked.append((connection_id, renewal))


@dataclass
class KeepAlive:
    """Daily schedules by connection."""

    effects: Effects
    scheduled: set[str] = field(default_factory=set)

    def schedule(self, connection_id: str) -> None:
        with self.effects.around("keep_alive.schedule"):
            self.scheduled.add(connection_id)

    def cancel(self, connection_id: str) -> None:
        with self.effects.around("keep_alive.cancel"):
            self.scheduled.discard(connection_id)


@dataclass
class Tombstones:
    """Deletions, remembered."""

    effects: Effects
    left: dict[str, float] = field(default_factory=dict)

    def leave(self, connection_id: str, at: float) -> None:
        with self.effects.around("tombstones.leave"):
            self.left[connection_id] = at

    def after(self, connection_id: str) -> Iterator[str]:
        with self.effects.around("tombstones.after"):
            yield from (deleted for deleted in sorted(self.left) if deleted > connection_id)


@dataclass
class RetrievalsTable:
    """Retrievals by id. Only a running one is written to."""

    connections: ConnectionsTable
    clock: Clock
    effects: Effects
    retention: float = 7 * 86_400
    items: dict[str, Retrieval] = field(default_factory=dict)

    def get(self, retrieval_id: str) -> Retrieval | None:
        with self.effects.around("retrievals.get"):
            return self.items.get(retrieval_id)

    def of_connection(self, connection_id: str) -> Sequence[str]:
        with self.effects.around("retrievals.of_connection"):
            return [r.id for r in self.items.values() if r.connection_id == connection_id]

    def start(self, retrieval: Retrieval) -> Retrieval:
        with self.effects.around("retrievals.start"):
            for other in self.items.values():
                alike = (other.connection_id, other.request.fingerprint) == (
                    retrieval.connection_id,
                    retrieval.request.fingerprint,
                )
                if alike and other.status is Status.RUNNING and not other.lost(self.clock()):
                    return other
            self.items[retrieval.id] = retrieval
            return retrieval

    def store_completed(self, retrieval: Retrieval) -> None:
        with self.effects.around("retrievals.store_completed"):
            connection = self.connections.items.get(retrieval.connection_id)
            if retrieval.id in self.items or connection is None:
                raise Cancelled
            self.items[retrieval.id] = retrieval
            told = retrieval.summary(self.clock())
            self.connections.items[connection.id] = replace(connection, last_retrieval=told)

    def submitted(self, retrieval: Retrieval, transaction: bytes, now: float) -> None:
        self._write(
            "submitted",
            retrieval,
            transaction=transaction,
            submitted_at=now,
            ready=False,
            token_refused=False,
            polls=0,
        )

    def polled(self, retrieval: Retrieval) -> None:
        self._write(
            "polled",
            retrieval,
            polls=retrieval.polls,
            troubles=retrieval.troubles,
            ready=retrieval.ready,
        )

    def restart(self, retrieval: Retrieval) -> None:
        self._write(
            "restart",
            retrieval,
            transaction=None,
            restarts=retrieval.restarts + 1,
            troubles=0,
            token_refused=retrieval.token_refused,
        )

    def complete(self, retrieval: Retrieval, result: Result) -> None:
        self._write(
            "complete",
            retrieval,
            status=Status.COMPLETED,
            result=result,
            transaction=None,
            expires_at=result.finished_at + self.retention,
        )

    def fail(self, retrieval: Retrieval, reason: str, now: float) -> None:
        self._write(
            "fail",
            retrieval,
            status=Status.FAILED,
            reason=reason,
            transaction=None,
            expires_at=now + self.retention,
        )

    def cancel(self, retrieval: Retrieval) -> None:
        with self.effects.around("retrievals.cancel"):
            stored = self.items.get(retrieval.id)
            if stored is not None and stored.status is Status.RUNNING:
                self.items[stored.id] = replace(
                    stored, status=Status.FAILED, reason="cancelled", transaction=None
                )

    def delete(self, retrieval: Retrieval) -> None:
        with self.effects.around("retrievals.delete"):
            self.items.pop(retrieval.id, None)

    def _write(self, name: str, retrieval: Retrieval, **sets: Any) -> None:
        with self.effects.around(f"retrievals.{name}"):
            stored = self.items.get(retrieval.id)
            if stored is None or stored.status is not Status.RUNNING:
                raise Cancelled
            changed = replace(stored, **sets)
            if changed.status is not Status.RUNNING:
                connection = self.connections.items.get(stored.connection_id)
                if connection is None:
                    raise Cancelled
                told = changed.summary(self.clock())
                self.connections.items[connection.id] = replace(connection, last_retrieval=told)
            self.items[stored.id] = changed


# --- files and workflow ----------------------------------------------------------------------------


@dataclass
class Results:
    """The bucket: objects by key."""

    effects: Effects
    objects: dict[str, bytes] = field(default_factory=dict)

    def file(self, key: str, content_type: str) -> "OneFile":
        return OneFile(self, key)

    def ndjson_files(self, prefix: str) -> "NdjsonFiles":
        return NdjsonFiles(self, prefix)

    def delete(self, prefix: str) -> int:
        with self.effects.around("results.delete"):
            keys = [key for key in self.objects if key.startswith(f"{prefix}/")]
            for key in keys:
                del self.objects[key]
            return len(keys)


@dataclass
class OneFile:
    bucket: Results
    key: str
    data: bytes = b""

    def write(self, data: bytes) -> None:
        self.bucket.effects("file.write")
        self.data += data

    def close(self) -> None:
        with self.bucket.effects.around("file.close"):
            self.bucket.objects[self.key] = self.data

    def abort(self) -> None:
        self.bucket.objects.pop(self.key, None)


@dataclass
class NdjsonFiles:
    bucket: Results
    prefix: str
    lines: dict[str, list[bytes]] = field(default_factory=dict)

    def write(self, type_: str, line: bytes) -> None:
        self.bucket.effects("files.write")
        self.lines.setdefault(type_, []).append(line)

    def finish(self) -> Sequence[File]:
        with self.bucket.effects.around("files.finish"):
            files = []
            for type_, lines in sorted(self.lines.items()):
                key = f"{self.prefix}/{type_}"
                self.bucket.objects[key] = b"".join(line + b"\n" for line in lines)
                files.append(File(type_, f"{type_}.ndjson", key, len(lines)))
            return files

    def discard(self) -> None:
        for type_ in self.lines:
            self.bucket.objects.pop(f"{self.prefix}/{type_}", None)


@dataclass
class Workflow:
    """Executions by name: started once, stopped if they run."""

    effects: Effects
    running: set[str] = field(default_factory=set)
    started: list[str] = field(default_factory=list)

    def start(self, retrieval_id: str) -> None:
        with self.effects.around("workflow.start"):
            if retrieval_id not in self.started:
                self.started.append(retrieval_id)
                self.running.add(retrieval_id)

    def stop(self, retrieval_id: str) -> None:
        with self.effects.around("workflow.stop"):
            self.running.discard(retrieval_id)


# --- the vendor ------------------------------------------------------------------------------------


@dataclass
class PortalDirectory:
    """The directory: the portals that the deployment is linked to."""

    portals: list[Portal]

    def portal(self, data_type: str, portal_id: str) -> Portal | None:
        return next((p for p in self.portals if (p.data_type, p.id) == (data_type, portal_id)), None)


@dataclass
class Grant:
    """What the portal knows of a login."""

    patient: str | None
    challenge: str | None = None


@dataclass
class Integrator:
    """OneRecord with a portal behind it: codes are used once, refresh tokens live by `rotation`.

    `rotation` is "static" (never another), "grace" (another each time, the one before still works) or
    "strict" (another each time, the one before is dead).
    """

    clock: Clock
    effects: Effects
    rotation: str = "static"
    lifetime: float | str | None = 3600.0
    refreshable: bool = True
    device_token_good: bool = True
    codes: dict[str, Grant] = field(default_factory=dict)
    access: dict[str, str | None] = field(default_factory=dict)
    refreshing: dict[str, str | None] = field(default_factory=dict)
    given: list[tuple[Any, ...]] = field(default_factory=list)
    submitted: list[tuple[str, Tokens, RecordsRequest]] = field(default_factory=list)
    answers: dict[str, list[tuple[int, Mapping[str, str], bytes]]] = field(default_factory=dict)
    transactions: list[list[str]] = field(default_factory=list)
    _serial: int = 0

    def exchange(
        self, portal_id: str, code: Secret, state: str | None, verifier: Secret | None
    ) -> TokenReply:
        with self.effects.around("vendor.exchange"):
            self.given.append((portal_id, code.reveal(), state, verifier.reveal() if verifier else None))
            grant = self.codes.pop(code.reveal(), None)
            if not self.device_token_good:
                raise PortalRejected(401)
            if grant is None or not _proven(grant, verifier):
                raise PortalRejected(400, explicit=True)
            return self._reply(grant.patient, self._new_refresh(grant.patient))

    def refresh(self, portal_id: str, refresh_token: Secret) -> TokenReply:
        with self.effects.around("vendor.refresh"):
            presented = refresh_token.reveal()
            if not self.device_token_good:
                raise PortalRejected(401)
            if presented not in self.refreshing:
                raise PortalRejected(400, explicit=True)
            patient = self.refreshing[presented]
            if self.rotation == "strict":
                del self.refreshing[presented]
            another = self._new_refresh(patient) if self.rotation != "static" else None
            reply = self._reply(None, another)
            self.access[reply.access.reveal()] = patient
        return reply

    def accepts_device_token(self) -> bool:
        with self.effects.around("vendor.probe"):
            return self.device_token_good

    def use(self, tokens: Tokens) -> str | None:
        """Records with an access token: the patient whose they are. Raises PortalRejected(401)."""
        with self.effects.around("vendor.use"):
            if not self.device_token_good or tokens.access.reveal() not in self.access:
                raise PortalRejected(401)
            return self.access[tokens.access.reveal()]

    def start(self, portal_id: str, tokens: Tokens, request: RecordsRequest) -> Sequence[str]:
        with self.effects.around("vendor.start"):
            if tokens.access.reveal() not in self.access:
                raise PortalRejected(401)
            self.submitted.append((portal_id, tokens, request))
            return self.transactions.pop(0) if self.transactions else [f"transaction-{len(self.submitted)}"]

    def records(
        self, portal_id: str, tokens: Tokens, request: RecordsRequest
    ) -> AbstractContextManager[Stream]:
        if tokens.access.reveal() not in self.access:
            return self._answer(
                401, {}, b'{"status":401,"error":"Unauthorized","message":"Token has expired"}'
            )
        return self._answer(*self._next("records"))

    def result(self, transaction_id: str) -> AbstractContextManager[Stream]:
        return self._answer(*self._next(transaction_id))

    def _next(self, name: str) -> tuple[int, Mapping[str, str], bytes]:
        waiting = self.answers.get(name, [])
        if not waiting:
            return 404, {}, b'{"status":404,"error":"Not Found","message":"not found"}'
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    @contextmanager
    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Iterator[Stream]:
        self.effects("vendor.answer")
        yield Stream(status, headers, (body[at : at + 512] for at in range(0, len(body), 512)))

    def revoke(self) -> None:
        """The portal honours nothing of this patient any more."""
        self.access.clear()
        self.refreshing.clear()

    def _new_refresh(self, patient: str | None) -> str | None:
        if not self.refreshable:
            return None
        self._serial += 1
        token = f"refresh-{self._serial}"
        self.refreshing[token] = patient
        return token

    def _reply(self, patient: str | None, refresh: str | None) -> TokenReply:
        self._serial += 1
        access = f"access-{self._serial}"
        self.access[access] = patient
        reply: dict[str, Any] = {"token": access, "endpointId": "portal", "tokenExpires": self.lifetime}
        if patient is not None:
            reply["patId"] = patient
        if refresh is not None:
            reply["refreshToken"] = refresh
        return TokenReply.parse(reply, "portal")


def _proven(grant: Grant, verifier: Secret | None) -> bool:
    if grant.challenge is None or verifier is None:
        return grant.challenge is None and verifier is None
    return pkce.challenge(verifier.reveal(), pkce.Method.S256) == grant.challenge


def envelope(resources: Sequence[Mapping[str, Any]], **members: Any) -> bytes:
    """A result as the vendor gives it."""
    payload = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": dict(resource)} for resource in resources],
    }
    document = {
        "errorData": {"errors": [], "highestError": None},
        "fhirVersion": "R4",
        "contentType": "application/fhir+json",
        "payload": payload,
    }
    return json.dumps(document | members).encode()
