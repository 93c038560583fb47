import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from portico.attempt import Attempt, State, connected
from portico.connection import Connection, Status
from portico.errors import Cancelled, Conflict, InvalidRequest
from portico.exchange import Activation
from portico.ids import base64url
from portico.refresh import Failure, Renewal
from portico.rewrapping import Sealed
from tests.adapters.stores import Stores, at_once
from tests.samples import NOW, active, attempt_of, fresh_id, fresh_owner, pending

ACTIVATION = Activation(
    status=Status.ACTIVE,
    reason=None,
    tokens=b"sealed",
    generation=1,
    authorized_at=NOW + 60.0,
    token_expires_at=NOW + 3660.5,
    token_lifetime=3600.5,
    refreshable=True,
)
RENEWAL = Renewal(b"renewed", 4, NOW, NOW + 3600.0, 3600.0, True)
FAILURE = Failure(next_refresh_at=NOW + 20.0, failures=3, failing_since=NOW - 60.0, sent=1)
TROUBLED: dict[str, Any] = {"next_refresh_at": NOW - 1, "failures": 2, "failing_since": NOW - 60, "sent": 1}


def started(stores: Stores, connection: Connection, attempt: Attempt) -> tuple[Connection, Attempt]:
    connection = replace(connection, attempt=attempt.key)
    stores.started(connection, attempt)
    return connection, attempt


def begun(stores: Stores) -> tuple[Connection, Attempt]:
    connection = pending()
    return started(stores, connection, attempt_of(connection))


def test_a_connection_reads_back_as_it_was_stored(stores: Stores) -> None:
    bare = stores.put(pending())
    whole = stores.put(
        active(
            attempt="key",
            reason="portal_refused",
            lease_until=NOW + 35.25,
            next_refresh_at=NOW + 20.5,
            refreshed_at=NOW - 10.5,
            sent=2,
            failures=3,
            failing_since=NOW - 99.5,
            last_retrieval={"id": "r", "status": "completed", "finishedAt": "2026-11-25T10:00:00Z"},
        )
    )
    assert stores.connections.get(bare.id) == bare
    assert stores.connections.get(whole.id) == whole


def test_an_unknown_connection_is_none(stores: Stores) -> None:
    assert stores.connections.get(fresh_id()) is None


def test_what_is_no_connection_id_is_no_connection(stores: Stores) -> None:
    assert stores.connections.get("x" * 3000) is None


# --- starting --------------------------------------------------------------------------------------


def test_a_start_stores_connection_attempt_and_roll(stores: Stores) -> None:
    connection, attempt = begun(stores)
    assert stores.connections.get(connection.id) == connection
    assert stores.attempts.get(attempt.key) == attempt
    assert stores.attempts.open_of(connection.owner) == ([attempt], 1)


def test_an_unfinished_connection_is_dropped_after_thirty_days(stores: Stores) -> None:
    connection, _ = begun(stores)
    kept = stores.attribute(stores.connections.name, ("id", connection.id), "ttl")
    assert kept == str(int(NOW) + 30 * 86_400)


def test_an_id_is_started_once(stores: Stores) -> None:
    connection, _ = begun(stores)
    intruder = replace(connection, owner=fresh_owner())
    second = attempt_of(intruder)
    with pytest.raises(Conflict):
        stores.started(intruder, second)
    assert stores.connections.get(connection.id) == connection
    assert stores.attempts.get(second.key) is None


def test_a_start_on_a_roll_that_has_moved_stores_nothing(stores: Stores) -> None:
    first, _ = begun(stores)
    other = pending(first.owner)
    attempt = attempt_of(other)
    stale = stores.attempts.roll_call(first.owner, [attempt.key], 0, NOW)
    with pytest.raises(Conflict):
        stores.connections.start(other, attempt, None, stale, NOW)
    assert stores.connections.get(other.id) is None
    assert stores.attempts.get(attempt.key) is None


def test_a_start_ends_the_earlier_attempt_at_the_same_portal(stores: Stores) -> None:
    first, old = begun(stores)
    second = pending(first.owner)
    attempt = attempt_of(second)
    stores.started(second, attempt, superseded=old)
    ended = stores.attempts.get(old.key)
    assert ended == old.over(State.SUPERSEDED, "superseded")
    assert stores.connections.get(first.id) == replace(first, status=Status.CLOSED, reason="superseded")
    assert stores.attempts.open_of(first.owner) == ([attempt], 2)


