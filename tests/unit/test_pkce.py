"""Proof Key for Code Exchange by the letter of RFC 7636."""

import re
from base64 import urlsafe_b64decode

import pytest

from portico import pkce
from tests.unit.fakes import Randomness


def test_t07_the_vector_of_rfc_7636_appendix_b_holds() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert pkce.challenge(verifier, pkce.Method.S256) == challenge


def test_a_plain_challenge_is_the_verifier_itself() -> None:
    assert pkce.challenge("a-verifier", pkce.Method.PLAIN) == "a-verifier"


def test_a_verifier_has_the_longest_form_that_the_rfc_allows() -> None:
    verifier = pkce.new_verifier(Randomness())
    assert re.fullmatch(r"[A-Za-z0-9_-]{128}", verifier)
    assert len(urlsafe_b64decode(verifier)) == 96


def test_no_two_verifiers_are_alike() -> None:
    random = Randomness()
    assert len({pkce.new_verifier(random) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("asked", "method"),
    [
        ([], None),
        ([""], pkce.Method.S256),
        (["  "], pkce.Method.S256),
        (["S256"], pkce.Method.S256),
        (["s256"], pkce.Method.S256),
        (["plain"], pkce.Method.PLAIN),
        (["pLaIn"], pkce.Method.PLAIN),
        (["plain", "S256"], pkce.Method.S256),
        (["plain", ""], pkce.Method.S256),
    ],
)
def test_the_stronger_method_of_those_asked_for_is_taken(
    asked: list[str], method: pkce.Method | None
) -> None:
    assert pkce.method_asked(asked) == method


@pytest.mark.parametrize("word", ["S512", "none", "S-256", "plain,S256"])
def test_t07_a_method_that_the_rfc_does_not_know_is_refused_even_beside_a_known_one(word: str) -> None:
    with pytest.raises(pkce.UnsupportedMethod):
        pkce.method_asked(["S256", word])
