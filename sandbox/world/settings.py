"""What the local world is told from outside, read once from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.world.emulator import ROOT

DEFAULT_PORT = 8080
SANDBOX_DEVICE_TOKEN = "sandbox-device-token"


class SettingsError(ValueError):
    """A variable of the environment has a value that cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """The defaults are the sandbox on port 8080; `port` 0 takes a free one."""

    port: int = DEFAULT_PORT
    directory_url: str | None = None
    integrator_url: str | None = None
    redirector_hosts: str | None = None
    device_token: str = SANDBOX_DEVICE_TOKEN
    return_urls: tuple[str, ...] = ()
    webhook_url: str | None = None
    poll_seconds: int | None = None
    wait_scale: float = 1.0
    recording: Path | None = None
    """Where all that the stack says to AWS is written down; nothing is, when not given."""
    stack: str = "portico-local"
    template: Path = ROOT / "template.yaml"
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        def text(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        return cls(
            port=_number(environment, "PORT", DEFAULT_PORT, 65535),
            directory_url=_url(environment, "PORTICO_DIRECTORY_URL"),
            integrator_url=_url(environment, "PORTICO_INTEGRATOR_URL"),
            redirector_hosts=text("PORTICO_REDIRECTOR_HOSTS"),
            device_token=text("PORTICO_DEVICE_TOKEN") or SANDBOX_DEVICE_TOKEN,
            return_urls=_list(environment.get("PORTICO_RETURN_URLS", "")),
            webhook_url=_url(environment, "PORTICO_WEBHOOK_URL"),
            poll_seconds=_optional_number(environment, "PORTICO_POLL_SECONDS", 300),
        )

    def allowed_return_urls(self, api: str) -> tuple[str, ...]:
        """The return URLs that the stack accepts: as told, else those of the patient app."""
        return self.return_urls or (f"{api}/app/", f"{api}/app/return")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _url(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name, "").strip().rstrip("/")
    if value and not value.startswith(("http://", "https://")):
        raise SettingsError(f"{name} must be an http(s) URL")
    return value or None


def _number(environment: Mapping[str, str], name: str, default: int, largest: int) -> int:
    value = environment.get(name, "").strip() or str(default)
    if not (value.isascii() and value.isdigit()) or int(value) > largest:
        raise SettingsError(f"{name} must be a whole number from 0 to {largest}")
    return int(value)


def _optional_number(environment: Mapping[str, str], name: str, largest: int) -> int | None:
    return _number(environment, name, 0, largest) if environment.get(name, "").strip() else None
