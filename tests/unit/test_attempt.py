"""The connect attempt: every row of its tables of states, of bad callbacks and of exchanges."""

from dataclasses import replace
from typing import Any

import pytest

from portico import attempt as attempts
from portico.attempt import Attempt, BrowserProblem, Callback, Exchange, Fragment, State
from portico.errors import ExchangeInProgress, Gone, InvalidHandle, NotAuthorizedYet, NotFound, PorticoError
from portico.ids import digest
from tests.unit.fakes import START as NOW
from tests.unit.samples import ALICE, BOB

COOKIE, OTHER_COOKIE, HANDLE, OTHER_HANDLE = "cookie", "other cookie", "handle", "other handle"
CODE, STATE = Callback("code", None, None), "7f3a"
DENIED, BROKEN = Callback(None, None, "access_denied"), Callback(None, None, "server_error")


def created(**fields: Any) -> Attempt:
    return replace(
        Attempt(
            key="key",
            connection_id="connection",
            owner=ALICE,
            portal_id="portal",
            return_url="https://app.example/connected",
            outbound="https://redirector.onerecord.com/outbound/?portalURL=x",
            reconnect=False,
            state=State.CREATED,
            created_at=NOW,
            expires_at=NOW + 600,
            verifier=b"sealed verifier",
        ),
        **fields,
    )


def launched(**fields: Any) -> Attempt:
    return created(
        **{"state": State.LAUNCHED, "cookie": digest(COOKIE), "expires_at": NOW + 900, "revision": 1} | fields
    )


def code_held(**fields: Any) -> Attempt:
    return launched(
        **{
            "state": State.CODE_HELD,
            "handle": digest(HANDLE),
            "code": b"sealed code",
            "code_mark": "mark",
            "code_at": NOW,
            "codes": 1,
            "expires_at": NOW + 300,
            "revision": 2,
        }
        | fields
    )


def exchanging(**fields: Any) -> Attempt:
    return code_held(
        **{"state": State.EXCHANGING, "lease_until": NOW + 35, "sent": 1, "revision": 3} | fields
    )


def connected(**fields: Any) -> Attempt:
    return attempts.connected(exchanging(), NOW) if not fields else replace(connected(), **fields)


CLOSED = [State.DECLINED, State.FAILED, State.BURNED, State.CANCELLED, State.SUPERSEDED, State.UNKNOWN]
OVER = [pytest.param(code_held().over(state, state.value), id=state.value) for state in CLOSED] + [
    pytest.param(connected(), id="connected")
]


def refused(fragment: Fragment) -> Any:
    return pytest.raises(BrowserProblem, match=f"^{fragment.value}$")


# --- created, launched -----------------------------------------------------------------------------


def test_the_first_browser_to_launch_is_bound_by_a_fresh_cookie_for_fifteen_minutes() -> None:
    assert attempts.launch(created(), None, COOKIE, NOW + 599) == (
        created(
            state=State.LAUNCHED,
            cookie=digest(COOKIE),
            expires_at=NOW + 599 + 900,
            revision=1,
        ),
        COOKIE,
    )


def test_a_cookie_that_a_browser_brings_along_binds_nothing() -> None:
    bound, cookie = attempts.launch(created(), "planted", COOKIE, NOW)
    assert (bound.cookie, cookie) == (digest(COOKIE), COOKIE)


def test_the_bound_browser_may_reload_the_launch_and_changes_nothing() -> None:
    assert attempts.launch(launched(), COOKIE, "fresh", NOW) == (launched(), COOKIE)


@pytest.mark.parametrize("cookie", [None, "", OTHER_COOKIE])
def test_t01_a_second_browser_cannot_launch_a_launched_attempt(cookie: str | None) -> None:
    with refused(Fragment.WRONG_BROWSER):
        attempts.launch(launched(), cookie, "fresh", NOW)


@pytest.mark.parametrize(
    "attempt", [created(expires_at=NOW), launched(expires_at=NOW), code_held(), exchanging()]
)
def test_an_expired_or_further_attempt_cannot_be_launched(attempt: Attempt) -> None:
    with refused(Fragment.INVALID):
        attempts.launch(attempt, COOKIE, "fresh", NOW)


@pytest.mark.parametrize("attempt", OVER)
def test_a_finished_attempt_cannot_be_launched(attempt: Attempt) -> None:
    with refused(Fragment.INVALID):
        attempts.launch(attempt, COOKIE, "fresh", NOW)


