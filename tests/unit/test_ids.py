"""Identifiers and one-time secrets: their forms, and that only digests are kept."""

import re
import secrets

import pytest

from portico import ids
from tests.unit.fakes import Randomness


def test_an_id_has_128_bits_in_22_characters() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", ids.new_id(secrets.token_bytes))
    assert ids.new_id(lambda n: b"\xff" * n) == "_" * 21 + "w"


def test_a_secret_has_256_bits_in_43_characters() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", ids.new_secret(secrets.token_bytes))


def test_what_was_made_has_the_form_that_is_checked() -> None:
    random = Randomness()
    assert all(ids.is_id(ids.new_id(random)) for _ in range(50))
    assert all(ids.is_secret(ids.new_secret(random)) for _ in range(50))


@pytest.mark.parametrize(
    "value", ["", "x" * 21, "x" * 23, "x" * 21 + "=", "x" * 21 + "\n", "é" * 22, "x" * 22 + "\n"]
)
def test_another_form_is_no_id(value: str) -> None:
    assert not ids.is_id(value)


@pytest.mark.parametrize("value", ["", "x" * 42, "x" * 44, "x" * 42 + "+", "x" * 43 + "\n", "٣" * 43])
def test_another_form_is_no_secret(value: str) -> None:
    assert not ids.is_secret(value)


def test_base64url_has_no_padding_and_no_letters_that_a_url_changes() -> None:
    assert [ids.base64url(data) for data in (b"", b"\xfb", b"\xfb\xff", b"\xfb\xff\xfe")] == [
        "",
        "-w",
        "-_8",
        "-__-",
    ]


def test_a_digest_is_sha_256() -> None:
    assert ids.digest("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"


def test_t04_a_session_tells_nothing_of_its_ticket_and_its_key_nothing_of_either() -> None:
    ticket = ids.new_secret(Randomness())
    session = ids.session_of(ticket)
    assert ids.is_secret(session)
    assert session == ids.session_of(ticket)
    assert len({ticket, session, ids.digest(ticket), ids.digest(session)}) == 4


def test_equality_takes_any_text() -> None:
    assert ids.same("é", "é")
    assert not ids.same("a", "b")
    assert not ids.same("a", "aa")
    assert ids.same("", "")


def test_t21_an_owner_is_a_digest_of_issuer_and_subject() -> None:
    owner = ids.owner_of("https://id.example", "alice")
    assert ids.is_secret(owner)
    assert owner == ids.digest("https://id.example|alice")
    assert "alice" not in owner


def test_users_of_different_issuers_are_different_owners() -> None:
    pairs = [("https://a", "x"), ("https://b", "x"), ("https://a", "y")]
    assert len({ids.owner_of(*pair) for pair in pairs}) == 3
