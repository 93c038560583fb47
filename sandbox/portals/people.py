"""Who can sign in at a portal, and under which patient id the portal knows them."""

import hashlib
from dataclasses import replace

from sandbox.onerecord.catalog import Endpoint
from sandbox.onerecord.scenarios import Scenario
from sandbox.records import ACCOUNTS, Account, Patient

SHOWN = 4


def sign_in(username: str, password: str) -> Account | None:
    account = ACCOUNTS.get(username.strip().lower())
    return account if account and account.password == password else None


def usernames() -> list[str]:
    return list(ACCOUNTS)


def patient_at(endpoint: Endpoint, scenario: Scenario, username: str) -> Patient:
    """The person with the id that this portal uses for them."""
    patient = ACCOUNTS[username].patient
    kind = endpoint.persona.patient_ids
    if scenario.patient_id == "number" and kind != "negative":
        kind = "number"
    if kind == "epic":
        return patient
    digest = hashlib.sha256(f"{endpoint.slug}/{username}".encode()).hexdigest()
    number = int(digest[:12], 16)
    ids = {
        "number": str(10_000_000 + number % 89_999_999),
        "negative": f"-2014{number % 10**10:010d}",
        "member": f"M{number % 10**9:09d}-01",
        "uuid": f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}",
    }
    return replace(patient, id=ids[kind])
