import pytest

from portico.adapters.tombstones import TombstoneFolder
from portico.errors import StorageUnavailable
from tests.adapters.faults import failing
from tests.backends import Backend
from tests.samples import NOW, fresh_id


@pytest.fixture
def tombstones(aws: Backend) -> TombstoneFolder:
    return TombstoneFolder(aws.bucket)


def test_a_tombstone_says_when_and_nothing_else(aws: Backend, tombstones: TombstoneFolder) -> None:
    connection = fresh_id()
    tombstones.leave(connection, NOW)
    stored = aws.client("s3").get_object(Bucket=aws.bucket, Key=f"tombstones/{connection}")
    assert (stored["Body"].read(), stored["Metadata"]) == (b"2026-11-25T10:00:00Z", {})


def test_tombstones_come_in_order_from_behind_any_of_them(tombstones: TombstoneFolder) -> None:
    ids = sorted("~" + fresh_id()[1:] for _ in range(4))
    for connection in ids:
        tombstones.leave(connection, NOW)
    assert [i for i in tombstones.after("~") if i in ids] == ids
    assert [i for i in tombstones.after(ids[1]) if i in ids] == ids[2:]
    assert [i for i in tombstones.after(ids[3]) if i in ids] == []
    assert [i for i in tombstones.after("") if i in ids] == ids


def test_a_deletion_told_twice_leaves_one_tombstone(tombstones: TombstoneFolder) -> None:
    connection = fresh_id()
    tombstones.leave(connection, NOW)
    tombstones.leave(connection, NOW + 60)
    assert [*tombstones.after("")].count(connection) == 1


def test_more_than_a_page_of_tombstones_is_read(
    tombstones: TombstoneFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portico.adapters.tombstones._PAGE", 2)
    ids = sorted("~~" + fresh_id()[2:] for _ in range(5))
    for connection in ids:
        tombstones.leave(connection, NOW)
    assert [*tombstones.after("~~")] == ids


@pytest.mark.parametrize("operation", ["PutObject", "ListObjectsV2"])
def test_trouble_is_told(tombstones: TombstoneFolder, operation: str, pauses: list[float]) -> None:
    with failing("s3", operation, "SlowDown", status=503), pytest.raises(StorageUnavailable):
        if operation == "PutObject":
            tombstones.leave(fresh_id(), NOW)
        else:
            list(tombstones.after(""))
