"""What OneRecord knows this deployment by: the device token, and outside stage a client certificate."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from portico.adapters import aws
from portico.errors import StorageUnavailable
from portico.secret import Secret

FRESH_SECONDS = 300
# A copy in hand is good for a quarter of an hour while Secrets Manager is down.
USABLE_SECONDS = 900


@dataclass(frozen=True, slots=True)
class DeviceCredentials:
    """The bearer token, and the PEM texts for mutual TLS when there are any."""

    token: Secret
    certificate: Secret | None = None
    private_key: Secret | None = None


class DeviceSecret:
    """Reads the secret and keeps a copy for a while."""

    def __init__(self, arn: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._arn, self._monotonic = arn, monotonic
        self._copy: tuple[float, DeviceCredentials] | None = None

    def get(self) -> DeviceCredentials:
        """The credentials. Raises StorageUnavailable when there are none to be had."""
        now = self._monotonic()
        if self._copy and now - self._copy[0] < FRESH_SECONDS:
            return self._copy[1]
        try:
            with aws.errors():
                text = aws.client("secretsmanager").get_secret_value(SecretId=self._arn)["SecretString"]
            credentials = _parse(text)
        except (StorageUnavailable, BotoCoreError, ClientError, ValueError):
            if self._copy and now - self._copy[0] < USABLE_SECONDS:
                return self._copy[1]
            raise StorageUnavailable from None
        self._copy = now, credentials
        return credentials


def _parse(text: str) -> DeviceCredentials:
    try:
        kept = json.loads(text)
        token, certificate, key = (kept.get(n) for n in ("deviceToken", "certificate", "privateKey"))
    except (ValueError, AttributeError):
        raise ValueError("the device secret is not a JSON object") from None
    if not isinstance(token, str) or not token.strip():
        raise ValueError("the device secret has no deviceToken")
    if not all(isinstance(pem, str | None) for pem in (certificate, key)):
        raise ValueError("the device secret's certificate is not PEM text")
    return DeviceCredentials(
        Secret(token.strip()), Secret(certificate) if certificate else None, Secret(key) if key else None
    )