def test_a_start_whose_earlier_attempt_has_moved_stores_nothing(stores: Stores) -> None:
    first, old = begun(stores)
    launched = old.becomes(State.LAUNCHED)
    stores.attempts.replace(old, launched)
    second = pending(first.owner)
    with pytest.raises(Conflict):
        stores.started(second, attempt_of(second), superseded=old)
    assert stores.connections.get(second.id) is None
    assert stores.attempts.get(old.key) == launched
    assert stores.connections.get(first.id) == first


def test_a_start_that_ends_a_reconnect_leaves_its_connection_active(stores: Stores) -> None:
    connection = stores.put(active())
    login = stores.put_attempt(attempt_of(connection, reconnect=True))
    second = pending(connection.owner)
    stores.started(second, attempt_of(second), superseded=login)
    assert stores.connections.get(connection.id) == connection


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.REAUTHORIZATION_REQUIRED])
def test_a_restart_points_to_the_new_attempt_and_keeps_the_rest(stores: Stores, status: Status) -> None:
    connection = stores.put(active(status=status, attempt="old"))
    login = attempt_of(connection, reconnect=True)
    roll = stores.attempts.roll_call(connection.owner, [login.key], 0, NOW)
    stores.connections.restart(connection, login, None, roll)
    assert stores.connections.get(connection.id) == replace(connection, attempt=login.key)
    assert stores.attempts.get(login.key) == login


@pytest.mark.parametrize("why", ["deleted", "pending", "another owner"])
def test_a_restart_is_refused_and_stores_nothing_when_the_connection_is(stores: Stores, why: str) -> None:
    connection = active() if why != "pending" else pending()
    if why != "deleted":
        stores.put(connection)
    asked = replace(connection, owner=fresh_owner()) if why == "another owner" else connection
    login = attempt_of(asked, reconnect=True)
    roll = stores.attempts.roll_call(asked.owner, [login.key], 0, NOW)
    with pytest.raises(Conflict):
        stores.connections.restart(asked, login, None, roll)
    assert stores.connections.get(connection.id) == (None if why == "deleted" else connection)
    assert stores.attempts.get(login.key) is None


# --- ending an attempt -----------------------------------------------------------------------------


def test_a_first_attempt_that_fails_closes_its_connection(stores: Stores) -> None:
    connection, attempt = begun(stores)
    over = attempt.over(State.DECLINED, "declined")
    stores.connections.close_of(attempt, over)
    assert stores.attempts.get(attempt.key) == over
    assert stores.connections.get(connection.id) == replace(
        connection, status=Status.CLOSED, reason="declined"
    )


def test_a_reconnect_that_fails_leaves_its_connection_as_it_was(stores: Stores) -> None:
    connection = stores.put(active())
    login = stores.put_attempt(attempt_of(connection, reconnect=True))
    stores.connections.close(connection, login, login.over(State.FAILED, "rejected"))
    assert stores.connections.get(connection.id) == connection


def test_an_attempt_that_has_moved_is_not_closed(stores: Stores) -> None:
    connection, attempt = begun(stores)
    launched = attempt.becomes(State.LAUNCHED)
    stores.attempts.replace(attempt, launched)
    with pytest.raises(Conflict):
        stores.connections.close(connection, attempt, attempt.over(State.FAILED, "portal_error"))
    assert stores.attempts.get(attempt.key) == launched
    assert stores.connections.get(connection.id) == connection


def test_closing_never_brings_a_deleted_connection_back(stores: Stores) -> None:
    connection, attempt = begun(stores)
    stores.connections.delete(connection)
    with pytest.raises(Conflict):
        stores.connections.close(connection, attempt, attempt.over(State.FAILED, "portal_error"))
    assert stores.connections.get(connection.id) is None


# --- activation ------------------------------------------------------------------------------------


