"""What ties a browser to its attempt."""

import pytest

from portico import browser

VALUE = "x" * 43


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://api.portico.example")


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "http://127.0.0.1:8080")


@pytest.mark.usefixtures("deployed")
def test_a_deployed_cookie_is_this_hosts_alone_and_not_for_scripts() -> None:
    assert str(browser.cookie(VALUE)) == (
        f"__Host-portico-connect={VALUE}; Path=/; Max-Age=1500; HttpOnly; Secure; SameSite=Lax"
    )


@pytest.mark.usefixtures("local")
def test_on_plain_loopback_the_cookie_does_without_what_needs_https() -> None:
    assert str(browser.cookie(VALUE)) == (
        f"portico-connect={VALUE}; Path=/; Max-Age=1500; HttpOnly; SameSite=Lax"
    )


def test_without_a_public_url_the_cookie_is_the_deployed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBLIC_BASE_URL", raising=False)
    assert browser.cookie_name() == "__Host-portico-connect"


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("cookies", "found"),
    [
        ([f"__Host-portico-connect={VALUE}"], VALUE),
        (["a=b", f" __Host-portico-connect={VALUE} ".strip(), "c=d"], VALUE),
        (None, None),
        ([], None),
        (["__Host-portico-connect="], None),
        (["__Host-portico-connect=short"], None),
        ([f'__Host-portico-connect="{VALUE}"'], None),
        ([f"portico-connect={VALUE}"], None),
        ([f"__host-portico-connect={VALUE}"], None),
        ([f"__Host-portico-connect={VALUE}", f"__Host-portico-connect={VALUE}"], None),
        ([f"__Host-portico-connect={VALUE}", "__Host-portico-connect=other"], None),
    ],
)
def test_a_cookie_counts_only_alone_and_of_its_form(cookies: list[str] | None, found: str | None) -> None:
    assert browser.cookie_of({"cookies": cookies}) == found


def test_an_event_without_cookies_brings_none() -> None:
    assert browser.cookie_of({}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"sec-purpose": "prefetch;anonymous-client-ip"},
        {"Purpose": "prefetch"},
        {"purpose": "Preview"},
        {"X-Purpose": "preview"},
        {"X-Moz": "prefetch"},
    ],
)
def test_t12_a_browser_that_only_looks_ahead_is_known(headers: dict[str, str]) -> None:
    assert browser.is_prefetch(headers)


@pytest.mark.parametrize("headers", [{}, {"purpose": ""}, {"x-moz": "other"}, {"referer": "prefetch"}])
def test_a_person_is_no_prefetch(headers: dict[str, str]) -> None:
    assert not browser.is_prefetch(headers)
