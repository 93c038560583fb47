"""TLS to OneRecord: the server is verified, and outside stage the device shows its own certificate."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from portico.errors import PortalUnreachable, StorageUnavailable
from portico.secret import Secret
from tests.adapters.certificates import Authority
from tests.adapters.recorder import Answer, Recorder, recording
from tests.adapters.vendor import DEVICE_TOKEN, Vendor

TOKEN = {"token": "at-1"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("a public authority")


@pytest.fixture(scope="module")
def clients() -> Authority:
    return Authority("who signs devices")


@pytest.fixture(autouse=True)
def trusted(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authorities that the client knows."""
    (tmp_path / "authorities.pem").write_text(authority.pem)
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "authorities.pem"))


@pytest.fixture
def server(authority: Authority, clients: Authority, tmp_path: Path) -> Iterator[Recorder]:
    with recording(authority.server_context(tmp_path, "127.0.0.1", client=clients)) as recorder:
        recorder.answers = lambda _: Answer(TOKEN)
        yield recorder


def refresh(vendor: Vendor) -> None:
    vendor.integrator.refresh("portal", Secret("rt"))


def test_the_certificate_of_the_secret_is_shown(server: Recorder, clients: Authority) -> None:
    vendor, device = Vendor(server.url, server.url), clients.issue("device one")
    vendor.secret.hold(DEVICE_TOKEN, device.certificate, device.key)
    refresh(vendor)
    assert server.last.certificate == "device one"
    assert server.last.headers["authorization"] == f"Bearer {DEVICE_TOKEN}"


def test_without_a_certificate_nothing_is_sent(server: Recorder) -> None:
    with pytest.raises(PortalUnreachable):
        refresh(Vendor(server.url, server.url))
    assert server.requests == []


def test_a_certificate_of_another_authority_gets_nowhere(server: Recorder, authority: Authority) -> None:
    vendor, device = Vendor(server.url, server.url), authority.issue("device one")
    vendor.secret.hold(DEVICE_TOKEN, device.certificate, device.key)
    with pytest.raises(PortalUnreachable):
        refresh(vendor)
    assert server.requests == []


def test_a_new_certificate_is_shown_from_the_next_request_on(server: Recorder, clients: Authority) -> None:
    vendor = Vendor(server.url, server.url)
    for name in ("device one", "device two"):
        device = clients.issue(name)
        vendor.secret.hold(DEVICE_TOKEN, device.certificate, device.key)
        refresh(vendor)
    assert [request.certificate for request in server.requests] == ["device one", "device two"]


def test_no_key_stays_behind_in_a_file(
    server: Recorder, clients: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    vendor, device = Vendor(server.url, server.url), clients.issue("device one")
    vendor.secret.hold(DEVICE_TOKEN, device.certificate, device.key)
    refresh(vendor)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("spoilt", ["certificate", "key", "pair"])
def test_a_secret_that_holds_no_usable_certificate_is_told_without_its_text(
    server: Recorder, clients: Authority, spoilt: str
) -> None:
    vendor, device, other = Vendor(server.url, server.url), clients.issue("one"), clients.issue("two")
    certificate = "nonsense" if spoilt == "certificate" else device.certificate
    key = {"certificate": device.key, "key": "nonsense", "pair": other.key}[spoilt]
    vendor.secret.hold(DEVICE_TOKEN, certificate, key)
    with pytest.raises(StorageUnavailable) as refused:
        refresh(vendor)
    assert str(refused.value) == "StorageUnavailable"
    assert server.requests == []


def test_a_server_of_an_unknown_authority_is_sent_nothing(tmp_path: Path) -> None:
    context = Authority("nobody knows it").server_context(tmp_path, "127.0.0.1", client=None)
    with recording(context) as server, pytest.raises(PortalUnreachable):
        refresh(Vendor(server.url, server.url))
    assert server.requests == []


def test_a_server_under_another_name_is_sent_nothing(authority: Authority, tmp_path: Path) -> None:
    context = authority.server_context(tmp_path, "127.0.0.2", client=None)
    with recording(context) as server, pytest.raises(PortalUnreachable):
        refresh(Vendor(server.url, server.url))
    assert server.requests == []


def test_a_server_without_tls_is_sent_nothing() -> None:
    with recording() as server, pytest.raises(PortalUnreachable):
        refresh(Vendor(server.url, server.url.replace("http:", "https:")))
    assert server.requests == []
