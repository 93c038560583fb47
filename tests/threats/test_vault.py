"""T19, T21 and T24 to T26: tokens where they are kept, while they are refreshed, and after they are gone."""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from portico import sealing
from portico.ids import digest
from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, BoundBrowser, Link, refused, tables, wait_for
from tests.journey.test_account_life import schedules
from tests.journey.test_vendor_faults import fault
from tests.threats.conftest import NewApp
from tests.threats.swaps import VICTIM

# An id, a digest, a user's list, a connection's lock for a filter, a moment.
NAMELESS = r"[\w-]{22}|(owner\.)?[\w-]{43}|running\.[\w-]{22}\.[\w-]{43}|\d{10}(\.\d+)?"


def put(world: World, table: str, item: dict[str, Any]) -> None:
    world.aws("dynamodb").put_item(TableName=world.stack.outputs[f"{table}TableName"], Item=item)


def stored(world: World, connection: str) -> dict[str, Any]:
    item = elapsed.stored(world, "Connections", connection)
    assert item is not None
    return item


@pytest.fixture
def link(app: App, outside: Outside) -> Link:
    return app.connected(outside.portal("bluebutton"))


# --- T19, T21 -------------------------------------------------------------------------------------


def test_t19_tokens_moved_to_another_connection_open_nothing_and_hold_it(
    world: World, new_app: NewApp, outside: Outside
) -> None:
    mine, theirs = (
        new_app().connected(outside.portal("epic")),
        new_app().connected(outside.portal("epic"), VICTIM),
    )
    put(world, "Connections", stored(world, mine.id) | {"tokens": stored(world, theirs.id)["tokens"]})
    answer = mine.fetch("Patient")
    assert answer.status_code in (403, 500) and "resource" not in answer.text
    assert outside.count("fetch", mine.portal.id) == 0, "nothing was sent anywhere"
    assert mine.status[0] == "held"
    assert theirs.fetch("Patient").status_code == 200


def test_t19_tokens_of_an_older_generation_put_back_open_nothing(
    world: World, link: Link, outside: Outside
) -> None:
    old = stored(world, link.id)
    outside.expire_tokens(link.portal.id)
    assert link.fetch("Coverage").status_code == 200
    new = stored(world, link.id)
    assert int(new["generation"]["N"]) == int(old["generation"]["N"]) + 1
    put(world, "Connections", new | {"tokens": old["tokens"]})
    assert link.fetch("Coverage").status_code in (403, 500)
    assert link.status[0] == "held"


def test_t19_a_code_and_a_verifier_cannot_stand_in_for_each_other(
    world: World, app: App, outside: Outside
) -> None:
    link = app.started(outside.portal("cerner"))
    browser = BoundBrowser(link)
    link.handle = browser.brings_code().handle
    key = stored(world, link.id)["attempt"]
    table = world.stack.outputs["AttemptsTableName"]
    attempt = world.aws("dynamodb").get_item(TableName=table, Key={"key": key})["Item"]
    put(world, "Attempts", attempt | {"code": attempt["verifier"], "verifier": attempt["code"]})
    assert link.exchange().status_code == 500
    assert outside.count("token", link.portal.id) == 0
    assert link.status == ("closed", "seal_broken")


def test_t21_keys_names_and_encryption_contexts_are_random_or_digests(
    world: World, new_app: NewApp, outside: Outside
) -> None:
    subject = f"user-{secrets.token_hex(8)}"
    app = new_app(subject)
    link = app.connected(outside.portal("epic"))
    retrieval = link.retrieve("Patient").url.path.rpartition("/")[2]
    for table in tables(world):
        schema = world.aws("dynamodb").describe_table(TableName=table)["Table"]
        indexed = {part["AttributeName"] for part in schema["KeySchema"]}
        indexed |= {
            p["AttributeName"] for i in schema.get("GlobalSecondaryIndexes", []) for p in i["KeySchema"]
        }
        for item in world.aws("dynamodb").scan(TableName=table)["Items"]:
            for name in indexed & set(item):
                assert re.fullmatch(NAMELESS, item[name]["S"]), item[name]
            assert subject not in repr(item)
    places = [
        sealing.tokens_of(link.id, 1),
        sealing.verifier_of(digest(link.authorization_url)),
        sealing.code_of(digest(link.authorization_url), 1),
        sealing.transaction_of(retrieval),
    ]
    for place in places:
        context = place.context()
        assert set(context) == {"table", "key", "attribute", "generation"}
        assert re.fullmatch(r"[\w-]{22}|[\w-]{43}", context["key"])
    bucket = world.stack.outputs["ResultsBucketName"]
    for row in world.aws("s3").list_objects_v2(Bucket=bucket).get("Contents", []):
        assert re.fullmatch(r"results/[\w-]{22}/[\w-]{22}|tombstones/[\w-]{22}", row["Key"])