# --- the callback's query --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "callback"),
    [
        ("code=abc", Callback("abc", None, None)),
        ("code=abc&state=xyz", Callback("abc", "xyz", None)),
        ("code=abc&state=", Callback("abc", None, None)),
        ("code=a%2Bb%2Fc%3D%3D&state=a+b", Callback("a+b/c==", "a b", None)),
        ("code=" + "x" * 2048, Callback("x" * 2048, None, None)),
        ("code=abc&state=" + "y" * 1024, Callback("abc", "y" * 1024, None)),
        (
            "error=access_denied&error_description=No&state=s&error_uri=u",
            Callback(None, "s", "access_denied"),
        ),
        ("code=&error=access_denied", Callback(None, None, "access_denied")),
        (
            "code=abc&status=ok&iss=https%3A%2F%2Fidp&session_state=1&scope=a+b",
            Callback("abc", None, None),
        ),
        ("code=abc&iss=1&iss=2", Callback("abc", None, None)),
    ],
)
def test_a_callback_is_read_whatever_else_comes_along(query: str, callback: Callback) -> None:
    assert Callback.parse(query) == callback


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="nothing"),
        pytest.param("state=xyz", id="neither code nor error"),
        pytest.param("code=", id="empty code"),
        pytest.param("code", id="code without value"),
        pytest.param("error=", id="empty error"),
        pytest.param("code=abc&error=access_denied", id="both"),
        pytest.param("code=abc&code=abc", id="code twice"),
        pytest.param("code=abc&code=", id="code twice, once empty"),
        pytest.param("code=abc&state=1&state=2", id="state twice"),
        pytest.param("error=a&error=b", id="error twice"),
        pytest.param("code=abc&c%6Fde=abc", id="code twice, once in disguise"),
        pytest.param("code=" + "x" * 2049, id="code too long"),
        pytest.param("code=abc&state=" + "y" * 1025, id="state too long"),
        pytest.param("code=a%00b", id="NUL"),
        pytest.param("code=a%0Ab", id="line feed"),
        pytest.param("code=a%7Fb", id="DEL"),
        pytest.param("code=abc&state=a%0D", id="control in state"),
        pytest.param("code=abc&pad=" + "z" * 16_384, id="huge query"),
        pytest.param("code=abc" + "&a=1" * 60, id="many parameters"),
        pytest.param("CODE=abc", id="another name"),
    ],
)
def test_a_callback_that_is_not_whole_is_incomplete(query: str) -> None:
    with refused(Fragment.INCOMPLETE):
        Callback.parse(query)


# --- who may come back -----------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [launched(), code_held()])
def test_the_bound_browser_may_come_back(attempt: Attempt) -> None:
    assert attempts.check_callback(attempt, COOKIE, NOW) is attempt


@pytest.mark.parametrize("cookie", [None, "", OTHER_COOKIE])
@pytest.mark.parametrize("attempt", [created(), launched(), code_held()])
def test_t01_without_the_cookie_nothing_comes_back(attempt: Attempt, cookie: str | None) -> None:
    with refused(Fragment.WRONG_BROWSER):
        attempts.check_callback(attempt, cookie, NOW)


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(None, id="unknown"),
        pytest.param(launched(expires_at=NOW), id="expired"),
        pytest.param(code_held(expires_at=NOW), id="code expired"),
        pytest.param(exchanging(), id="exchanging"),
        *OVER,
    ],
)
@pytest.mark.parametrize("cookie", [None, COOKIE, OTHER_COOKIE])
def test_t04_unknown_expired_and_finished_sessions_look_alike_to_every_browser(
    attempt: Attempt | None, cookie: str | None
) -> None:
    with refused(Fragment.INVALID):
        attempts.check_callback(attempt, cookie, NOW)


# --- state -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "came"),
    [
        (None, None),
        (None, "anything"),
        (STATE, STATE),
        (STATE, None),
        ("a b/c==", "a b/c=="),
        ("a+b", "a b"),
        ("a+b", "a+b"),
    ],
)
def test_a_state_may_stay_away_or_come_back_the_same(preset: str | None, came: str | None) -> None:
    attempt = launched(preset_state=attempts.state_mark(preset) if preset else None)
    attempts.check_state(attempt, Callback("code", came, None))


@pytest.mark.parametrize("came", ["7f3b", "7f3", "7F3A", "7f3a "])
def test_another_state_than_the_preset_one_is_incomplete(came: str) -> None:
    with refused(Fragment.INCOMPLETE):
        attempts.check_state(launched(preset_state=attempts.state_mark(STATE)), Callback("code", came, None))


# --- declined, failed ------------------------------------------------------------------------------


