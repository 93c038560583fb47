import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from portico.adapters.device_secret import FRESH_SECONDS, USABLE_SECONDS, DeviceSecret
from portico.errors import StorageUnavailable
from tests.adapters.faults import failing, refusing
from tests.adapters.stores import HeldClock
from tests.backends import Backend
from tests.samples import fresh_id


@dataclass
class Kept:
    """A secret, how it is read, and a clock to move."""

    backend: Backend
    arn: str
    clock: HeldClock

    def __post_init__(self) -> None:
        self.device = DeviceSecret(self.arn, self.clock)

    def change(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.backend.client("secretsmanager").put_secret_value(SecretId=self.arn, SecretString=text)


@pytest.fixture
def kept(aws: Backend) -> Kept:
    made = aws.client("secretsmanager").create_secret(
        Name=fresh_id(), SecretString=json.dumps({"deviceToken": "first"})
    )
    return Kept(aws, made["ARN"], HeldClock())


def test_the_token_is_read(kept: Kept) -> None:
    credentials = kept.device.get()
    assert credentials.token.reveal() == "first"
    assert (credentials.certificate, credentials.private_key) == (None, None)


def test_the_certificate_is_read_along(kept: Kept) -> None:
    kept.change({"deviceToken": " first\n", "certificate": "CERT", "privateKey": "KEY"})
    credentials = kept.device.get()
    assert credentials.certificate is not None
    assert credentials.private_key is not None
    assert (
        credentials.token.reveal(),
        credentials.certificate.reveal(),
        credentials.private_key.reveal(),
    ) == (
        "first",
        "CERT",
        "KEY",
    )


def test_nothing_of_it_prints(kept: Kept) -> None:
    assert "first" not in repr(kept.device.get())


def test_a_fresh_copy_costs_no_call(kept: Kept) -> None:
    kept.device.get()
    kept.clock.now += FRESH_SECONDS - 1
    with failing("secretsmanager", "GetSecretValue", "AccessDeniedException") as failed:
        assert kept.device.get().token.reveal() == "first"
    assert failed == []


def test_a_changed_secret_is_seen_after_five_minutes(kept: Kept) -> None:
    kept.device.get()
    kept.change({"deviceToken": "second"})
    assert kept.device.get().token.reveal() == "first"
    kept.clock.now += FRESH_SECONDS
    assert kept.device.get().token.reveal() == "second"


OUTAGES = ["InternalServiceError", "ThrottlingException", "AccessDeniedException", "DecryptionFailure"]


@pytest.mark.parametrize("code", OUTAGES)
def test_during_an_outage_the_copy_serves_a_quarter_of_an_hour(
    kept: Kept, code: str, pauses: list[float]
) -> None:
    kept.device.get()
    with failing("secretsmanager", "GetSecretValue", code):
        kept.clock.now += USABLE_SECONDS - 1
        assert kept.device.get().token.reveal() == "first"
        kept.clock.now += 1
        with pytest.raises(StorageUnavailable):
            kept.device.get()
    assert kept.device.get().token.reveal() == "first"


@pytest.mark.parametrize("code", OUTAGES)
def test_without_a_copy_an_outage_is_told(kept: Kept, code: str, pauses: list[float]) -> None:
    with failing("secretsmanager", "GetSecretValue", code), pytest.raises(StorageUnavailable):
        kept.device.get()


def test_an_unreachable_store_is_told(kept: Kept, pauses: list[float]) -> None:
    unreachable = EndpointConnectionError(endpoint_url="https://secretsmanager")
    with refusing("secretsmanager", "GetSecretValue", unreachable), pytest.raises(StorageUnavailable):
        kept.device.get()


BAD = [
    "not JSON",
    "[]",
    "7",
    {},
    {"deviceToken": ""},
    {"deviceToken": "  "},
    {"deviceToken": 7},
    {"deviceToken": None},
    {"token": "elsewhere"},
    {"deviceToken": "first", "certificate": 7, "privateKey": "KEY"},
    {"deviceToken": "first", "certificate": "CERT", "privateKey": {}},
]


@pytest.mark.parametrize("value", BAD, ids=str)
def test_a_secret_that_cannot_be_used_is_told_without_its_text(kept: Kept, value: Any) -> None:
    kept.change(value)
    with pytest.raises(StorageUnavailable) as refused:
        kept.device.get()
    assert str(refused.value) == "StorageUnavailable"
    assert refused.value.__suppress_context__


def test_a_secret_that_was_spoilt_meanwhile_leaves_the_copy_in_use(kept: Kept) -> None:
    kept.device.get()
    kept.change("spoilt")
    kept.clock.now += FRESH_SECONDS
    assert kept.device.get().token.reveal() == "first"
