import logging
from dataclasses import replace

import pytest

from portico.errors import Defect, InvalidRequest
from portico.ids import digest, owner_of
from portico.retrieval import Status
from tests.adapters.faults import failing
from tests.adapters.stores import Stores
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import active, attempt_of, pending, retrieval_of

ERASE = event("erase_user", "erase")
OWNER = owner_of(ERASE["issuer"], ERASE["subject"])


def lived_in(stores: Stores, owner: str) -> None:
    """A connection with a finished and a running retrieval, and a login under way."""
    connection = active(owner)
    attempt = attempt_of(connection)
    stores.put(replace(connection, attempt=attempt.key))
    stores.put_attempt(attempt)
    done = retrieval_of(connection)
    stores.retrievals.start(done)
    stores.retrievals.fail(done, "vendor_error", stores.clock())
    running = stores.retrievals.start(retrieval_of(connection))
    assert running.status is Status.RUNNING
    for name in ("one", "two"):
        stores.backend.client("s3").put_object(
            Bucket=stores.backend.bucket, Key=f"{done.prefix}/{name}", Body=b"x"
        )
    under_way = pending(owner)
    stores.started(under_way, attempt_of(under_way))


def test_the_receipt_has_counts_and_times_and_the_digest_alone(load: Load, stores: Stores) -> None:
    lived_in(stores, OWNER)
    receipt = load("erase_user")(ERASE)
    times = {receipt.pop("startedAt"), receipt.pop("finishedAt")}
    assert all(time.endswith("Z") for time in times)
    assert receipt == {
        "owner": OWNER,
        "complete": True,
        "connections": 2,
        "retrievals": 2,
        "files": 2,
        "attempts": 2,
    }
    assert stores.connections.owned_by(OWNER, 10, None).connections == []


def test_without_time_left_it_begins_nothing_and_says_that_it_is_not_complete(
    load: Load, stores: Stores
) -> None:
    lived_in(stores, OWNER)
    erase = load("erase_user")
    first = erase(ERASE, seconds=30)
    assert (first["complete"], first["connections"]) == (False, 0)
    assert erase(ERASE)["complete"]


def test_a_user_who_is_not_named_is_told_so(load: Load) -> None:
    with pytest.raises(InvalidRequest):
        load("erase_user")(event("erase_user", "no_subject"))


def test_neither_the_log_nor_an_error_names_the_user(
    load: Load, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    lived_in(stores, OWNER)
    erase = load("erase_user")
    caplog.set_level(logging.INFO)
    with failing("dynamodb", "Query", "AccessDeniedException"), pytest.raises(Defect) as failed:
        erase(ERASE)
    erase(ERASE)
    told = [repr(failed.value), *(repr(vars(record)) for record in caplog.records)]
    assert any("user erased" in line and "'retrievals': 2" in line for line in told)
    for secret in (ERASE["subject"], ERASE["issuer"], OWNER, digest(ERASE["subject"])):
        assert not [line for line in told if secret in line]