def test_a_patient_who_declines_ends_the_attempt_and_its_secrets() -> None:
    assert attempts.refuse(launched(), DENIED) == launched(
        state=State.DECLINED, reason="declined", verifier=None, revision=2
    )


def test_any_other_error_of_the_portal_fails_the_attempt() -> None:
    assert attempts.refuse(launched(), BROKEN) == launched(
        state=State.FAILED, reason="portal_error", verifier=None, revision=2
    )


def test_an_error_after_a_code_changes_nothing() -> None:
    with refused(Fragment.INCOMPLETE):
        attempts.refuse(code_held(), DENIED)


# --- code held -------------------------------------------------------------------------------------


def test_a_code_is_held_for_five_minutes_behind_a_handle() -> None:
    held = attempts.hold(launched(), "mark", b"sealed code", HANDLE, NOW + 60)
    assert held == code_held(code_at=NOW + 60, expires_at=NOW + 360)


def test_t13_the_same_code_again_only_renews_the_handle() -> None:
    held = attempts.hold(code_held(), "mark", b"", OTHER_HANDLE, NOW + 60)
    assert held == code_held(handle=digest(OTHER_HANDLE), revision=3)


def test_another_code_replaces_the_one_before_and_its_time() -> None:
    held = attempts.hold(code_held(), "other mark", b"other code", OTHER_HANDLE, NOW + 60)
    assert held == code_held(
        code=b"other code",
        code_mark="other mark",
        handle=digest(OTHER_HANDLE),
        code_at=NOW + 60,
        codes=2,
        expires_at=NOW + 360,
        revision=3,
    )


def test_a_code_is_replaced_three_times_and_no_more() -> None:
    attempt = launched()
    for ordinal in range(4):
        attempt = attempts.hold(attempt, f"mark {ordinal}", b"code", HANDLE, NOW)
    with refused(Fragment.INCOMPLETE):
        attempts.hold(attempt, "mark 4", b"code", HANDLE, NOW)
    assert attempts.hold(attempt, "mark 3", b"", OTHER_HANDLE, NOW).handle == digest(OTHER_HANDLE)


def test_a_codes_mark_is_its_sessions_own() -> None:
    marks = {attempts.code_mark(s, c) for s in ("one", "two") for c in ("abc", "abd")}
    assert len(marks) == 4
    assert not any("abc" in mark for mark in marks)


# --- exchange --------------------------------------------------------------------------------------


def begin(attempt: Attempt, owner: str = ALICE, handle: str = HANDLE, now: float = NOW) -> Exchange:
    return attempts.begin_exchange(attempt, owner, handle, now)


def told(exchange: Exchange) -> tuple[type[PorticoError] | None, str | None]:
    error = exchange.error
    return (type(error), error.why if isinstance(error, Gone) else None) if error else (None, None)


def test_owner_and_handle_take_the_lease_that_outlives_the_function() -> None:
    assert begin(code_held(), now=NOW + 10) == Exchange(exchanging(lease_until=NOW + 45))


@pytest.mark.parametrize("attempt", [created(), launched()])
@pytest.mark.parametrize("handle", [HANDLE, "guess"])
def test_before_the_callback_nothing_is_authorized_yet_and_nothing_is_counted(
    attempt: Attempt, handle: str
) -> None:
    step = begin(attempt, handle=handle)
    assert step.attempt is attempt
    assert told(step) == (NotAuthorizedYet, None)


@pytest.mark.parametrize("attempt", [code_held(), exchanging(), exchanging(lease_until=NOW)])
def test_t01_a_valid_handle_with_another_users_jwt_burns_the_attempt(attempt: Attempt) -> None:
    step = begin(attempt, owner=BOB)
    assert step.attempt == attempt.over(State.BURNED, "burned")
    assert told(step) == (NotFound, None)


@pytest.mark.parametrize(
    "attempt",
    [created(), launched(), code_held(), exchanging(), code_held(expires_at=NOW)],
)
def test_t17_another_user_without_the_handle_is_told_nothing_and_changes_nothing(attempt: Attempt) -> None:
    step = begin(attempt, owner=BOB, handle="guess")
    assert step.attempt is attempt
    assert told(step) == (NotFound, None)


@pytest.mark.parametrize("attempt", [*OVER, pytest.param(code_held(expires_at=NOW), id="expired")])
def test_a_handle_burns_nothing_once_the_attempt_is_over(attempt: Attempt) -> None:
    step = begin(attempt, owner=BOB)
    assert step.attempt is attempt
    assert told(step) == (NotFound, None)


def test_a_wrong_handle_of_the_owners_is_counted() -> None:
    step = begin(code_held(), handle="guess")
    assert step.attempt == code_held(wrong_handles=1, revision=3)
    assert told(step) == (InvalidHandle, None)


