"""AWS's errors in our words, and the transaction that the tables share."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from portico.adapters import aws as adapters
from portico.errors import Conflict, StorageUnavailable
from tests.adapters.faults import failing, refusing
from tests.adapters.stores import Stores
from tests.backends import Backend
from tests.samples import active, attempt_of, fresh_owner, pending

THROTTLES = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]


def put(aws: Backend, key: str, condition: str = "attribute_not_exists(#key)") -> dict[str, Any]:
    item = {"key": {"S": key}}
    names = {"#key": "key"}
    return {
        "TableName": aws.attempts,
        "Item": item,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
    }


@pytest.mark.parametrize("code", [*THROTTLES, "InternalServerError"])
def test_a_table_in_trouble_is_told_after_three_tries(stores: Stores, code: str, pauses: list[float]) -> None:
    connection = stores.put(active())
    with failing("dynamodb", "GetItem", code, status=500 if code.startswith("Internal") else 400) as failed:
        with pytest.raises(StorageUnavailable):
            stores.connections.get(connection.id)
        assert len(failed) == 3
    assert stores.connections.get(connection.id) == connection


@pytest.mark.parametrize("error", [ReadTimeoutError, ConnectTimeoutError])
def test_a_network_that_fails_is_told(stores: Stores, error: type[Exception], pauses: list[float]) -> None:
    failure = error(endpoint_url="https://dynamodb")  # type: ignore[call-arg]
    with refusing("dynamodb", "GetItem", failure), pytest.raises(StorageUnavailable):
        stores.connections.get(active().id)


def test_trouble_while_listing_is_told(stores: Stores, pauses: list[float]) -> None:
    for call in (
        lambda: stores.connections.owned_by(fresh_owner(), 10, None),
        lambda: stores.retrievals.of_connection(active().id),
    ):
        with failing("dynamodb", "Query", "ThrottlingException"), pytest.raises(StorageUnavailable):
            call()


def test_trouble_with_a_write_is_told_and_not_taken_for_a_conflict(
    stores: Stores, pauses: list[float]
) -> None:
    attempt = stores.put_attempt(attempt_of(pending()))
    with failing("dynamodb", "PutItem", "ThrottlingException"), pytest.raises(StorageUnavailable):
        stores.attempts.replace(attempt, attempt.over(attempt.state, "x"))


def test_a_missing_permission_is_a_defect(stores: Stores) -> None:
    with failing("dynamodb", "GetItem", "AccessDeniedException"), pytest.raises(ClientError):
        stores.connections.get(active().id)


def test_a_transaction_is_all_or_nothing(aws: Backend) -> None:
    first, second = fresh_owner(), fresh_owner()
    adapters.transact({"Put": put(aws, first)})
    with pytest.raises(Conflict):
        adapters.transact({"Put": put(aws, second)}, {"Put": put(aws, first)})
    found = aws.client("dynamodb").get_item(TableName=aws.attempts, Key={"key": {"S": second}})
    assert "Item" not in found


@pytest.fixture
def tokens(aws: Backend) -> Iterator[list[str]]:
    """The idempotency tokens of the transactions that were sent."""
    seen: list[str] = []

    def note(params: dict[str, Any], **_: object) -> None:
        seen.append(params["ClientRequestToken"])

    events = adapters.client("dynamodb").meta.events
    events.register("before-parameter-build.dynamodb.TransactWriteItems", note)
    yield seen
    events.unregister("before-parameter-build.dynamodb.TransactWriteItems", note)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> list[float]:
    """The pauses between a transaction's tries, which are not waited."""
    seconds: list[float] = []
    monkeypatch.setattr("portico.adapters.aws.time", SimpleNamespace(sleep=seconds.append))
    return seconds


def test_a_transaction_that_met_another_is_tried_again(
    aws: Backend, waited: list[float], tokens: list[str]
) -> None:
    key = fresh_owner()
    with failing("dynamodb", "TransactWriteItems", "TransactionInProgressException", times=2) as failed:
        adapters.transact({"Put": put(aws, key)})
    assert len(failed) == 2
    found = aws.client("dynamodb").get_item(TableName=aws.attempts, Key={"key": {"S": key}})
    assert "Item" in found


def test_a_transaction_that_cannot_get_through_is_told(
    aws: Backend, waited: list[float], tokens: list[str]
) -> None:
    with failing("dynamodb", "TransactWriteItems", "ThrottlingException"), pytest.raises(StorageUnavailable):
        adapters.transact({"Put": put(aws, fresh_owner())})
    assert len(waited) == 3
    assert sum(waited) < 2


def test_every_try_of_a_transaction_is_known_to_be_the_same(
    aws: Backend, waited: list[float], tokens: list[str]
) -> None:
    with failing("dynamodb", "TransactWriteItems", "InternalServerError", status=500, times=5):
        adapters.transact({"Put": put(aws, fresh_owner())})
    adapters.transact({"Put": put(aws, fresh_owner())})
    *tries, other = tokens
    assert len(tries) > 1
    assert len(set(tries)) == 1
    assert other not in tries
