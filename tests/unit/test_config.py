"""The deployment's settings."""

import pytest

from portico import config
from portico.authorization_url import Redirectors


def test_a_missing_or_empty_setting_fails_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENS_KEY", raising=False)
    with pytest.raises(config.MissingSetting, match=r"^TOKENS_KEY$"):
        config.required("TOKENS_KEY")
    monkeypatch.setenv("TOKENS_KEY", "")
    with pytest.raises(config.MissingSetting, match=r"^TOKENS_KEY$"):
        config.required("TOKENS_KEY")


def test_a_list_is_read_by_its_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETURN_URLS", " https://a.example/x ,, com.example:/y,")
    assert config.return_urls() == {"https://a.example/x", "com.example:/y"}


def test_the_public_url_loses_its_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://api.portico.example/")
    assert config.public_base_url() == "https://api.portico.example"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:8080", True),
        ("https://127.0.0.1:8080", False),
        ("http://api.portico.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://user@127.0.0.1@evil.example", False),
        ("https://api.portico.example", False),
        ("", False),
    ],
)
def test_only_plain_http_on_loopback_is_a_local_world(
    monkeypatch: pytest.MonkeyPatch, url: str, local: bool
) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", url)
    assert config.loopback() is local


def test_redirectors_are_the_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://api.portico.example")
    monkeypatch.setenv("REDIRECTOR_HOSTS", "Redirector.OneRecord.com, r.example:8443")
    monkeypatch.delenv("PORTAL_URL_FROM", raising=False)
    assert config.redirectors() == Redirectors(frozenset({"redirector.onerecord.com", "r.example:8443"}))
    monkeypatch.setenv("PORTAL_URL_FROM", "derivedAuthUri")
    assert config.redirectors().derived_replaces_portal_url


def test_numbers_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_POLL_SECONDS", "0.2")
    monkeypatch.setenv("RETENTION_DAYS", "7")
    assert (config.first_poll_seconds(), config.retention_seconds()) == (0.2, 604_800)
