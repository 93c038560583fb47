"""A patient's tokens: what of the vendor's reply is believed, and what is kept."""

from typing import Any

import pytest

from portico.errors import PortalUnusable
from portico.secret import Secret
from portico.tokens import LONGEST_TOKEN, TokenReply, Tokens, seconds

GUIDE_REPLY: dict[str, Any] = {
    "patId": "12312-21213",
    "token": "957b880d-8e6f-4fba-82cf-b1c8359cb832",
    "tokenExpires": "28799",
    "refreshToken": "74cf555d-545c-4bfb-8563-a0f0a9261999",
    "endpointId": "a05bfae7-d8a0-42fa-8159-c0305066ab37",
}
PORTAL = GUIDE_REPLY["endpointId"]


def parse(**fields: Any) -> TokenReply:
    return TokenReply.parse(GUIDE_REPLY | fields, PORTAL)


def test_the_guides_own_reply_is_read_whole() -> None:
    assert parse() == TokenReply(
        access=Secret("957b880d-8e6f-4fba-82cf-b1c8359cb832"),
        refresh=Secret("74cf555d-545c-4bfb-8563-a0f0a9261999"),
        patient_id=Secret("12312-21213"),
        expires_in=28799.0,
    )


def test_a_token_alone_is_enough() -> None:
    assert TokenReply.parse({"token": "t"}, PORTAL) == TokenReply(Secret("t"), None, None, None)


@pytest.mark.parametrize("token", [None, "", "  ", 7, True, ["t"], {"t": 1}, "x" * (LONGEST_TOKEN + 1)])
def test_without_a_usable_token_a_reply_is_unusable(token: object) -> None:
    with pytest.raises(PortalUnusable):
        parse(token=token)


@pytest.mark.parametrize("endpoint", ["8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f", "", 7])
def test_t06_a_reply_for_another_endpoint_is_unusable(endpoint: object) -> None:
    with pytest.raises(PortalUnusable):
        parse(endpointId=endpoint)


@pytest.mark.parametrize("endpoint", [None, PORTAL])
def test_a_reply_may_leave_its_endpoint_out(endpoint: object) -> None:
    assert parse(endpointId=endpoint).access


@pytest.mark.parametrize("refresh", [None, "", " ", 7, ["r"], "x" * (LONGEST_TOKEN + 1)])
def test_a_refresh_token_that_is_none_is_absent(refresh: object) -> None:
    assert parse(refreshToken=refresh).refresh is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("12312-21213", "12312-21213"),
        (" 7 ", "7"),
        (-20140000000001, "-20140000000001"),
        ("-20140000000001", "-20140000000001"),
        (None, None),
        ("", None),
        (True, None),
        (["1"], None),
        ("x" * 1025, None),
    ],
)
def test_a_patient_id_is_opaque_text(given: object, kept: str | None) -> None:
    assert parse(patId=given).patient_id == (Secret(kept) if kept else None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("28799", 28799.0),
        (28799, 28799.0),
        (16768.523842, 16768.523842),
        ("16768.523842", 16768.523842),
        (" 3600 ", 3600.0),
        (0, None),
        ("0", None),
        (-1, None),
        ("-3600", None),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        ("nan", None),
        ("inf", None),
        (1e300, None),
        ("9" * 5000, None),
        (10**400, None),
        ([3600], None),
    ],
)
def test_a_lifetime_is_a_positive_number_of_seconds_or_unknown(given: object, expected: float | None) -> None:
    assert seconds(given) == expected


def test_a_bundle_comes_out_of_its_bytes_as_it_went_in() -> None:
    for tokens in (parse().first(), TokenReply.parse({"token": "é"}, PORTAL).first()):
        assert Tokens.from_bytes(tokens.to_bytes()) == tokens


def test_renewing_keeps_what_did_not_come_back() -> None:
    before = parse().first()
    bare = TokenReply.parse({"token": "new"}, PORTAL)
    assert before.renewed(bare) == Tokens(Secret("new"), before.refresh, before.patient_id)


def test_renewing_takes_what_came_back() -> None:
    other = parse(token="new", refreshToken="next", patId="9")
    assert parse().first().renewed(other) == Tokens(Secret("new"), Secret("next"), Secret("9"))


def test_no_token_shows_in_a_repr() -> None:
    shown = repr((parse(), parse().first()))
    assert not any(str(GUIDE_REPLY[name]) in shown for name in ("token", "refreshToken", "patId"))
