"""The OneRecord client as the functions have it, with credentials that the test holds."""

from dataclasses import dataclass

from portico.adapters.device_secret import DeviceCredentials, DeviceSecret
from portico.adapters.onerecord import OneRecord, OneRecordDirectory, OneRecordIntegrator
from portico.authorization_url import Redirectors
from portico.secret import Secret
from portico.tokens import Tokens
from portico.vendor import Stream
from tests.adapters.stores import HeldClock

DEVICE_TOKEN = "sandbox-device-token"
REDIRECTORS = Redirectors(frozenset({"redirector.example.com"}), loopback=False)
PORTAL_ID = "8a3f0c52-6b1e-4d0e-9a57-1c2f6f0a9b11"


class HeldSecret(DeviceSecret):
    """Credentials in memory."""

    def __init__(self, token: str = DEVICE_TOKEN) -> None:
        self.hold(token)

    def hold(self, token: str, certificate: str | None = None, key: str | None = None) -> None:
        """From here on these."""
        self.held = DeviceCredentials(
            Secret(token), Secret(certificate) if certificate else None, Secret(key) if key else None
        )

    def get(self) -> DeviceCredentials:
        return self.held


@dataclass
class Vendor:
    """Directory and integrator at the given addresses."""

    directory_url: str
    integrator_url: str
    token: str = DEVICE_TOKEN
    redirectors: Redirectors = REDIRECTORS

    def __post_init__(self) -> None:
        self.clock = HeldClock(1000.0)
        self.secret = HeldSecret(self.token)
        self.http = OneRecord(self.secret)
        self.directory = OneRecordDirectory(self.http, self.directory_url, self.redirectors, self.clock)
        self.integrator = OneRecordIntegrator(self.http, self.integrator_url, self.directory_url)


def tokens(access: str, patient: str | None = None, refresh: str | None = None) -> Tokens:
    return Tokens(Secret(access), Secret(refresh) if refresh else None, Secret(patient) if patient else None)


def body(answer: Stream) -> bytes:
    return answer.whole().body
