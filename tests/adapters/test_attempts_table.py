from dataclasses import replace

import pytest

from portico.adapters import aws as adapters
from portico.attempt import CONNECTED_SECONDS, LAUNCH_SECONDS, State
from portico.errors import Conflict
from tests.adapters.stores import Stores, at_once
from tests.samples import NOW, attempt_of, fresh_owner, pending

EVERYTHING = {
    "state": State.CODE_HELD,
    "expires_at": NOW + 300.25,
    "preset_state": "preset",
    "cookie": "cookie",
    "handle": "handle",
    "code": b"\x00sealed\xff",
    "code_mark": "mark",
    "code_at": NOW + 12.5,
    "codes": 2,
    "wrong_handles": 3,
    "lease_until": NOW + 35.0,
    "sent": 1,
    "reason": "declined",
    "revision": 7,
}


def test_an_attempt_reads_back_as_it_was_stored(stores: Stores) -> None:
    fresh, whole = attempt_of(pending()), attempt_of(pending(), **EVERYTHING)
    stores.put_attempt(fresh)
    stores.put_attempt(whole)
    assert stores.attempts.get(fresh.key) == fresh
    assert stores.attempts.get(whole.key) == whole


def test_an_unknown_attempt_is_none(stores: Stores) -> None:
    assert stores.attempts.get("unknown") is None


def test_an_attempt_is_dropped_a_day_after_it_is_over(stores: Stores) -> None:
    attempt = stores.put_attempt(attempt_of(pending()))
    kept = stores.attribute(stores.attempts.name, ("key", attempt.key), "ttl")
    assert kept == str(int(NOW) + LAUNCH_SECONDS + 86_400)


def test_a_replacement_of_the_revision_that_was_read_is_stored(stores: Stores) -> None:
    attempt = stores.put_attempt(attempt_of(pending()))
    launched = attempt.becomes(State.LAUNCHED, cookie="digest", expires_at=NOW + 900)
    stores.attempts.replace(attempt, launched)
    assert stores.attempts.get(attempt.key) == launched


def test_a_replacement_of_an_older_revision_is_refused_and_changes_nothing(stores: Stores) -> None:
    attempt = stores.put_attempt(attempt_of(pending()))
    launched = attempt.becomes(State.LAUNCHED, cookie="first")
    stores.attempts.replace(attempt, launched)
    with pytest.raises(Conflict):
        stores.attempts.replace(attempt, attempt.becomes(State.LAUNCHED, cookie="second"))
    assert stores.attempts.get(attempt.key) == launched


def test_an_expired_attempt_cannot_be_moved_on(stores: Stores) -> None:
    attempt = stores.put_attempt(attempt_of(pending()))
    stores.clock.now = attempt.expires_at
    with pytest.raises(Conflict):
        stores.attempts.replace(attempt, attempt.becomes(State.LAUNCHED, expires_at=NOW + 9000))
    assert stores.attempts.get(attempt.key) == attempt


def test_an_expired_attempt_can_be_closed(stores: Stores) -> None:
    attempt = stores.put_attempt(attempt_of(pending(), handle="handle", code=b"code", code_mark="mark"))
    stores.clock.now = attempt.expires_at + 60
    stores.attempts.replace(attempt, attempt.over(State.CANCELLED, "cancelled"))
    stored = stores.attempts.get(attempt.key)
    assert stored is not None
    assert (stored.state, stored.reason) == (State.CANCELLED, "cancelled")
    assert (stored.verifier, stored.handle, stored.code, stored.code_mark) == (None, None, None, None)


def test_a_code_goes_back_to_held_although_the_exchange_outlived_the_attempt(stores: Stores) -> None:
    exchanging = stores.put_attempt(attempt_of(pending(), state=State.EXCHANGING, expires_at=NOW - 1))
    stores.attempts.replace(exchanging, exchanging.becomes(State.CODE_HELD))
    stored = stores.attempts.get(exchanging.key)
    assert stored is not None
    assert stored.state is State.CODE_HELD


