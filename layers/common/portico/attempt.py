"""A connect attempt: one try of one browser and one app user to authorize a connection, as a state machine.

    created -> launched -> code_held -> exchanging -> connected
         \\________\\___________\\___________\\--> declined, failed, burned, cancelled, superseded, unknown

Nothing here does I/O: each function takes the attempt as read and says what it becomes. Whoever stores the
result does so only if the attempt is still at the revision that was read, and not expired, so each transition
is one conditional write.

The defence against browser swapping (RFC 9700 sections 4.2 and 4.7): the browser that launches is bound by a
cookie; the callback only keeps the code and hands the browser a one-time handle; the app exchanges the handle
with its own JWT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import parse_qsl

from portico.errors import (
    ExchangeInProgress,
    Gone,
    InvalidHandle,
    NotAuthorizedYet,
    NotFound,
    PorticoError,
)
from portico.ids import digest, same

LAUNCH_SECONDS = 600
LOGIN_SECONDS = 900
CODE_SECONDS = 300
LEASE_SECONDS = 35
CONNECTED_SECONDS = 86_400
FRESH_CODE_SECONDS = 60
OPEN_PER_OWNER = 3
CODES_PER_ATTEMPT = 4
WRONG_HANDLES = 6
LONGEST_CODE = 2048
LONGEST_STATE = 1024
# From start to the last moment at which any attempt can still be open.
LONGEST_SECONDS = LAUNCH_SECONDS + LOGIN_SECONDS + CODES_PER_ATTEMPT * CODE_SECONDS + 2 * LEASE_SECONDS


class State(StrEnum):
    """The states; the first four are open."""

    CREATED = "created"
    LAUNCHED = "launched"
    CODE_HELD = "code_held"
    EXCHANGING = "exchanging"
    CONNECTED = "connected"
    DECLINED = "declined"
    FAILED = "failed"
    BURNED = "burned"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


OPEN = frozenset({State.CREATED, State.LAUNCHED, State.CODE_HELD, State.EXCHANGING})


class Fragment(StrEnum):
    """What the problem page explains; the only thing that a browser is told."""

    INVALID = "invalid"
    WRONG_BROWSER = "wrong_browser"
    INCOMPLETE = "incomplete"


class BrowserProblem(Exception):
    """The browser cannot go on here; nothing was changed."""

    def __init__(self, fragment: Fragment) -> None:
        super().__init__(fragment.value)
        self.fragment = fragment


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. Session, cookie, handle and code mark are digests; verifier and code are sealed."""

    key: str
    connection_id: str
    owner: str
    portal_id: str
    return_url: str
    outbound: str
    reconnect: bool
    state: State
    created_at: float
    expires_at: float
    preset_state: str | None = None
    verifier: bytes | None = None
    cookie: str | None = None
    handle: str | None = None
    code: bytes | None = None
    code_mark: str | None = None
    code_at: float = 0
    codes: int = 0
    wrong_handles: int = 0
    lease_until: float = 0
    sent: int = 0
    reason: str | None = None
    revision: int = 0

    def is_open(self, now: float) -> bool:
        """Whether this attempt may still lead to a connection."""
        return self.state in OPEN and now < self.expires_at

    def becomes(self, state: State, **changes: object) -> "Attempt":
        """The next revision in another state."""
        return replace(self, state=state, revision=self.revision + 1, **changes)  # type: ignore[arg-type]

    def over(self, state: State, reason: str) -> "Attempt":
        """Closed: what was secret in it is gone."""
        return self.becomes(state, reason=reason, code=None, verifier=None, handle=None, code_mark=None)


def launch(attempt: Attempt, cookie: str | None, fresh_cookie: str, now: float) -> tuple[Attempt, str]:
    """The first browser to come is bound by a cookie; the same browser may reload. Returns its cookie.

    Raises BrowserProblem for another browser, or when the attempt is over.
    """
    if not attempt.is_open(now) or attempt.state not in (State.CREATED, State.LAUNCHED):
        raise BrowserProblem(Fragment.INVALID)
    if attempt.state is State.CREATED:
        bound = attempt.becomes(State.LAUNCHED, cookie=digest(fresh_cookie), expires_at=now + LOGIN_SECONDS)
        return bound, fresh_cookie
    if cookie is None or not _bound_to(attempt, cookie):
        raise BrowserProblem(Fragment.WRONG_BROWSER)
    return attempt, cookie


@dataclass(frozen=True, slots=True)
class Callback:
    """What the portal sent back, through the redirector (RFC 6749 section 4.1.2). Exactly one of code and error."""

    code: str | None
    state: str | None
    error: str | None

    @classmethod
    def parse(cls, query: str) -> "Callback":
        """Unknown parameters (iss, session_state, scope, status, ...) are ignored. Raises BrowserProblem."""
        try:
            pairs = (
                parse_qsl(query, keep_blank_values=True, max_num_fields=50) if len(query) <= 16_384 else []
            )
        except ValueError:  # more parameters than that
            raise BrowserProblem(Fragment.INCOMPLETE) from None
        values: Mapping[str, Sequence[str]] = {
            name: [value for key, value in pairs if key == name] for name in ("code", "state", "error")
        }
        if any(len(found) > 1 for found in values.values()):
            raise BrowserProblem(Fragment.INCOMPLETE)
        code, state, error = (next(iter(values[name]), "") or None for name in ("code", "state", "error"))
        if (code is None) == (error is None):
            raise BrowserProblem(Fragment.INCOMPLETE)
        if _unfit(code, LONGEST_CODE) or _unfit(state, LONGEST_STATE):
            raise BrowserProblem(Fragment.INCOMPLETE)
        return cls(code, state, error)


