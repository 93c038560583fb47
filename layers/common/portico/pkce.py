"""Proof Key for Code Exchange (RFC 7636), as a portal's own URLs ask for it."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

from portico.ids import Random, base64url


class Method(StrEnum):
    """`code_challenge_method` values of RFC 7636 section 4.3."""

    S256 = "S256"
    PLAIN = "plain"


class UnsupportedMethod(ValueError):
    """A portal asks for a challenge method that RFC 7636 does not define."""


def method_asked(values: Sequence[str]) -> Method | None:
    """The method that a portal's URLs ask for: None without the parameter, S256 when it is empty.

    Any letter case is accepted; URLs that disagree are settled for the stronger S256.
    Raises UnsupportedMethod for any other word.
    """
    methods = set()
    for value in values:
        match value.strip().lower():
            case "" | "s256":
                methods.add(Method.S256)
            case "plain":
                methods.add(Method.PLAIN)
            case _:
                raise UnsupportedMethod
    if not methods:
        return None
    return Method.S256 if Method.S256 in methods else Method.PLAIN


def new_verifier(random: Random) -> str:
    """A `code_verifier` of 128 characters, the most that section 4.1 allows: 768 bits."""
    return base64url(random(96))


def verifier_of(ticket: str) -> str:
    """The verifier of a login whose portal wants it in the open (`plain`): whoever launches can make it again.

    There the challenge is the verifier, so that the URL as stored has `stand_in` in its place.
    """
    return base64url(hashlib.sha512(b"portico verifier\0" + ticket.encode()).digest())


def stand_in(verifier: str) -> str:
    """What is stored in the place of a challenge that says its verifier; it tells nothing of it."""
    return challenge(verifier, Method.S256)


def challenge(verifier: str, method: Method) -> str:
    """The `code_challenge` of section 4.2."""
    if method is Method.PLAIN:
        return verifier
    return base64url(hashlib.sha256(verifier.encode("ascii")).digest())
