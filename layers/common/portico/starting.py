"""Starting an attempt: a new connection, or a further login for an existing one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from portico import authorization_url, pkce, return_url, sealing
from portico.attempt import LAUNCH_SECONDS, LONGEST_SECONDS, OPEN_PER_OWNER, Attempt, State, state_mark
from portico.authorization_url import Redirectors
from portico.connection import Connection, Status
from portico.directory import DATA_TYPES, Portal
from portico.errors import Conflict, Gone, InvalidRequest, NotAuthorizedYet, NotFound, TooManyRequests
from portico.ids import Random, digest, new_id, new_secret, same, session_of
from portico.instants import Clock
from portico.sealing import Sealer

LONGEST_PORTAL_ID = 200


class Directory(Protocol):
    """The vendor's directory, by id."""

    def portal(self, data_type: str, portal_id: str) -> Portal | None:
        """The portal, or None."""
        ...


class Attempts(Protocol):
    """Who has which attempts open."""

    def open_of(self, owner: str) -> tuple[Sequence[Attempt], int]:
        """The attempts last known to be open, and the revision of that list."""
        ...

    def roll_call(
        self, owner: str, keys: Sequence[str], revision: int, expires_at: float
    ) -> Mapping[str, Any]:
        """A write that replaces the list, to be part of a commit."""
        ...


class Connections(Protocol):
    """The connections table, as far as starting goes."""

    def get(self, connection_id: str) -> Connection | None:
        """The connection, read consistently."""
        ...

    def start(
        self,
        connection: Connection,
        attempt: Attempt,
        superseded: Attempt | None,
        roll: Mapping[str, Any],
        now: float,
    ) -> None:
        """A new connection with its first attempt. Raises Conflict."""
        ...

    def restart(
        self, connection: Connection, attempt: Attempt, superseded: Attempt | None, roll: Mapping[str, Any]
    ) -> None:
        """A further attempt. Raises Conflict."""
        ...


@dataclass(frozen=True, slots=True)
class Started:
    """A started attempt: the ticket is for the app alone, to open in the patient's browser."""

    connection: Connection
    ticket: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts attempts over the given directory and stores."""

    directory: Directory
    attempts: Attempts
    connections: Connections
    sealer: Sealer
    redirectors: Redirectors
    return_urls: Collection[str]
    clock: Clock
    random: Random

    def start(self, owner: str, portal_id: str, data_type: str, url: str) -> Started:
        """A pending connection with its first attempt.

        Raises InvalidRequest, TooManyRequests (three attempts are open), and the directory's errors.
        """
        return_url.checked(url, self.return_urls)
        if data_type not in DATA_TYPES:
            raise InvalidRequest("dataType", "must be clinical or payer")
        if not 0 < len(portal_id) <= LONGEST_PORTAL_ID:
            raise InvalidRequest("portalId", f"must be 1 to {LONGEST_PORTAL_ID} characters")
        portal = self._portal(data_type, portal_id, "portalId")
        now = self.clock()
        connection = Connection(
            id=new_id(self.random),
            owner=owner,
            portal_id=portal.id,
            portal=portal.as_json(),
            status=Status.PENDING,
            created_at=now,
            pending_until=now + LONGEST_SECONDS,
        )
        return self._begin(connection, portal, url, reconnect=False)

    def reconnect(self, owner: str, connection_id: str, url: str) -> Started:
        """A further attempt for a connection that was authorized before.

        Raises InvalidRequest, NotFound, NotAuthorizedYet (its first login is still open), Gone (that one came
        to nothing), TooManyRequests, and the directory's errors.
        """
        return_url.checked(url, self.return_urls)
        connection = self.connections.get(connection_id)
        if connection is None or not same(connection.owner, owner):
            raise NotFound
        status, reason = connection.status_at(self.clock())
        if status is Status.PENDING:
            raise NotAuthorizedYet
        if status is Status.CLOSED:
            raise Gone(reason or "closed")
        portal = self._portal(connection.portal["dataType"], connection.portal_id, "id")
        return self._begin(connection, portal, url, reconnect=True)

    def _portal(self, data_type: str, portal_id: str, field: str) -> Portal:
        portal = self.directory.portal(data_type, portal_id)
        if portal is None:
            raise InvalidRequest(field, "names no portal of this kind that this deployment is linked to")
        if not portal.connectable:
            raise InvalidRequest(field, f"names a portal that cannot be connected to: it is {portal.status}")
        return portal

    def _begin(self, connection: Connection, portal: Portal, url: str, *, reconnect: bool) -> Started:
        ticket = new_secret(self.random)
        key = digest(session_of(ticket))
        verifier = self._verifier(portal, ticket)
        # What is stored never says the verifier, even if the portal wants to hear it.
        challenge = pkce.stand_in(verifier) if verifier else None
        seal = self.sealer.prepare(sealing.verifier_of(key)) if verifier else None
        state = authorization_url.preset_state(portal.redirect_uri)
        now = self.clock()
        attempt = Attempt(
            key=key,
            connection_id=connection.id,
            owner=connection.owner,
            portal_id=portal.id,
            return_url=url,
            outbound=authorization_url.outbound(
                portal.redirect_uri, portal.derived_auth_uri, challenge, self.redirectors
            ),
            reconnect=reconnect,
            state=State.CREATED,
            created_at=now,
            expires_at=now + LAUNCH_SECONDS,
            preset_state=state_mark(state) if state else None,
            verifier=seal.close(verifier.encode()) if seal and verifier else None,
        )
        connection = connection if reconnect else replace(connection, attempt=key)
        self._store(connection, attempt, now)
        return Started(connection, ticket, attempt.expires_at)

    def _verifier(self, portal: Portal, ticket: str) -> str | None:
        if portal.pkce is pkce.Method.PLAIN:
            return pkce.verifier_of(ticket)
        return pkce.new_verifier(self.random) if portal.pkce else None

    def _store(self, connection: Connection, attempt: Attempt, now: float) -> None:
        for _ in range(3):
            known, revision = self.attempts.open_of(connection.owner)
            still_open = [a for a in known if a.is_open(now)]
            superseded = next(
                (
                    a
                    for a in still_open
                    if a.portal_id == attempt.portal_id and a.state is not State.EXCHANGING
                ),
                None,
            )
            others = [a for a in still_open if a is not superseded]
            if len(others) >= OPEN_PER_OWNER:
                raise TooManyRequests(max(1, round(min(a.expires_at for a in others) - now)))
            keys = [a.key for a in others] + [attempt.key]
            roll = self.attempts.roll_call(connection.owner, keys, revision, now + LONGEST_SECONDS)
            try:
                if attempt.reconnect:
                    self.connections.restart(connection, attempt, superseded, roll)
                else:
                    self.connections.start(connection, attempt, superseded, roll, now)
            except Conflict:
                continue
            return
        raise Conflict