# --- T24 to T26 -----------------------------------------------------------------------------------


def test_t24_a_refresh_race_is_won_once_even_where_reuse_revokes_everything(
    link: Link, outside: Outside
) -> None:
    outside.set_scenario(link.portal.id, reuse_revokes_family=True)
    for _ in range(2):
        outside.expire_tokens(link.portal.id)
        with ThreadPoolExecutor(5) as threads:
            fetched = threads.map(lambda _: link.fetch("Coverage").status_code, range(4))
            begun = threads.submit(link.begin, "Coverage")
            assert {200} <= {*fetched} <= {200, 503}
        assert link.app.outcome(begun.result().headers["content-location"]).status_code == 200
    assert outside.most_at_once("refresh", link.portal.id) == 1
    assert outside.count("refresh", link.portal.id) == 2
    assert link.status == ("active", None)


@pytest.mark.parametrize(
    "answer", ["429", "500", "502", "503", "reset", "html", "empty", "malformed", "wrong-type"]
)
def test_t25_trouble_while_refreshing_never_asks_a_patient_to_log_in_again(
    answer: str, link: Link, outside: Outside
) -> None:
    outside.expire_tokens(link.portal.id)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", answer)])
    assert link.fetch("Coverage").status_code in (502, 503, 504)
    assert link.status == ("active", None)


def test_t25_a_dead_device_token_is_the_operators_matter_and_no_patients(
    link: Link, outside: Outside
) -> None:
    refusals = [fault(operation, "401", calls=0) for operation in ("fetch", "refresh", "search")]
    outside.set_scenario(faults=refusals)
    assert refused(link.fetch("Coverage")) == (503, "temporarily-unavailable")
    assert link.status == ("active", None)
    outside.set_scenario(faults=[])
    assert link.status == ("active", None)


def test_t26_a_connection_deleted_during_its_exchange_stays_deleted(
    world: World, app: App, outside: Outside
) -> None:
    link = app.authorized(outside.portal("cerner"))
    outside.set_scenario(link.portal.id, faults=[fault("token", "drip", seconds=1.5)])
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(link.exchange)
        wait_for(lambda: is_exchanging(world, link) or None, what="the exchange has not begun")
        assert app.delete(f"/v1/connections/{link.id}").status_code == 204
        assert refused(late.result())[0] in (404, 410)
    gone(world, link)


def test_t26_a_connection_deleted_during_its_refresh_stays_deleted(
    world: World, link: Link, outside: Outside
) -> None:
    outside.expire_tokens(link.portal.id)
    outside.set_scenario(link.portal.id, faults=[fault("refresh", "drip", seconds=1.5)])
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(link.fetch, "Coverage")
        wait_for(lambda: "sent" in stored(world, link.id) or None, what="the refresh has not begun")
        assert link.app.delete(f"/v1/connections/{link.id}").status_code == 204
        assert refused(late.result())[0] in (404, 410, 503)
    gone(world, link)


def is_exchanging(world: World, link: Link) -> bool:
    key = stored(world, link.id)["attempt"]
    table = world.stack.outputs["AttemptsTableName"]
    item: dict[str, Any] = world.aws("dynamodb").get_item(TableName=table, Key={"key": key})["Item"]
    return bool(item["state"] == {"S": "exchanging"})


def gone(world: World, link: Link) -> None:
    """Not shown, not stored, not scheduled."""
    assert refused(link.app.get(f"/v1/connections/{link.id}")) == (404, "not-found")
    assert elapsed.stored(world, "Connections", link.id) is None
    assert link.id not in schedules(world)