def test_an_activation_stores_tokens_and_ends_the_attempt_at_once(stores: Stores) -> None:
    connection, attempt = begun(stores)
    done = connected(attempt, NOW)
    stores.connections.activate(connection, ACTIVATION, attempt, done)
    assert stores.attempts.get(attempt.key) == done
    assert stores.connections.get(connection.id) == replace(
        connection,
        status=Status.ACTIVE,
        tokens=b"sealed",
        generation=1,
        authorized_at=NOW + 60,
        token_expires_at=NOW + 3660.5,
        token_lifetime=3600.5,
        refreshable=True,
        refreshed_at=NOW + 60,
    )


def test_an_active_connection_is_never_dropped(stores: Stores) -> None:
    connection, attempt = begun(stores)
    stores.connections.activate(connection, ACTIVATION, attempt, connected(attempt, NOW))
    assert stores.attribute(stores.connections.name, ("id", connection.id), "ttl") is None


def test_an_activation_can_put_a_connection_on_hold(stores: Stores) -> None:
    connection, attempt = begun(stores)
    held = replace(ACTIVATION, status=Status.HELD, reason="identity_mismatch")
    stores.connections.activate(connection, held, attempt, connected(attempt, NOW))
    stored = stores.connections.get(connection.id)
    assert stored is not None
    assert (stored.status, stored.reason) == (Status.HELD, "identity_mismatch")


def test_an_activation_without_known_lifetime_forgets_the_earlier_one(stores: Stores) -> None:
    connection = stores.put(
        active(attempt="login", lease_until=NOW + 35, reason="portal_refused", **TROUBLED)
    )
    login = stores.put_attempt(attempt_of(connection, key="login", reconnect=True))
    unknown = replace(ACTIVATION, generation=4, token_expires_at=None, token_lifetime=None, refreshable=False)
    stores.connections.activate(connection, unknown, login, connected(login, NOW))
    stored = stores.connections.get(connection.id)
    assert stored is not None
    assert (stored.token_expires_at, stored.token_lifetime, stored.refreshable) == (None, None, False)
    assert (stored.lease_until, stored.reason) == (0, None)
    assert (stored.next_refresh_at, stored.failures, stored.failing_since, stored.sent) == (0, 0, 0, 0)


@pytest.mark.parametrize("moved", ["generation", "attempt", "attempt revision", "deleted"])
def test_an_activation_is_refused_and_changes_nothing_when_moved(stores: Stores, moved: str) -> None:
    connection, attempt = begun(stores)
    now = connection
    if moved == "generation":
        now = stores.put(replace(connection, generation=5))
    elif moved == "attempt":
        now = stores.put(replace(connection, attempt="a newer one"))
    elif moved == "attempt revision":
        stores.attempts.replace(attempt, attempt.becomes(State.LAUNCHED))
    else:
        stores.connections.delete(connection)
    before = stores.attempts.get(attempt.key)
    with pytest.raises(Conflict):
        stores.connections.activate(connection, ACTIVATION, attempt, connected(attempt, NOW))
    assert stores.connections.get(connection.id) == (None if moved == "deleted" else now)
    assert stores.attempts.get(attempt.key) == before


# --- refreshing ------------------------------------------------------------------------------------


def test_a_free_lease_is_taken(stores: Stores) -> None:
    connection = stores.put(active())
    stores.connections.lease(connection, NOW + 35, NOW)
    assert stores.connections.get(connection.id) == replace(connection, lease_until=NOW + 35, sent=1)


def test_a_lease_that_ran_out_is_taken_over(stores: Stores) -> None:
    connection = stores.put(active(lease_until=NOW))
    stores.connections.lease(connection, NOW + 35, NOW)
    assert stores.connections.get(connection.id) == replace(connection, lease_until=NOW + 35, sent=1)


@pytest.mark.parametrize(
    "state",
    [
        {"lease_until": NOW + 0.5},
        {"next_refresh_at": NOW + 0.5},
        {"generation": 4},
        {"sent": 1},
        {"status": Status.REAUTHORIZATION_REQUIRED},
    ],
    ids=["held", "too early", "moved", "sent by another", "not active"],
)
def test_a_lease_is_refused_and_changes_nothing_when(stores: Stores, state: dict[str, Any]) -> None:
    connection = active()
    stored = stores.put(replace(connection, **state))
    with pytest.raises(Conflict):
        stores.connections.lease(connection, NOW + 35, NOW)
    assert stores.connections.get(connection.id) == stored


