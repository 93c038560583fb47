import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from portico.connection import Status
from sandbox.outside import Outside
from tests.adapters.faults import refusing
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import CONNECTION, Json
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.functions.patients import a_portal, connected
from tests.samples import NOW, OWNER, active

DONE: Json = {"batchItemFailures": []}


@pytest.fixture(autouse=True)
def now(clock: HeldClock) -> None:
    clock.now = NOW


def carrying(case: str, **changes: Any) -> Json:
    """The kept event with another message in it."""
    kept: Json = event("refresh_connection", case)
    message = json.loads(kept["Records"][0]["body"]) | changes
    kept["Records"][0]["body"] = json.dumps(message)
    return kept


def again(kept: Json) -> Json:
    return {"batchItemFailures": [{"itemIdentifier": kept["Records"][0]["messageId"]}]}


def test_what_nobody_told_the_outcome_of_is_tried_again(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, log: StringIO
) -> None:
    connection, reply = connected(stores, outside, a_portal(outside), sent=1)
    assert load("refresh_connection", **vendor)(event("refresh_connection", "retry")) == DONE
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert (stored.generation, stored.sent) == (connection.generation + 1, 0)
    assert outside.count("refresh") == 1
    assert '"reason":"refreshed"' in log.getvalue()
    assert reply.access.reveal() not in log.getvalue()


def test_what_is_settled_is_left_alone(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, log: StringIO
) -> None:
    connection, _ = connected(stores, outside, a_portal(outside))
    assert load("refresh_connection", **vendor)(carrying("retry", generation=2)) == DONE
    assert stores.connections.get(CONNECTION) == connection
    assert outside.count("refresh") == 0
    assert '"reason":"settled"' in log.getvalue()


def test_an_idle_connection_is_kept_alive(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside
) -> None:
    connected(stores, outside, a_portal(outside), refreshed_at=NOW - 86_400)
    assert load("refresh_connection", **vendor)(event("refresh_connection", "keep_alive")) == DONE
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert (stored.generation, stored.refreshed_at) == (4, NOW)


def test_the_schedule_of_a_connection_that_is_gone_is_cancelled(
    load: Load, vendor: dict[str, str], stores: Stores
) -> None:
    connection = stores.put(active(OWNER, id=CONNECTION))
    refresh = load("refresh_connection", **vendor)
    refresh.module.keep_alive.schedule(CONNECTION)
    stores.connections.delete(connection)
    assert refresh(event("refresh_connection", "keep_alive")) == DONE
    scheduler = stores.backend.client("scheduler")
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=CONNECTION, GroupName=stores.backend.schedule_group)


def test_parked_tokens_are_stored_once(
    load: Load, vendor: dict[str, str], stores: Stores, log: StringIO
) -> None:
    stores.put(active(OWNER, id=CONNECTION))
    refresh = load("refresh_connection", **vendor)
    for outcome in ("stored", "superseded"):
        assert refresh(event("refresh_connection", "parked")) == DONE
        assert f'"reason":"{outcome}"' in log.getvalue()
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert (stored.tokens, stored.generation) == (b"fake sealed tokens", 4)
    assert "ZmFrZSBzZWFsZWQgdG9rZW5z" not in log.getvalue()


def test_a_portal_in_trouble_is_left_to_the_next_try(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside
) -> None:
    connection, _ = connected(stores, outside, a_portal(outside), sent=1)
    outside.set_scenario(faults=[{"operation": "refresh", "answer": "500", "calls": 0}])
    assert load("refresh_connection", **vendor)(event("refresh_connection", "retry")) == DONE
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert (stored.status, stored.tokens, stored.sent) == (Status.ACTIVE, connection.tokens, 2)


def test_a_withdrawn_consent_asks_the_patient_once_more(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside
) -> None:
    connection, _ = connected(stores, outside, a_portal(outside), refreshed_at=NOW - 86_400)
    outside.revoke_grants(connection.portal_id)
    assert load("refresh_connection", **vendor)(event("refresh_connection", "keep_alive")) == DONE
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert stored == replace(
        connection,
        status=Status.REAUTHORIZATION_REQUIRED,
        reason="portal_refused",
        sent=stored.sent,
    )


@pytest.mark.parametrize(
    "body", ["not JSON", "[]", '{"kind": "retry"}', '{"kind": "parked", "connectionId": "x", "renewal": {}}']
)
def test_a_message_that_cannot_be_read_comes_again_and_is_told_without_its_text(
    load: Load, vendor: dict[str, str], log: StringIO, body: str
) -> None:
    kept = event("refresh_connection", "retry")
    kept["Records"][0]["body"] = body
    assert load("refresh_connection", **vendor)(kept) == again(kept)
    assert '"unexpected"' in log.getvalue()
    assert "not JSON" not in log.getvalue()


UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb")


@pytest.mark.usefixtures("pauses")
def test_parked_tokens_are_parked_again_while_the_store_is_in_trouble(
    load: Load, vendor: dict[str, str], stores: Stores, log: StringIO
) -> None:
    stores.put(active(OWNER, id=CONNECTION))
    with refusing("dynamodb", "UpdateItem", UNREACHABLE):
        assert load("refresh_connection", **vendor)(event("refresh_connection", "parked")) == DONE
    assert '"reason":"parked again"' in log.getvalue()


@pytest.mark.usefixtures("pauses")
def test_parked_tokens_that_no_store_takes_for_long_come_again(
    load: Load, vendor: dict[str, str], stores: Stores, clock: HeldClock, log: StringIO
) -> None:
    stores.put(active(OWNER, id=CONNECTION))
    clock.now += 30 * 86_400
    kept = event("refresh_connection", "parked")
    with refusing("dynamodb", "UpdateItem", UNREACHABLE):
        assert load("refresh_connection", **vendor)(kept) == again(kept)
    assert '"reason":"storage_unavailable"' in log.getvalue()
