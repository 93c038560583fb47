import json
from io import StringIO

import pytest

from portico.adapters.kms_sealer import KmsSealer
from portico.connection import Status
from portico.errors import (
    Defect,
    DeviceTokenRefused,
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnreachable,
    PortalUnusable,
    PorticoError,
    ReauthorizationRequired,
)
from portico.retrieval import Retrieval
from portico.sealing import transaction_of
from sandbox.outside import Outside
from tests.adapters.stores import HeldClock, Stores
from tests.functions.answers import CONNECTION, RETRIEVAL
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.functions.patients import a_portal, connected
from tests.samples import NOW, OWNER, retrieval_of

TASK = event("begin_retrieval", "retrieval")
STOPPED = {"retrievalId": RETRIEVAL, "status": "stopped"}


@pytest.fixture
def retrieval(stores: Stores, outside: Outside, clock: HeldClock) -> Retrieval:
    """A retrieval over a connection that the portal honours."""
    clock.now = NOW
    stores.forget_retrieval(RETRIEVAL)
    connection, _ = connected(stores, outside, a_portal(outside))
    return stores.retrievals.start(retrieval_of(connection, id=RETRIEVAL, owner=OWNER))


def test_a_retrieval_is_submitted_and_its_transaction_kept_under_seal(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, retrieval: Retrieval, log: StringIO
) -> None:
    answer = load("begin_retrieval", **vendor)(TASK)
    assert answer == {
        "retrievalId": RETRIEVAL,
        "connectionId": CONNECTION,
        "status": "running",
        "wait": 5,
    }
    stored = stores.retrievals.get(RETRIEVAL)
    assert stored is not None
    assert stored.transaction is not None
    (transaction,) = json.loads(
        KmsSealer(stores.backend.key).open(transaction_of(RETRIEVAL), stored.transaction)
    )
    assert (stored.submitted_at, outside.count("start")) == (NOW, 1)
    assert transaction not in log.getvalue() + json.dumps(answer)


def test_a_repeated_task_submits_nothing(
    load: Load, vendor: dict[str, str], outside: Outside, retrieval: Retrieval
) -> None:
    begin = load("begin_retrieval", **vendor)
    assert begin(TASK) == begin(TASK)
    assert outside.count("start") == 1


@pytest.mark.parametrize("why", ["deleted", "cancelled"])
def test_nobody_waits_for_what_was_cancelled(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, retrieval: Retrieval, why: str
) -> None:
    if why == "deleted":
        stores.retrievals.delete(retrieval)
    else:
        stores.retrievals.cancel(retrieval)
    assert load("begin_retrieval", **vendor)(TASK) == STOPPED
    assert outside.count("start") == 0


FAULTS: dict[str, type[PorticoError]] = {
    "403": PortalRejected,
    "429": PortalBusy,
    "500": PortalUnclear,
    "reset": PortalUnclear,
    "html": PortalUnusable,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_escapes_by_its_exact_name_and_without_text(
    load: Load,
    vendor: dict[str, str],
    stores: Stores,
    outside: Outside,
    retrieval: Retrieval,
    log: StringIO,
    fault: str,
) -> None:
    outside.set_scenario(faults=[{"operation": "start", "answer": fault, "calls": 0}])
    with pytest.raises(FAULTS[fault]) as failed:
        load("begin_retrieval", **vendor)(TASK)
    assert type(failed.value) is FAULTS[fault]
    assert "http" not in str(failed.value)
    assert stores.retrievals.get(RETRIEVAL) == retrieval
    assert f'"reason":"{failed.value.reason}"' in log.getvalue()


def test_an_unreachable_vendor_escapes_as_such(
    load: Load, vendor: dict[str, str], retrieval: Retrieval
) -> None:
    with pytest.raises(PortalUnreachable):
        load("begin_retrieval", **(vendor | {"INTEGRATOR_URL": "http://127.0.0.1:9"}))(TASK)


def test_a_withdrawn_consent_marks_the_connection(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, retrieval: Retrieval
) -> None:
    outside.revoke_grants(a_portal(outside).id)
    with pytest.raises(ReauthorizationRequired):
        load("begin_retrieval", **vendor)(TASK)
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert stored.status is Status.REAUTHORIZATION_REQUIRED


def test_a_dead_device_token_marks_nothing(
    load: Load, vendor: dict[str, str], stores: Stores, outside: Outside, retrieval: Retrieval
) -> None:
    outside.set_scenario(
        faults=[{"operation": o, "answer": "401", "calls": 0} for o in ("start", "refresh", "search")]
    )
    with pytest.raises(DeviceTokenRefused):
        load("begin_retrieval", **vendor)(TASK)
    stored = stores.connections.get(CONNECTION)
    assert stored is not None
    assert stored.status is Status.ACTIVE


def test_a_defect_leaves_its_text_behind(
    load: Load, vendor: dict[str, str], stores: Stores, log: StringIO, clock: HeldClock
) -> None:
    item = {"id": {"S": RETRIEVAL}, "request": {"S": "Alvarez"}}
    stores.backend.client("dynamodb").put_item(TableName=stores.backend.retrievals, Item=item)
    with pytest.raises(Defect) as failed:
        load("begin_retrieval", **vendor)(TASK)
    assert (str(failed.value), failed.value.__suppress_context__) == ("", True)
    assert "Alvarez" not in log.getvalue()
    assert '"unexpected"' in log.getvalue()
