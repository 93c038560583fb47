"""The Prefer header."""

import pytest

from portico.prefer import respond_async


@pytest.mark.parametrize(
    "headers",
    [
        {"prefer": "respond-async"},
        {"Prefer": "Respond-Async"},
        {"PREFER": "respond-async, wait=10"},
        {"prefer": "handling=lenient , respond-async"},
        {"prefer": "respond-async;x=1"},
    ],
)
def test_a_client_may_rather_be_answered_later(headers: dict[str, str]) -> None:
    assert respond_async(headers)


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {"prefer": ""},
        {"prefer": "wait=10"},
        {"prefer": "respond-asynchronously"},
        {"x": "respond-async"},
    ],
)
def test_otherwise_at_once(headers: dict[str, str] | None) -> None:
    assert not respond_async(headers)
