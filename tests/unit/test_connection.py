"""A connection as its app sees it."""

from dataclasses import replace
from typing import Any

import pytest

from portico.connection import Connection, Status
from tests.unit.fakes import START
from tests.unit.samples import ALICE, portal

PENDING = Connection(
    "id", ALICE, "portal", portal().as_json(), Status.PENDING, START, pending_until=START + 2700
)
ACTIVE = replace(
    PENDING,
    status=Status.ACTIVE,
    attempt="attempt's key",
    authorized_at=START + 60,
    token_expires_at=START + 3660,
    refreshable=True,
    generation=1,
    tokens=b"sealed",
    last_retrieval={"id": "r", "status": "completed", "finishedAt": "2026-11-24T09:40:00Z"},
)


def test_an_active_connection_shows_everything_but_its_secrets() -> None:
    assert ACTIVE.as_json(START) == {
        "id": "id",
        "status": "active",
        "portal": portal().as_json(),
        "createdAt": "2026-11-24T09:30:00Z",
        "authorizedAt": "2026-11-24T09:31:00Z",
        "tokenExpiresAt": "2026-11-24T10:31:00Z",
        "refreshable": True,
        "lastRetrieval": {"id": "r", "status": "completed", "finishedAt": "2026-11-24T09:40:00Z"},
    }


def test_what_is_not_known_is_null() -> None:
    shown = PENDING.as_json(START)
    assert (shown["authorizedAt"], shown["tokenExpiresAt"], shown["lastRetrieval"]) == (None, None, None)
    assert "reason" not in shown


@pytest.mark.parametrize(
    ("changes", "later", "told"),
    [
        ({}, 2699, (Status.PENDING, None)),
        ({}, 2700, (Status.CLOSED, "abandoned")),
        ({"status": Status.CLOSED, "reason": "declined"}, 9999, (Status.CLOSED, "declined")),
        ({"status": Status.ACTIVE}, 9999, (Status.ACTIVE, None)),
        ({"status": Status.HELD, "reason": "seal_broken"}, 9999, (Status.HELD, "seal_broken")),
    ],
)
def test_a_login_that_nobody_finished_was_abandoned(
    changes: dict[str, Any], later: float, told: object
) -> None:
    assert replace(PENDING, **changes).status_at(START + later) == told


def test_a_closed_connection_says_why() -> None:
    shown = replace(PENDING, status=Status.CLOSED, reason="declined").as_json(START)
    assert (shown["status"], shown["reason"]) == ("closed", "declined")
