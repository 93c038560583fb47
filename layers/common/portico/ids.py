"""Identifiers and one-time secrets, and how they are kept: only ever as digests.

Randomness is passed in as `random(n) -> n bytes` (`secrets.token_bytes` in the functions).
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable

Random = Callable[[int], bytes]

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7636 appendix A)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def new_id(random: Random) -> str:
    """A public 128-bit identifier, 22 characters."""
    return base64url(random(16))


def new_secret(random: Random) -> str:
    """A 256-bit one-time secret, 43 characters."""
    return base64url(random(32))


def is_secret(value: str) -> bool:
    """Whether `value` has the form of `new_secret`."""
    return _SECRET.fullmatch(value) is not None


def is_id(value: str) -> bool:
    """Whether `value` has the form of `new_id`."""
    return _ID.fullmatch(value) is not None


def digest(value: str) -> str:
    """SHA-256 of a secret, the only form of it that a table holds."""
    return base64url(hashlib.sha256(value.encode()).digest())


def session_of(ticket: str) -> str:
    """The callback's session id, derived one way from the launch ticket.

    Whoever launches can be sent on without the session being stored anywhere; whoever sees a session
    (the redirector, a browser's history) learns nothing about its ticket.
    """
    return base64url(hashlib.sha256(b"portico session\0" + ticket.encode()).digest())


def same(a: str, b: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(a.encode(), b.encode())


def owner_of(issuer: str, subject: str) -> str:
    """The app user as the tables know them: SHA-256 over issuer and subject."""
    return digest(f"{issuer}|{subject}")