def test_of_many_who_want_the_lease_one_gets_it(contended: Stores) -> None:
    connection = contended.put(active())
    outcomes = at_once(6, lambda n: contended.connections.lease(connection, NOW + 30 + n, NOW))
    assert outcomes.count(None) == 1
    stored = contended.connections.get(connection.id)
    assert stored is not None
    assert stored.lease_until == NOW + 30 + outcomes.index(None)


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.REAUTHORIZATION_REQUIRED])
def test_a_renewal_is_stored_whoever_holds_the_lease_and_settles_everything(
    stores: Stores, status: Status
) -> None:
    connection = active()
    stores.put(replace(connection, status=status, lease_until=NOW + 99, reason="x", **TROUBLED))
    stores.connections.renew(connection.id, RENEWAL)
    assert stores.connections.get(connection.id) == replace(
        connection,
        tokens=b"renewed",
        generation=4,
        refreshed_at=NOW,
        token_expires_at=NOW + 3600,
        token_lifetime=3600.0,
    )


def test_a_renewal_without_known_lifetime_forgets_the_earlier_one(stores: Stores) -> None:
    connection = stores.put(active())
    stores.connections.renew(connection.id, replace(RENEWAL, token_expires_at=None, token_lifetime=None))
    stored = stores.connections.get(connection.id)
    assert stored is not None
    assert (stored.token_expires_at, stored.token_lifetime) == (None, None)


@pytest.mark.parametrize(
    "state",
    [{"generation": 4}, {"generation": 2}, {"status": Status.CLOSED}, {"status": Status.HELD}],
    ids=["renewed already", "an older one", "closed", "held"],
)
def test_a_renewal_is_refused_and_changes_nothing_when(stores: Stores, state: dict[str, Any]) -> None:
    connection = active()
    stored = stores.put(replace(connection, **state))
    with pytest.raises(Conflict):
        stores.connections.renew(connection.id, RENEWAL)
    assert stores.connections.get(connection.id) == stored


def test_of_two_renewals_of_a_generation_one_is_stored(contended: Stores) -> None:
    connection = contended.put(active())
    outcomes = at_once(
        3,
        lambda n: contended.connections.renew(connection.id, replace(RENEWAL, tokens=f"winner {n}".encode())),
    )
    assert outcomes.count(None) == 1
    stored = contended.connections.get(connection.id)
    assert stored is not None
    assert stored.tokens == f"winner {outcomes.index(None)}".encode()


def test_the_own_lease_is_given_back_with_what_was_learned(stores: Stores) -> None:
    held = stores.put(active(lease_until=NOW + 35, sent=2))
    stores.connections.release(held, FAILURE)
    assert stores.connections.get(held.id) == replace(
        held, lease_until=0, next_refresh_at=NOW + 20, failures=3, failing_since=NOW - 60, sent=1
    )


def test_the_own_lease_marks_a_connection_and_keeps_its_tokens(stores: Stores) -> None:
    held = stores.put(active(lease_until=NOW + 35))
    stores.connections.require_reauthorization(held)
    assert stores.connections.get(held.id) == replace(
        held, status=Status.REAUTHORIZATION_REQUIRED, reason="portal_refused", lease_until=0
    )


@pytest.mark.parametrize(
    "state",
    [{"lease_until": NOW + 36}, {"lease_until": 0}, {"generation": 4}, {"status": Status.CLOSED}],
    ids=["another's lease", "no lease", "moved", "not active"],
)
@pytest.mark.parametrize("write", ["release", "mark"])
def test_without_the_own_lease_nothing_is_written(stores: Stores, write: str, state: dict[str, Any]) -> None:
    held = active(lease_until=NOW + 35)
    stored = stores.put(replace(held, **state))
    with pytest.raises(Conflict):
        if write == "release":
            stores.connections.release(held, FAILURE)
        else:
            stores.connections.require_reauthorization(held)
    assert stores.connections.get(held.id) == stored


def test_no_write_brings_a_deleted_connection_back(stores: Stores) -> None:
    gone = active(lease_until=NOW)
    writes: list[Callable[[], object]] = [
        lambda: stores.connections.lease(gone, NOW + 35, NOW),
        lambda: stores.connections.renew(gone.id, RENEWAL),
        lambda: stores.connections.release(gone, FAILURE),
        lambda: stores.connections.require_reauthorization(gone),
    ]
    for write in writes:
        with pytest.raises(Conflict):
            write()
    assert stores.connections.get(gone.id) is None


