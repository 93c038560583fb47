import pytest

from portico.adapters.tombstones import TombstoneFolder
from tests.adapters.stores import Stores
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import NOW, active, retrieval_of


@pytest.fixture(autouse=True)
def nothing_left_by_others(stores: Stores, load: Load) -> None:
    """The stores are shared: what other tests deleted is applied first."""
    load("apply_tombstones")(event("apply_tombstones", "all"))


def test_what_a_backup_brought_back_is_deleted_and_counted(load: Load, stores: Stores) -> None:
    back, kept = stores.put(active()), stores.put(active())
    TombstoneFolder(stores.backend.bucket).leave(back.id, NOW)
    stores.retrievals.start(retrieval_of(back))
    apply = load("apply_tombstones")
    applied = apply(event("apply_tombstones", "all"))
    assert applied["complete"] and "after" not in applied
    assert (applied["connections"], applied["retrievals"], applied["files"]) == (1, 1, 0)
    assert stores.connections.get(back.id) is None
    assert stores.connections.get(kept.id) == kept
    assert apply({})["connections"] == 0


def test_it_goes_on_from_where_it_is_told(load: Load, stores: Stores) -> None:
    place = event("apply_tombstones", "continue")["after"]
    before, behind = ("A" + place[1:], "z" + place[1:])
    for connection in (before, behind):
        stores.put(active(id=connection))
        TombstoneFolder(stores.backend.bucket).leave(connection, NOW)
    load("apply_tombstones")(event("apply_tombstones", "continue"))
    assert stores.connections.get(before) is not None
    assert stores.connections.get(behind) is None


def test_without_time_left_it_says_where_to_go_on(load: Load, stores: Stores) -> None:
    TombstoneFolder(stores.backend.bucket).leave(stores.put(active()).id, NOW)
    apply = load("apply_tombstones")
    stopped = apply(event("apply_tombstones", "all"), seconds=30)
    assert stopped == {
        "complete": False,
        "tombstones": 0,
        "connections": 0,
        "retrievals": 0,
        "files": 0,
        "after": "",
    }
    assert apply({"after": stopped["after"]})["complete"]
