"""Records fetched at once: whole or not at all, and by whose tokens."""

import json
from typing import Any

import pytest

from portico.errors import (
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnusable,
    PorticoError,
    ReauthorizationRequired,
    ResultMalformed,
    RetrievalFailed,
    StorageUnavailable,
)
from portico.fetch import BundleWriter
from portico.records_request import RecordsRequest
from tests.unit.fakes import Effects, OneFile, Results, envelope
from tests.unit.samples import World

LINES = [b'{"resourceType":"Patient","id":"p"}', b'{"resourceType":"Condition","x":10.50}']


def no_spill() -> OneFile:
    raise AssertionError("there is room in memory")


def fetched(world: World, connection_id: str) -> Any:
    bundle = world.fetcher.fetch(connection_id, RecordsRequest(), lambda: BundleWriter(no_spill))
    return json.loads(bundle or b"")


# --- writing a bundle ------------------------------------------------------------------------------


def test_resources_become_entries_byte_by_byte() -> None:
    writer = BundleWriter(no_spill)
    for line in LINES:
        writer.write("any", line)
    assert writer.finish() == (
        b'{"resourceType":"Bundle","type":"collection","entry":['
        b'{"resource":{"resourceType":"Patient","id":"p"}},'
        b'{"resource":{"resourceType":"Condition","x":10.50}}]}'
    )


def test_a_bundle_of_nothing_is_a_bundle() -> None:
    assert json.loads(BundleWriter(no_spill).finish() or b"") == {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [],
    }


@pytest.mark.parametrize("largest", range(50, 200, 10))
def test_beyond_its_size_a_bundle_continues_in_a_file_without_a_seam(largest: int) -> None:
    results = Results(Effects())
    writer, whole = BundleWriter(lambda: results.file("key", ""), largest), BundleWriter(no_spill)
    for line in LINES * 3:
        writer.write("any", line)
        whole.write("any", line)
    assert writer.finish() is None
    assert results.objects["key"] == whole.finish()


def test_a_discarded_bundle_leaves_no_file() -> None:
    results = Results(Effects())
    writer = BundleWriter(lambda: results.file("key", ""), 10)
    writer.write("any", LINES[0])
    writer.finish()
    writer.discard()
    assert results.objects == {}


# --- fetching --------------------------------------------------------------------------------------


def test_everything_the_vendor_sends_is_in_the_bundle() -> None:
    world = World()
    world.vendor.answers["records"] = [(200, {}, envelope([{"resourceType": "Patient", "id": "p"}]))]
    assert fetched(world, world.connect().id)["entry"] == [
        {"resource": {"resourceType": "Patient", "id": "p"}}
    ]


def test_what_makes_the_bundle_less_than_whole_is_told_inside_it() -> None:
    world = World()
    errors = {"errors": [{"severity": "ERROR", "status": 403, "message": "Labs refused for Jane Roe"}]}
    world.vendor.answers["records"] = [
        (200, {}, envelope([{"resourceType": "Patient"}], errorData=errors, fhirVersion="DSTU2"))
    ]
    entries = [entry["resource"] for entry in fetched(world, world.connect().id)["entry"]]
    assert [entry["resourceType"] for entry in entries] == ["Patient", "OperationOutcome", "OperationOutcome"]
    assert [entry["issue"][0]["code"] for entry in entries[1:]] == ["forbidden", "not-supported"]
    assert "Jane" not in json.dumps(entries)


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param((401, {}, b'{"status":401,"error":"Unauthorized"}'), id="flat"),
        pytest.param(
            (200, {}, envelope([], payload=None, errorData={"errors": [{"status": 401}]})), id="errorData"
        ),
    ],
)
def test_a_refused_token_is_refreshed_once_in_either_form(refusal: Any) -> None:
    world = World()
    connection = world.connect()
    world.vendor.answers["records"] = [refusal, (200, {}, envelope([{"resourceType": "Patient"}]))]
    assert len(fetched(world, connection.id)["entry"]) == 1
    assert world.stored(connection.id).generation == 2


def test_tokens_that_stay_refused_need_the_patient() -> None:
    world = World()
    world.vendor.answers["records"] = [(401, {}, b"")]
    with pytest.raises(ReauthorizationRequired):
        fetched(world, world.connect().id)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {}, b""), PortalUnusable),
        ((200, {}, b"{}"), PortalUnusable),
        ((200, {}, b'{"ok":true}'), PortalUnusable),
        ((200, {}, b'{"payload":null}'), PortalUnusable),
        ((200, {}, b"<html>"), ResultMalformed),
        ((200, {}, envelope([{"resourceType": "Patient"}])[:-30]), ResultMalformed),
        ((200, {}, envelope([], payload=None, errorData={"errors": [{"status": 500}]})), RetrievalFailed),
        ((403, {}, b""), PortalRejected),
        ((404, {}, b""), PortalRejected),
        ((429, {"retry-after": "9"}, b""), PortalBusy),
        ((500, {}, b""), PortalUnclear),
        ((302, {}, b""), PortalUnusable),
    ],
)
def test_an_answer_that_is_no_result_is_never_told_as_an_empty_chart(
    answer: Any, error: type[PorticoError]
) -> None:
    world = World()
    connection = world.connect()
    world.vendor.answers["records"] = [answer]
    with pytest.raises(error):
        fetched(world, connection.id)
    assert world.stored(connection.id) == connection


def test_a_chart_that_says_that_it_is_empty_is_empty() -> None:
    world = World()
    world.vendor.answers["records"] = [(200, {}, envelope([]))]
    assert fetched(world, world.connect().id)["entry"] == []


def test_a_file_that_cannot_be_written_is_not_left_behind() -> None:
    world = World()
    connection = world.connect()
    world.vendor.answers["records"] = [(200, {}, envelope([{"resourceType": "Patient"}] * 3))]
    world.effects.fail("file.close", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        world.fetcher.fetch(
            connection.id, RecordsRequest(), lambda: BundleWriter(lambda: world.results.file("k", ""), 60)
        )
    assert world.results.objects == {}