# --- deleting and listing --------------------------------------------------------------------------


def test_a_deleted_connection_is_gone_and_cannot_be_deleted_again(stores: Stores) -> None:
    connection = stores.put(active())
    stores.connections.delete(connection)
    assert stores.connections.get(connection.id) is None
    assert stores.connections.owned_by(connection.owner, 10, None).connections == []
    with pytest.raises(Cancelled):
        stores.connections.delete(connection)


def test_nobody_else_deletes_a_connection(stores: Stores) -> None:
    connection = stores.put(active())
    with pytest.raises(Cancelled):
        stores.connections.delete(replace(connection, owner=fresh_owner()))
    assert stores.connections.get(connection.id) == connection


def test_pages_show_the_owners_connections_newest_first_without_loss(stores: Stores) -> None:
    owner = fresh_owner()
    mine = [stores.put(active(owner, created_at=NOW + n / 4)) for n in range(7)]
    stores.put(active(created_at=NOW))
    seen: list[Connection] = []
    cursor, sizes = None, []
    while True:
        page = stores.connections.owned_by(owner, 3, cursor)
        seen += page.connections
        sizes.append(len(page.connections))
        if (cursor := page.next) is None:
            break
    assert seen == mine[::-1]
    assert sizes[:3] == [3, 3, 1]


def test_a_cursor_shows_nobody_elses_connections(stores: Stores) -> None:
    owner = fresh_owner()
    for n in range(3):
        stores.put(active(owner, created_at=NOW + n))
    cursor = stores.connections.owned_by(owner, 1, None).next
    assert stores.connections.owned_by(fresh_owner(), 10, cursor).connections == []


def cursor_of(value: object) -> str:
    return base64url(json.dumps(value).encode())


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "é",
        "bm90IGpzb24",
        cursor_of(7),
        cursor_of(["1795600800.000000"]),
        cursor_of(["1795600800.000000", "short"]),
        cursor_of(["yesterday", "A" * 22]),
        cursor_of(["1795600800", "A" * 22]),
        cursor_of([1795600800, "A" * 22]),
        cursor_of([10**310, "A" * 22]),
        cursor_of([None, None]),
        cursor_of({"a": 1, "b": 2}),
        "A" * 5000,
    ],
)
def test_a_bad_cursor_is_refused(stores: Stores, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        stores.connections.owned_by(fresh_owner(), 10, cursor)
    assert refused.value.field == "cursor"


# --- moving to another key -------------------------------------------------------------------------


def swept(stores: Stores) -> list[Sealed]:
    """What a sweep sees, page after page."""
    rows: list[Sealed] = []
    after = None
    while True:
        page = stores.connections.sealed(after)
        rows += page.rows
        if page.next is None:
            return rows
        after = page.next


def test_a_sweep_sees_every_connection_that_holds_tokens_once(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portico.adapters.connections_table._SCANNED", 2)
    mine = [stores.put(active(generation=n)) for n in range(1, 6)]
    bare = stores.put(pending())
    found = swept(stores)
    assert [row for row in found if row.connection_id == bare.id] == []
    for connection in mine:
        assert found.count(Sealed(connection.id, connection.generation, b"sealed tokens")) == 1


def test_rewrapping_changes_the_sealed_bytes_and_nothing_else(stores: Stores) -> None:
    connection = stores.put(active())
    stores.connections.rewrap(Sealed(connection.id, 3, b"sealed tokens"), b"sealed anew")
    assert stores.connections.get(connection.id) == replace(connection, tokens=b"sealed anew")


@pytest.mark.parametrize("seen", [{"generation": 2}, {"tokens": b"other bytes"}, {"connection_id": "gone"}])
def test_rewrapping_does_nothing_once_the_connection_has_moved(stores: Stores, seen: dict[str, Any]) -> None:
    connection = stores.put(active())
    with pytest.raises(Conflict):
        stores.connections.rewrap(Sealed(connection.id, 3, b"sealed tokens")._replace(**seen), b"sealed anew")
    assert stores.connections.get(connection.id) == connection
    assert stores.connections.get("gone") is None