def check_callback(attempt: Attempt | None, cookie: str | None, now: float) -> Attempt:
    """The attempt that this browser may bring something back for.

    Unknown, expired and finished attempts all look alike. Raises BrowserProblem.
    """
    if attempt is None or not attempt.is_open(now) or attempt.state is State.EXCHANGING:
        raise BrowserProblem(Fragment.INVALID)
    if attempt.state is State.CREATED or cookie is None or not _bound_to(attempt, cookie):
        raise BrowserProblem(Fragment.WRONG_BROWSER)
    return attempt


def refuse(attempt: Attempt, callback: Callback) -> Attempt:
    """The portal sent an error instead of a code. Raises BrowserProblem when a code is already held."""
    if attempt.state is not State.LAUNCHED:
        raise BrowserProblem(Fragment.INCOMPLETE)
    if callback.error == "access_denied":
        return attempt.over(State.DECLINED, "declined")
    return attempt.over(State.FAILED, "portal_error")


def code_mark(session: str, code: str) -> str:
    """Tells a reloaded callback from one with another code, without keeping the code."""
    return digest(f"{session}|{code}")


def check_state(attempt: Attempt, callback: Callback) -> None:
    """A `state` that the portal's URL had must come back the same, if one comes back. Raises BrowserProblem."""
    if attempt.preset_state and callback.state and not same(state_mark(callback.state), attempt.preset_state):
        raise BrowserProblem(Fragment.INCOMPLETE)


def state_mark(state: str) -> str:
    """Tells one `state` from another without keeping it; a plus may have become a space on its way."""
    return digest(state.replace("+", " "))


def hold(attempt: Attempt, mark: str, sealed_code: bytes, handle: str, now: float) -> Attempt:
    """A code has arrived: kept under seal, and a fresh handle replaces any earlier one.

    The same code again only renews the handle; a different one replaces the code, at most three times.
    Raises BrowserProblem.
    """
    if attempt.state is State.CODE_HELD and attempt.code_mark and same(attempt.code_mark, mark):
        return attempt.becomes(State.CODE_HELD, handle=digest(handle))
    if attempt.codes >= CODES_PER_ATTEMPT:
        raise BrowserProblem(Fragment.INCOMPLETE)
    return attempt.becomes(
        State.CODE_HELD,
        handle=digest(handle),
        code=sealed_code,
        code_mark=mark,
        code_at=now,
        codes=attempt.codes + 1,
        expires_at=now + CODE_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an exchange request comes to: store `attempt`, then raise `error`, or go on, or be done already."""

    attempt: Attempt
    error: PorticoError | None = None
    done: bool = False


def begin_exchange(attempt: Attempt, owner: str, handle: str, now: float) -> Exchange:
    """Whether this user may exchange the held code with this handle, and what the attempt becomes by asking."""
    valid = attempt.handle is not None and same(digest(handle), attempt.handle)
    if not same(attempt.owner, owner):
        if valid and attempt.is_open(now):
            return Exchange(attempt.over(State.BURNED, "burned"), NotFound())
        return Exchange(attempt, NotFound())
    if attempt.state is State.CONNECTED:
        return Exchange(attempt, done=True) if valid else Exchange(attempt, InvalidHandle())
    if attempt.state not in OPEN:
        return Exchange(attempt, Gone(attempt.reason or attempt.state.value))
    if now >= attempt.expires_at and attempt.state is not State.EXCHANGING:
        return Exchange(attempt, Gone("expired"))
    if attempt.state in (State.CREATED, State.LAUNCHED):
        return Exchange(attempt, NotAuthorizedYet())
    leased = attempt.state is State.EXCHANGING and now < attempt.lease_until
    if not valid:
        # Counting would move the attempt away under an exchange that is in flight, and lose its tokens.
        return Exchange(attempt, InvalidHandle()) if leased else _wrong_handle(attempt)
    if leased:
        return Exchange(attempt, ExchangeInProgress(max(1, round(attempt.lease_until - now))))
    if attempt.sent >= 2 or now >= attempt.expires_at:
        return Exchange(attempt.over(State.UNKNOWN, "outcome_unknown"), Gone("outcome_unknown"))
    return Exchange(attempt.becomes(State.EXCHANGING, lease_until=now + LEASE_SECONDS, sent=attempt.sent + 1))


def not_sent(attempt: Attempt, now: float) -> Attempt:
    """The vendor was not reached, or asked to come back: a code younger than a minute is kept for another try."""
    if now - attempt.code_at < FRESH_CODE_SECONDS:
        return attempt.becomes(State.CODE_HELD, lease_until=0, sent=attempt.sent - 1)
    return attempt.over(State.FAILED, "portal_unreachable")


def connected(attempt: Attempt, now: float) -> Attempt:
    """The connection stands; the handle is kept so that a repeated exchange gets the same answer."""
    return attempt.becomes(
        State.CONNECTED,
        code=None,
        verifier=None,
        code_mark=None,
        lease_until=0,
        expires_at=now + CONNECTED_SECONDS,
    )


def _wrong_handle(attempt: Attempt) -> Exchange:
    wrong = attempt.wrong_handles + 1
    counted = replace(attempt, wrong_handles=wrong, revision=attempt.revision + 1)
    if wrong >= WRONG_HANDLES:
        counted = replace(attempt, wrong_handles=wrong).over(State.FAILED, "too_many_wrong_handles")
    return Exchange(counted, InvalidHandle())


def _bound_to(attempt: Attempt, cookie: str) -> bool:
    return attempt.cookie is not None and same(digest(cookie), attempt.cookie)


def _unfit(value: str | None, longest: int) -> bool:
    return value is not None and (len(value) > longest or any(ord(c) < 0x20 or ord(c) == 0x7F for c in value))
