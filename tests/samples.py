"""Connections, attempts and retrievals as they are stored, each with ids of its own."""

import secrets
from dataclasses import replace
from typing import Any

from portico.attempt import LAUNCH_SECONDS, Attempt, State
from portico.connection import Connection, Status
from portico.ids import digest, new_id, new_secret
from portico.records_request import RecordsRequest
from portico.retrieval import Retrieval

NOW = 1_795_600_800.0
OWNER = digest("https://login.example.com|maria")
PORTAL = {
    "id": "8a3f0c52-6b1e-4d0e-9a57-1c2f6f0a9b11",
    "name": "Lakeside Family Medicine",
    "organization": "Lakeside Health",
    "vendor": "Sandbox",
    "dataType": "clinical",
    "address": {"street": "400 Shore Dr", "city": "Madison", "state": "WI", "zip": "53703"},
    "location": {"lat": 43.0747, "lon": -89.3843},
    "status": "active",
    "pkce": True,
}


def fresh_id() -> str:
    return new_id(secrets.token_bytes)


def fresh_owner() -> str:
    """A user that no other test has."""
    return digest(new_secret(secrets.token_bytes))


def pending(owner: str | None = None, **changes: Any) -> Connection:
    """A connection whose first login has begun."""
    connection = Connection(
        id=fresh_id(),
        owner=owner or fresh_owner(),
        portal_id=str(PORTAL["id"]),
        portal=PORTAL,
        status=Status.PENDING,
        created_at=NOW,
        pending_until=NOW + 2700,
    )
    return replace(connection, **changes)


def active(owner: str | None = None, **changes: Any) -> Connection:
    """A connection that holds tokens."""
    connected = {
        "status": Status.ACTIVE,
        "generation": 3,
        "tokens": b"sealed tokens",
        "authorized_at": NOW - 3600.0,
        "token_expires_at": NOW + 1800.5,
        "token_lifetime": 3600.0,
        "refreshable": True,
    }
    return pending(owner, **(connected | changes))


def attempt_of(connection: Connection, **changes: Any) -> Attempt:
    """A fresh attempt for a connection."""
    attempt = Attempt(
        key=digest(new_secret(secrets.token_bytes)),
        connection_id=connection.id,
        owner=connection.owner,
        portal_id=connection.portal_id,
        return_url="https://app.example.com/return",
        outbound="https://redirector.example.com/outbound/?portalURL=https%3A%2F%2Fportal.example.com",
        reconnect=False,
        state=State.CREATED,
        created_at=NOW,
        expires_at=NOW + LAUNCH_SECONDS,
        verifier=b"sealed verifier",
    )
    return replace(attempt, **changes)


def retrieval_of(connection: Connection, **changes: Any) -> Retrieval:
    """A retrieval that has just been asked for."""
    retrieval = Retrieval(
        id=fresh_id(),
        connection_id=connection.id,
        owner=connection.owner,
        request=RecordsRequest(("Labs", "Patient")),
        created_at=NOW,
        prefix=fresh_id(),
    )
    return replace(retrieval, **changes)
