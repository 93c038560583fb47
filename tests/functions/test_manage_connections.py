from io import StringIO

import pytest

from portico.attempt import State
from portico.connection import Connection
from portico.ids import owner_of
from portico.records_request import RecordsRequest
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import CONNECTION, NOT_FOUND, Json, at, by_another, invalid, ok, told
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import NOW, OWNER, active, attempt_of, pending, retrieval_of

LIST, READ, DELETE = (event("manage_connections", case) for case in ("list", "read", "delete"))


@pytest.fixture(autouse=True)
def now(clock: HeldClock) -> None:
    clock.now = NOW


@pytest.fixture
def connection(stores: Stores) -> Connection:
    return stores.put(active(OWNER, id=CONNECTION))


def of(event_: Json, sub: str, **query: str) -> Json:
    """The same request of a user that no other test has."""
    changed = by_another(event_)
    changed["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = sub
    return changed | ({"queryStringParameters": query} if query else {})


def test_a_user_without_connections_sees_none(load: Load) -> None:
    assert told(load("manage_connections")(of(LIST, "new"))) == ok(200, {"connections": [], "next": None})


def test_connections_are_listed_newest_first_page_by_page(load: Load, stores: Stores) -> None:
    owner = owner_of("https://login.example.com", "collector")
    mine = [stores.put(active(owner, created_at=NOW + n)) for n in range(3)]
    manage = load("manage_connections")
    first = told(manage(of(LIST, "collector", limit="2")))
    assert first["body"]["connections"] == [mine[2].as_json(NOW), mine[1].as_json(NOW)]
    second = told(manage(of(LIST, "collector", limit="2", cursor=first["body"]["next"])))
    assert second["body"]["connections"] == [mine[0].as_json(NOW)]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"limit": "0"}, "limit must be a whole number from 1 to 100."),
        ({"limit": "1e3"}, "limit must be a whole number from 1 to 100."),
        ({"cursor": "nonsense"}, "cursor must be a cursor that a previous page gave."),
        ({"cursor": ""}, "cursor must be a cursor that a previous page gave."),
    ],
)
def test_a_bad_parameter_is_named(load: Load, query: dict[str, str], detail: str) -> None:
    assert told(load("manage_connections")(of(LIST, "new", **query))) == invalid(detail)


def test_a_connection_is_shown_without_anything_secret(load: Load, connection: Connection) -> None:
    answer = told(load("manage_connections")(READ))
    assert answer == ok(200, connection.as_json(NOW))
    assert set(answer["body"]) == {
        "id",
        "status",
        "portal",
        "createdAt",
        "authorizedAt",
        "tokenExpiresAt",
        "refreshable",
        "lastRetrieval",
    }


@pytest.mark.parametrize("request_", [READ, DELETE], ids=["read", "delete"])
def test_another_users_connection_is_not_found_and_stays(
    load: Load, stores: Stores, connection: Connection, request_: Json
) -> None:
    assert told(load("manage_connections")(by_another(request_))) == NOT_FOUND
    assert stores.connections.get(CONNECTION) == connection


@pytest.mark.parametrize("request_", [READ, DELETE], ids=["read", "delete"])
@pytest.mark.parametrize("id_", ["unknownConnection2026a", "x", "x" * 3000])
def test_what_does_not_exist_is_not_found(load: Load, request_: Json, id_: str) -> None:
    assert told(load("manage_connections")(at(request_, id=id_))) == NOT_FOUND


def test_a_token_without_a_subject_owns_nothing(load: Load, connection: Connection) -> None:
    request = by_another(READ)
    del request["requestContext"]["authorizer"]["jwt"]["claims"]["sub"]
    assert told(load("manage_connections")(request)) == NOT_FOUND


def test_a_deleted_connection_is_gone_with_everything_of_it(
    load: Load, stores: Stores, connection: Connection, log: StringIO
) -> None:
    login = stores.put_attempt(attempt_of(connection, reconnect=True))
    stores.put(active(OWNER, id=CONNECTION, attempt=login.key))
    running = stores.retrievals.start(retrieval_of(connection))
    other = stores.retrievals.start(retrieval_of(connection, request=RecordsRequest(("Coverage",))))
    s3 = stores.backend.client("s3")
    s3.put_object(Bucket=stores.backend.bucket, Key=f"{other.prefix}/file", Body=b"{}")
    manage = load("manage_connections")
    answer = told(manage(DELETE))
    assert (answer["status"], answer["body"]) == (204, "")
    assert stores.connections.get(CONNECTION) is None
    assert stores.retrievals.get(running.id) is None
    assert stores.retrievals.of_connection(CONNECTION) == []
    assert "Contents" not in s3.list_objects_v2(Bucket=stores.backend.bucket, Prefix=other.prefix)
    ended = stores.attempts.get(login.key)
    assert ended is not None
    assert ended.state is State.CANCELLED
    assert told(manage(DELETE)) == NOT_FOUND
    assert told(manage(READ)) == NOT_FOUND
    assert OWNER not in log.getvalue()


def test_an_unfinished_connection_can_be_deleted(load: Load, stores: Stores) -> None:
    stores.put(pending(OWNER, id=CONNECTION))
    assert told(load("manage_connections")(DELETE))["status"] == 204
    assert stores.connections.get(CONNECTION) is None
