"""A patient's tokens: read from the vendor's reply, kept as one sealed bundle (vendor guide, steps 4 and 5)."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portico.errors import PortalUnusable
from portico.secret import Secret

LONGEST_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one connection. `patient_id` is opaque and may be absent (inside the token) or negative."""

    access: Secret
    refresh: Secret | None
    patient_id: Secret | None

    def to_bytes(self) -> bytes:
        """The bundle as it goes under seal."""
        return json.dumps(
            {
                "access": self.access.reveal(),
                "refresh": self.refresh.reveal() if self.refresh else None,
                "patient": self.patient_id.reveal() if self.patient_id else None,
            }
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Tokens":
        """The bundle as it came out of the seal."""
        kept = json.loads(data)
        return cls(Secret(kept["access"]), _maybe(kept["refresh"]), _maybe(kept["patient"]))

    def renewed(self, reply: "TokenReply") -> "Tokens":
        """The bundle after a refresh: a refresh token or patient id that did not come back is kept."""
        return Tokens(
            reply.access,
            reply.refresh or self.refresh,
            reply.patient_id or self.patient_id,
        )


@dataclass(frozen=True, slots=True)
class TokenReply:
    """The vendor's answer to a token request. `expires_in` is a hint in seconds, None when unknown."""

    access: Secret
    refresh: Secret | None
    patient_id: Secret | None
    expires_in: float | None

    @classmethod
    def parse(cls, document: Mapping[str, Any], portal_id: str) -> "TokenReply":
        """Raises PortalUnusable without a token, or when the reply is for another endpoint than asked."""
        token = _token(document.get("token"))
        if token is None:
            raise PortalUnusable
        endpoint = document.get("endpointId")
        if endpoint is not None and endpoint != portal_id:
            raise PortalUnusable
        return cls(
            access=token,
            refresh=_token(document.get("refreshToken")),
            patient_id=_patient(document.get("patId")),
            expires_in=seconds(document.get("tokenExpires")),
        )

    def first(self) -> Tokens:
        """The bundle of a new connection."""
        return Tokens(self.access, self.refresh, self.patient_id)


def seconds(value: object) -> float | None:
    """A lifetime given as string, integer or float; None for absent, zero, negative or garbage."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 < number < 10 * 365 * 86_400 else None


def _token(value: object) -> Secret | None:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TOKEN or not _is_text(value):
        return None
    return Secret(value)


def _is_text(value: str) -> bool:
    """Whether it can be sent again: JSON may escape half of a surrogate pair, which nothing encodes."""
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _patient(value: object) -> Secret | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return Secret(text) if text and len(text) <= 1024 and _is_text(text) else None


def _maybe(value: str | None) -> Secret | None:
    return Secret(value) if value else None
