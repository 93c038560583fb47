"""Is the patient who logged in the person who uses the app? An optional check against a stolen login response.

A redirect protocol cannot stop an authorization response that leaks where the portal sends it. With the check
on, a new connection is held until the portal's Patient has the family name and birth date of the app user's
own access token (OpenID Connect Core, `family_name` and `birthdate`).
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from portico.collection import collect
from portico.connection import Connection
from portico.errors import PorticoError, RetrievalFailed
from portico.exchange import UNVERIFIED
from portico.fetch import Integrator
from portico.records_request import RecordsRequest
from portico.tokens import Tokens
from portico.vendor import refusal

MISMATCH = "identity_mismatch"
_ONLY_PATIENT = RecordsRequest(("Patient",))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the app user is by the app's identity provider. Health data: never logged or stored."""

    family_name: str = field(repr=False)
    birth_date: str = field(repr=False)

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "Identity | None":
        """From an access token's claims; None when they do not say."""
        family, birth = claims.get("family_name"), claims.get("birthdate")
        return (
            cls(family, birth)
            if isinstance(family, str) and isinstance(birth, str) and family and birth
            else None
        )

    def matches(self, patient: Mapping[str, Any]) -> bool:
        """Whether a FHIR Patient has this birth date and, under any of its names, this family name.

        Letter case, accents, hyphens and spaces do not matter; a partial birth date does not match.
        """
        names = patient.get("name")
        families = (
            [n.get("family") for n in names if isinstance(n, Mapping)] if isinstance(names, list) else []
        )
        same_name = any(_plain(f) == _plain(self.family_name) for f in families if isinstance(f, str))
        return same_name and patient.get("birthDate") == self.birth_date


class Connections(Protocol):
    """The connections table, as far as a hold goes."""

    def hold(self, connection: Connection, reason: str) -> None:
        """The connection answers no data route, whatever it was; on an unmoved generation. Raises Conflict."""
        ...

    def lift_hold(self, connection: Connection) -> None:
        """A held connection is active, on an unmoved generation. Raises Conflict."""
        ...


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """Compares over the given vendor and store."""

    connections: Connections
    integrator: Integrator

    def verify(self, connection: Connection, tokens: Tokens, identity: Identity | None) -> str | None:
        """Lifts the hold if the patient is the app user. None then, else the reason why it stays.

        Raises Conflict, StorageUnavailable.
        """
        reason = self._compare(connection, tokens, identity)
        if reason is None:
            self.connections.lift_hold(connection)
        elif reason != connection.reason:
            self.connections.hold(connection, reason)
        return reason

    def _compare(self, connection: Connection, tokens: Tokens, identity: Identity | None) -> str | None:
        if identity is None:
            return UNVERIFIED
        patients = _Patients()
        try:
            with self.integrator.records(connection.portal_id, tokens, _ONLY_PATIENT) as answer:
                if not 200 <= answer.status < 300:
                    raise refusal(answer.whole())
                if collect(answer.chunks, patients).refused:
                    raise RetrievalFailed("vendor_error")
        except PorticoError:
            return UNVERIFIED
        if not patients.found:
            return UNVERIFIED
        return None if all(identity.matches(patient) for patient in patients.found) else MISMATCH


class _Patients:
    """A sink that keeps Patients and nothing else."""

    def __init__(self) -> None:
        self.found: list[Mapping[str, Any]] = []

    def write(self, type_: str, line: bytes) -> None:
        if type_ == "Patient":
            self.found.append(json.loads(line))


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in decomposed if c.isalpha())
