"""What can go wrong, by name. No HTTP here: `api.py` decides how each is told.

PorticoError
├── InvalidRequest            the caller's input is wrong; names the field
├── InvalidHandle             the one-time handle does not belong to this attempt
├── NotFound                  no such thing for this caller
├── NotAuthorizedYet          the patient has not come back from the portal
├── ConnectionHeld            the connection is held back until somebody looks
├── ReauthorizationRequired   the portal no longer honours this connection
├── DifferentPatient          a reconnect brought back somebody else
├── AuthorizationRejected     the portal refused the authorization code
├── Gone                      it was there, and is over; carries the reason
├── ResultTooLarge            more than this route or function may hold
├── PortalRejected            the portal refused a request for good
├── PortalUnusable            an answer that cannot be used
├── ResultExpired             the vendor's copy of a finished result is gone
├── ResultMalformed           a result that is not what it claims to be
├── RetrievalFailed           an asynchronous retrieval ended badly; carries the reason
├── RetrievalOverdue          no result within the deadline
├── SealBroken                sealed data does not open in its own place
├── Defect                    anything unexpected inside a workflow task, without its text
├── Cancelled                 the thing worked on was cancelled or deleted meanwhile
└── Retryable                 nothing is lost: try again (`retry_after` seconds when known)
    ├── TooManyRequests           the caller is over a limit
    ├── ExchangeInProgress        the same exchange runs right now
    ├── RefreshInProgress         another worker refreshes this connection right now
    ├── PortalUnreachable         nothing was sent
    ├── PortalBusy                the vendor asks to back off
    ├── PortalUnclear             sent, and the outcome is unknown
    ├── PortalTimeout             sent, and no complete answer in time
    ├── DeviceTokenRefused        OneRecord refuses our own token; no patient's connection is at fault
    ├── StorageUnavailable        AWS did not answer, or throttles
    │   └── KeyUnavailable            the tokens key is disabled, being deleted, or another one
    └── Conflict                  somebody else changed the same item first
"""


class PorticoError(Exception):
    """Root of everything that this package raises on purpose. Texts never carry secrets or health data."""

    @classmethod
    def named(cls) -> str:
        """The error's name in the wire vocabulary, e.g. `ResultExpired` -> `result_expired`."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")

    @property
    def reason(self) -> str:
        """What went wrong, in one word of a fixed vocabulary."""
        return self.named()


class InvalidRequest(PorticoError):
    """The request is malformed: `field` names the part, `problem` says what is expected of it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class InvalidHandle(PorticoError):
    """A handle was shown that does not belong to the attempt."""


class NotFound(PorticoError):
    """No such thing exists for this caller; whether it exists for another is not told."""


class NotAuthorizedYet(PorticoError):
    """The patient has not come back from the portal."""


class ConnectionHeld(PorticoError):
    """The connection is held back: its patient could not be verified, or its tokens were tampered with."""


class ReauthorizationRequired(PorticoError):
    """The portal no longer honours the connection; the patient has to log in again."""


class DifferentPatient(PorticoError):
    """A reconnect was finished by a login of another patient; nothing was changed."""


class AuthorizationRejected(PorticoError):
    """The portal refused the authorization code."""


class Gone(PorticoError):
    """It existed and is over; `why` is from a fixed vocabulary."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class ResultTooLarge(PorticoError):
    """An answer exceeds the cap of the call that wanted it."""


class PortalRejected(PorticoError):
    """The vendor or the portal refused the request for good; `status` is what it said.

    `explicit` when it named the grant as the reason, which no passing trouble does.
    """

    def __init__(self, status: int, *, explicit: bool = False) -> None:
        super().__init__(f"refused with status {status}")
        self.status, self.explicit = status, explicit


class PortalUnusable(PorticoError):
    """An answer that cannot be used: not JSON, wrong types, an empty token, another endpoint's id."""


class ResultExpired(PorticoError):
    """A result had been ready and is no longer kept by the vendor."""


class ResultMalformed(PorticoError):
    """A result is truncated, not JSON, too deep or not FHIR; `why` is from a fixed vocabulary."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class RetrievalFailed(PorticoError):
    """A retrieval ended without a result; `why` is from a fixed vocabulary."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class RetrievalOverdue(PorticoError):
    """The vendor had no result within the deadline."""


class SealBroken(PorticoError):
    """Sealed data does not open in its own place: it was tampered with, or moved."""


class Cancelled(PorticoError):
    """The thing worked on was cancelled or deleted meanwhile."""


class Defect(PorticoError):
    """Anything unexpected inside a workflow task; the text stays behind, since it could hold input."""


class Retryable(PorticoError):
    """Nothing is lost; the same request may be made again after `retry_after` seconds."""

    default_retry_after = 5

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__(type(self).__name__)
        self.retry_after = self.default_retry_after if retry_after is None else retry_after


class TooManyRequests(Retryable):
    """The caller is over a limit."""


class ExchangeInProgress(Retryable):
    """The same exchange runs right now."""


class RefreshInProgress(Retryable):
    """Another worker refreshes this connection right now, and its access token is no longer good."""


class PortalUnreachable(Retryable):
    """No connection to the vendor could be made: nothing was sent."""


class PortalBusy(Retryable):
    """The vendor asks to back off (429, 503)."""

    default_retry_after = 30


class PortalUnclear(Retryable):
    """The request was sent and its outcome is unknown: reset, truncated, 5xx."""


class PortalTimeout(PortalUnclear):
    """The request was sent and no complete answer came within the total deadline."""


class DeviceTokenRefused(Retryable):
    """OneRecord refuses this deployment's own device token; no patient's connection is at fault."""

    default_retry_after = 60


class StorageUnavailable(Retryable):
    """An AWS service did not answer in time, or throttles."""


class KeyUnavailable(StorageUnavailable):
    """The tokens key is disabled, being deleted, or not the one that sealed this; an operator has to look."""

    default_retry_after = 60


class Conflict(Retryable):
    """Somebody else changed the same item first, and kept doing so."""

    default_retry_after = 1
