"""What the deployment says, read from the environment. A missing setting fails in the init phase, by name."""

import os
from urllib.parse import urlsplit

from portico.authorization_url import Redirectors

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class MissingSetting(RuntimeError):
    """The template does not give this function a setting that it needs."""


def required(name: str) -> str:
    """The value of an environment variable. Raises MissingSetting."""
    value = os.environ.get(name, "")
    if not value:
        raise MissingSetting(name)
    return value


def optional(name: str) -> str:
    """The value of an environment variable, empty when it is not set."""
    return os.environ.get(name, "")


def words(name: str) -> frozenset[str]:
    """A comma-separated list."""
    return frozenset(word.strip() for word in required(name).split(",") if word.strip())


def public_base_url() -> str:
    """Where browsers reach the API, without a trailing slash; empty when the API's own address is meant."""
    return optional("PUBLIC_BASE_URL").rstrip("/")


def loopback() -> bool:
    """Whether this is a local world: plain http on the loopback interface. Never so in a deployed stack."""
    parts = urlsplit(public_base_url())
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def redirectors() -> Redirectors:
    """Where a browser may be sent."""
    return Redirectors(
        hosts=frozenset(host.lower() for host in words("REDIRECTOR_HOSTS")),
        loopback=loopback(),
        derived_replaces_portal_url=optional("PORTAL_URL_FROM") == "derivedAuthUri",
    )


def first_poll_seconds() -> float:
    """The first wait of the polling schedule."""
    return float(required("FIRST_POLL_SECONDS"))


def retention_seconds() -> float:
    """How long results are kept."""
    return float(required("RETENTION_DAYS")) * 86_400


def return_urls() -> frozenset[str]:
    """The URLs of the app that a browser may come back to."""
    return words("RETURN_URLS")
