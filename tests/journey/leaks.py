"""Looks for secrets and health data where they must never be."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from sandbox.records import ACCOUNTS
from sandbox.world.world import World
from tests.journey.app import seen

SHORTEST = 6
"""Anything shorter is found by chance."""


def secrets_of(world: World) -> set[str]:
    """What has been handed around so far: by apps and browsers, by the portals, and who the patients are."""
    grants = world.outside.grants
    tokens = {*grants._codes, *grants._by_access, *grants._by_refresh}
    patient_ids = {grant.patient_id for grant in grants._by_access.values()}
    people = [account.patient for account in ACCOUNTS.values()]
    about = {text for p in people for text in (p.family, p.birth_date, p.street, p.email, p.phone, p.name)}
    passwords = {account.password for account in ACCOUNTS.values()}
    everything = seen | tokens | patient_ids | about | passwords | {world.settings.device_token}
    return {text for text in everything if len(text) >= SHORTEST}


def forms(secret: str) -> Iterable[str]:
    """How a text may be written: as it is, in a URL, in JSON, in base64 and in hex."""
    data = secret.encode()
    yield from {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        b64encode(data).decode().rstrip("="),
        urlsafe_b64encode(data).decode().rstrip("="),
        data.hex(),
    }


def found_in(texts: Sequence[str], secrets: Iterable[str]) -> list[str]:
    """The texts that hold any of the secrets in any form."""
    whole = "\n".join(texts)
    guilty = [form for secret in secrets for form in forms(secret) if form in whole]
    return [f"{form[:12]}... in {text[:300]}" for text in texts for form in guilty if form in text]


def log_lines(world: World) -> list[str]:
    """Every line of every log group: the functions', the workflow's, the API's access log."""
    logs = world.aws("logs")
    groups = [
        g["logGroupName"] for g in logs.get_paginator("describe_log_groups").paginate().search("logGroups[]")
    ]
    pages = (logs.get_paginator("filter_log_events").paginate(logGroupName=name) for name in groups)
    return [event["message"] for paged in pages for page in paged for event in page["events"]]


def in_logs(world: World, secrets: Iterable[str]) -> list[str]:
    """The log lines that hold a secret."""
    return found_in(log_lines(world), secrets)