def test_the_sixth_wrong_handle_closes_the_attempt() -> None:
    step = begin(code_held(wrong_handles=5), handle="guess")
    assert step.attempt == code_held(
        wrong_handles=6,
        state=State.FAILED,
        reason="too_many_wrong_handles",
        code=None,
        verifier=None,
        handle=None,
        code_mark=None,
        revision=3,
    )
    assert told(step) == (InvalidHandle, None)


def test_while_exchanging_the_owner_is_asked_to_come_back() -> None:
    step = begin(exchanging(), now=NOW + 10)
    assert step.attempt == exchanging()
    assert isinstance(step.error, ExchangeInProgress)
    assert step.error.retry_after == 25


def test_a_late_or_wrong_handle_does_not_disturb_an_exchange_under_way() -> None:
    step = begin(exchanging(), handle="an earlier handle", now=NOW + 10)
    assert step.attempt == exchanging()
    assert told(step) == (InvalidHandle, None)


def test_after_a_lost_lease_the_code_is_sent_once_more() -> None:
    assert begin(exchanging(), now=NOW + 35) == Exchange(exchanging(lease_until=NOW + 70, sent=2, revision=4))


def test_after_a_second_lost_lease_the_outcome_is_unknown() -> None:
    step = begin(exchanging(sent=2), now=NOW + 35)
    assert step.attempt == exchanging(sent=2).over(State.UNKNOWN, "outcome_unknown")
    assert told(step) == (Gone, "outcome_unknown")


def test_a_lease_lost_when_the_code_is_too_old_ends_unknown() -> None:
    step = begin(exchanging(), now=NOW + 300)
    assert step.attempt.state is State.UNKNOWN
    assert told(step) == (Gone, "outcome_unknown")


def test_the_same_handle_after_success_is_done() -> None:
    assert begin(connected(), now=NOW + 3600) == Exchange(connected(), done=True)


def test_another_handle_after_success_is_invalid_and_changes_nothing() -> None:
    step = begin(connected(), handle="guess")
    assert step.attempt == connected()
    assert told(step) == (InvalidHandle, None)


@pytest.mark.parametrize("state", CLOSED)
@pytest.mark.parametrize("handle", [HANDLE, "guess"])
def test_after_the_end_the_owner_is_told_its_reason(state: State, handle: str) -> None:
    over = code_held().over(state, f"because {state.value}")
    step = begin(over, handle=handle)
    assert step.attempt is over
    assert told(step) == (Gone, f"because {state.value}")


@pytest.mark.parametrize("attempt", [created(), launched(), code_held()])
def test_after_its_time_the_owner_is_told_that_it_expired(attempt: Attempt) -> None:
    step = begin(attempt, now=attempt.expires_at)
    assert step.attempt is attempt
    assert told(step) == (Gone, "expired")


# --- after the answer ------------------------------------------------------------------------------


def test_a_young_code_that_was_not_sent_is_held_again_at_no_cost() -> None:
    assert attempts.not_sent(exchanging(), NOW + 59) == exchanging(
        state=State.CODE_HELD, lease_until=0, sent=0, revision=4
    )


def test_a_code_of_a_minute_that_was_not_sent_fails() -> None:
    over = attempts.not_sent(exchanging(), NOW + 60)
    assert over == exchanging().over(State.FAILED, "portal_unreachable")


def test_success_forgets_every_secret_but_the_handles_digest() -> None:
    done = attempts.connected(exchanging(), NOW + 5)
    assert done == exchanging(
        state=State.CONNECTED,
        code=None,
        verifier=None,
        code_mark=None,
        lease_until=0,
        expires_at=NOW + 5 + 86_400,
        revision=4,
    )


@pytest.mark.parametrize("state", CLOSED)
def test_a_closed_attempt_holds_no_secret(state: State) -> None:
    over = exchanging().over(state, "why")
    assert (over.code, over.verifier, over.handle, over.code_mark) == (None, None, None, None)
    assert (over.state, over.reason, over.revision) == (state, "why", 4)
    assert not over.is_open(NOW)


def test_no_attempt_can_stay_open_longer_than_the_longest_time() -> None:
    attempt, now = created(), NOW + 599
    attempt, _ = attempts.launch(attempt, None, COOKIE, now)
    for ordinal in range(4):
        now = attempt.expires_at - 1
        attempt = attempts.hold(attempt, str(ordinal), b"", HANDLE, now)
    assert attempt.expires_at <= NOW + attempts.LONGEST_SECONDS