def test_an_attempt_that_is_gone_is_not_brought_back(stores: Stores) -> None:
    attempt = attempt_of(pending())
    for after in (attempt.becomes(State.LAUNCHED), attempt.over(State.CANCELLED, "cancelled")):
        with pytest.raises(Conflict):
            stores.attempts.replace(attempt, after)
    assert stores.attempts.get(attempt.key) is None


def test_of_two_writers_at_once_exactly_one_wins(contended: Stores) -> None:
    attempt = contended.put_attempt(attempt_of(pending()))
    outcomes = at_once(
        4,
        lambda n: contended.attempts.replace(attempt, attempt.becomes(State.LAUNCHED, cookie=f"browser {n}")),
    )
    assert [type(o) for o in outcomes if o is not None] == [Conflict] * 3
    winner = outcomes.index(None)
    stored = contended.attempts.get(attempt.key)
    assert stored is not None
    assert stored.cookie == f"browser {winner}"


def test_a_key_is_created_once(stores: Stores) -> None:
    attempt = attempt_of(pending())
    adapters.transact({"Put": stores.attempts.creation(attempt)})
    with pytest.raises(Conflict):
        adapters.transact({"Put": stores.attempts.creation(replace(attempt, portal_id="another"))})
    assert stores.attempts.get(attempt.key) == attempt


# --- who has which attempts open -------------------------------------------------------------------


def test_a_new_owner_has_no_open_attempts(stores: Stores) -> None:
    assert stores.attempts.open_of(fresh_owner()) == ([], 0)


def test_the_roll_gives_the_attempts_that_are_still_there(stores: Stores) -> None:
    connection = pending()
    here = stores.put_attempt(attempt_of(connection))
    roll = stores.attempts.roll_call(connection.owner, [here.key, "dropped"], 0, NOW + 600)
    adapters.transact({"Put": roll})
    assert stores.attempts.open_of(connection.owner) == ([here], 1)


def test_the_roll_is_replaced_only_by_who_has_read_it(stores: Stores) -> None:
    owner = fresh_owner()
    adapters.transact({"Put": stores.attempts.roll_call(owner, ["one"], 0, NOW)})
    adapters.transact({"Put": stores.attempts.roll_call(owner, ["one", "two"], 1, NOW)})
    with pytest.raises(Conflict):
        adapters.transact({"Put": stores.attempts.roll_call(owner, ["mine alone"], 1, NOW)})
    with pytest.raises(Conflict):
        adapters.transact({"Put": stores.attempts.roll_call(owner, ["mine alone"], 0, NOW)})
    assert stores.attempts.open_of(owner) == ([], 2)


def test_a_connected_attempt_is_kept_for_repeated_exchanges(stores: Stores) -> None:
    attempt = stores.put_attempt(attempt_of(pending(), expires_at=NOW + CONNECTED_SECONDS))
    kept = stores.attribute(stores.attempts.name, ("key", attempt.key), "ttl")
    assert kept == str(int(NOW) + CONNECTED_SECONDS + 86_400)


def test_erasing_an_owner_takes_every_attempt_and_the_roll_of_theirs_alone(stores: Stores) -> None:
    owner = fresh_owner()
    mine = [stores.put_attempt(attempt_of(pending(owner), state=state)) for state in State]
    other = stores.put_attempt(attempt_of(pending()))
    adapters.transact({"Put": stores.attempts.roll_call(owner, [mine[0].key], 0, NOW + 600)})
    adapters.transact({"Put": stores.attempts.roll_call(other.owner, [other.key], 0, NOW + 600)})
    assert stores.attempts.delete_all_of(owner) == len(mine)
    assert [stores.attempts.get(attempt.key) for attempt in mine] == [None] * len(mine)
    assert stores.attempts.open_of(owner) == ([], 0)
    assert stores.attempts.open_of(other.owner) == ([other], 1)
    assert stores.attempts.delete_all_of(owner) == 0


def test_an_erased_attempt_is_not_written_again(stores: Stores) -> None:
    attempt = stores.put_attempt(attempt_of(pending()))
    stores.attempts.delete_all_of(attempt.owner)
    with pytest.raises(Conflict):
        stores.attempts.replace(attempt, attempt.becomes(State.LAUNCHED))
    assert stores.attempts.get(attempt.key) is None
