"""The kinds of portal: how each behaves at login, at the token endpoint and with its records.

A persona is what portals of one kind have in common; a single portal may deviate in what its directory
entry says (see `sandbox.onerecord.catalog`).
"""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.onerecord.scenarios import Scenario

type PatientIds = Literal["epic", "number", "negative", "member", "uuid"]


@dataclass(frozen=True)
class Persona:
    """A kind of portal."""

    key: str
    title: str
    scenario: Scenario
    challenge_method: str | None = None
    """The word that derivedAuthUri carries; None: no PKCE."""
    method_in_portal_url: bool = False
    """Whether portalURL names the method too, or derivedAuthUri alone."""
    preset_state: bool = False
    patient_ids: PatientIds = "uuid"
    asks_demographics: bool = False
    scope: str = ""
    extra_query: str = field(default="", repr=False)


EPIC = Persona(
    "epic",
    "no PKCE, one-hour tokens, a refresh token that stays",
    Scenario(code_form="jwt"),
    patient_ids="epic",
)
CERNER = Persona(
    "cerner",
    "PKCE S256, preset state, 570-second tokens, refresh token never re-issued",
    Scenario(portal_error="redirect", token_seconds=570, refresh="not-reissued"),
    challenge_method="S256",
    method_in_portal_url=True,
    preset_state=True,
    patient_ids="number",
    scope="launch%2Fpatient+offline_access+openid+fhirUser+patient%2F*.read",
)
BLUEBUTTON = Persona(
    "bluebutton",
    "payer: PKCE S256, fractional expiry, single-use refresh tokens, negative patient ids",
    Scenario(
        portal_error="redirect",
        token_seconds=36000.52,
        refresh="rotating",
        code_form="longest",
    ),
    challenge_method="S256",
    patient_ids="negative",
    asks_demographics=True,
)
NO_REFRESH = Persona(
    "no-refresh",
    "payer: no PKCE, no state, no refresh token, no word about expiry",
    Scenario(refresh="none", token_expires="absent", token_seconds=7200),
    patient_ids="member",
)
PATIENT_IN_TOKEN = Persona(
    "patient-in-token",
    "PKCE S256, the patient id is inside the access token and nowhere else",
    Scenario(patient_id="in-token", token_expires="integer", token_seconds=1800, refresh_patient_id=False),
    challenge_method="S256",
    method_in_portal_url=True,
    scope="launch%2Fpatient%20patient%2F%2A.read",
)
PLAIN = Persona(
    "plain-pkce",
    "PKCE with the method plain, by the portal's own word",
    Scenario(token_expires="integer"),
    challenge_method="plain",
    patient_ids="number",
)
FAILING = Persona(
    "always-failing",
    "the login works and then the portal answers server_error",
    Scenario(portal_error="redirect", consent="server-error"),
    challenge_method="S256",
    method_in_portal_url=True,
)
REFUSES_PATIENT = Persona(
    "refuses-patient",
    "payer: coverage and claims, but never demographics",
    Scenario(withheld=("Patient",), refresh="rotating", refresh_grace_seconds=60),
    challenge_method="S256",
    patient_ids="member",
)
