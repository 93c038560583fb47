"""Patients who have come so far: a code in hand at the sandbox's portal, or a connection with real tokens."""

from dataclasses import replace
from typing import Any

from portico.adapters.kms_sealer import KmsSealer
from portico.attempt import Attempt, State
from portico.connection import Connection
from portico.exchange import HeldCode
from portico.ids import digest
from portico.sealing import code_of, tokens_of, verifier_of
from portico.secret import Secret
from portico.tokens import TokenReply
from sandbox.outside import Outside, PortalInfo
from tests.adapters.stores import Stores
from tests.functions.answers import CONNECTION
from tests.samples import NOW, OWNER, PORTAL, active, attempt_of, pending
from tests.sandbox.client import Client

USERNAME = "james.okafor"


def a_portal(outside: Outside, **wanted: Any) -> PortalInfo:
    """The first active clinical portal, or one of a persona."""
    if wanted:
        return outside.portal(**wanted)
    return next(one for one in outside.portals() if one.status == "active" and one.data_type == "clinical")


def with_code(
    stores: Stores, outside: Outside, portal: PortalInfo, handle: str
) -> tuple[Connection, Attempt]:
    """A pending connection whose attempt holds a code that the portal will honour."""
    client = Client(outside)
    callback, verifier = client.authorize(portal, USERNAME)
    client.http.close()
    session = f"session of {CONNECTION}"
    connection = pending(OWNER, id=CONNECTION, portal_id=portal.id, attempt=digest(session))
    sealer = KmsSealer(stores.backend.key)
    attempt = attempt_of(
        connection, key=digest(session), state=State.CODE_HELD, handle=digest(handle), codes=1, code_at=NOW
    )
    held = HeldCode(Secret(callback["code"]), callback.get("state"))
    code = sealer.prepare(code_of(attempt.key, 1)).close(held.to_bytes())
    sealed = sealer.prepare(verifier_of(attempt.key)).close(verifier.encode()) if verifier else None
    stores.put(connection)
    return connection, stores.put_attempt(replace(attempt, code=code, verifier=sealed, expires_at=NOW + 300))


def connected(
    stores: Stores, outside: Outside, portal: PortalInfo, *, id_: str = CONNECTION, **changes: Any
) -> tuple[Connection, TokenReply]:
    """An active connection with tokens that the portal honours."""
    client = Client(outside)
    reply = TokenReply.parse(client.connect(portal, USERNAME).reply, portal.id)
    client.http.close()
    shown = PORTAL | {"id": portal.id, "name": portal.name, "dataType": portal.data_type}
    lasting = {"token_expires_at": NOW + 3600, "refreshed_at": NOW} | changes
    connection = active(OWNER, id=id_, portal_id=portal.id, portal=shown, **lasting)
    seal = KmsSealer(stores.backend.key).prepare(tokens_of(connection.id, connection.generation))
    return stores.put(replace(connection, tokens=seal.close(reply.first().to_bytes()))), reply
