"""Instants: RFC 3339 outside, seconds inside."""

import pytest

from portico import instants


def test_an_instant_is_shown_in_utc_by_whole_seconds() -> None:
    assert instants.rfc3339(1_795_512_600.999) == "2026-11-24T09:30:00Z"


def test_an_instant_is_shown_with_milliseconds_to_the_vendor() -> None:
    assert instants.rfc3339_millis(1_795_512_600.123) == "2026-11-24T09:30:00.123Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T09:30:00Z",
        "2026-11-24t09:30:00z",
        "2026-11-24T04:30:00-05:00",
        "2026-11-24T15:00:00+05:30",
        "2026-11-24T09:30:00.000Z",
        "2026-11-24T09:30:00.000000000Z",
    ],
)
def test_every_spelling_of_an_instant_is_read(text: str) -> None:
    assert instants.parse(text) == 1_795_512_600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1795512600",
        "2026-11-24",
        "2026-11-24T09:30:00",
        "2026-11-24 09:30:00Z",
        "2026-11-24T09:30Z",
        "2026-11-24T09Z",
        "20261124T093000Z",
        "2026-W48-2T09:30:00Z",
        "2026-13-24T09:30:00Z",
        "2026-02-29T09:30:00Z",
        "2026-11-24T25:00:00Z",
        "2026-11-24T09:30:00+0530",
        "2026-11-24T09:30:00 Z",
        "２026-11-24T09:30:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_anything_else_is_no_instant(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        instants.parse(text)
