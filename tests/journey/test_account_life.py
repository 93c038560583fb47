"""The end of an account: a user who is erased leaves nothing, and a restored backup revives nobody.

What is left is looked for by scanning everything that there is, not by asking for what is known.
"""

import json
import secrets
from collections.abc import Iterator
from string import ascii_letters, digits
from typing import Any

import pytest

from portico.ids import owner_of
from sandbox.outside import Outside
from sandbox.world.world import World
from tests.journey import elapsed
from tests.journey.app import App, BoundBrowser, Link, refused, tables
from tests.journey.conftest import NewApp


def invoke(world: World, function: str, event: dict[str, Any]) -> dict[str, Any]:
    """What an operator's `aws lambda invoke` answers."""
    name = world.stack.outputs[f"{function}FunctionName"]
    answer = world.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told


def rows(world: World, table: str) -> list[dict[str, Any]]:
    pages = world.aws("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [row for page in pages for row in page["Items"]]


def objects(world: World) -> list[str]:
    pages = world.aws("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=world.stack.outputs["ResultsBucketName"])
    return [row["Key"] for page in found for row in page.get("Contents", [])]


def schedules(world: World) -> list[str]:
    group = world.stack.physical_ids["KeepAliveGroup"].rpartition("/")[2]
    # The emulator lists a hundred and names no next page.
    listed = [
        world.aws("scheduler").list_schedules(GroupName=group, NamePrefix=first)["Schedules"]
        for first in f"{ascii_letters}{digits}-_"
    ]
    return [schedule["Name"] for page in listed for schedule in page]


def everything(world: World) -> Iterator[str]:
    """All that is stored, one line each."""
    for table in tables(world):
        yield from (f"{table} {row!r}" for row in rows(world, table))
    yield from objects(world)
    yield from (f"schedule {name}" for name in schedules(world))
    machine = world.stack.outputs["StateMachineArn"]
    running = world.aws("stepfunctions").list_executions(stateMachineArn=machine, statusFilter="RUNNING")
    yield from (f"running {execution['name']}" for execution in running["executions"])


def holding(world: World, words: set[str]) -> list[str]:
    return [line for line in everything(world) if any(word in line for word in words)]


def lived(app: App, outside: Outside) -> set[str]:
    """A user with two connections, files, a running retrieval, a declined login and one under way: their ids."""
    clinic, payer = app.connected(outside.portal("epic")), app.connected(outside.portal("bluebutton"))
    done = clinic.retrieve("Patient", "Condition")
    assert done.status_code == 200
    again = app.reconnect(clinic)
    assert app.come_back(again).status == "authorized" and again.exchange().status_code == 200
    outside.set_scenario(payer.portal.id, async_outcome="never")
    running = payer.begin("Coverage").json()["id"]
    declined, under_way = app.started(outside.portal("cerner")), app.started(outside.portal("plain-pkce"))
    app.come_back(declined, decision="deny")
    BoundBrowser(under_way).brings_code()
    links = (clinic, payer, declined, under_way)
    return {*(link.id for link in links), done.url.path.rpartition("/")[2], str(running)}


def test_an_erased_user_leaves_nothing_in_any_table_bucket_or_schedule_group(
    world: World, new_app: NewApp, outside: Outside
) -> None:
    user = f"user-{secrets.token_hex(8)}"
    app, issuer = new_app(user), world.urls.issuer
    ids, owner = lived(app, outside), owner_of(issuer, user)
    neighbour = new_app().connected(outside.portal("epic"))
    prefixes = {
        row["prefix"]["S"]
        for row in rows(world, world.stack.outputs["RetrievalsTableName"])
        if row.get("owner") == {"S": owner}
    }
    words = {owner, user, *ids, *prefixes}
    assert len(holding(world, words)) > 10

    receipt = invoke(world, "EraseUser", {"issuer": issuer, "subject": user})
    started, finished = receipt.pop("startedAt"), receipt.pop("finishedAt")
    assert started <= finished
    files = receipt.pop("files")
    assert files >= 2
    assert receipt == {
        "owner": owner,
        "complete": True,
        "connections": 4,
        "retrievals": 2,
        "attempts": 5,
    }
    left = holding(world, words)
    assert sorted(left) == sorted(f"tombstones/{i}" for i in ids if f"tombstones/{i}" in left)
    assert len(left) == 4, "a tombstone for each connection, and nothing else"
    assert app.get("/v1/connections").json()["connections"] == []
    assert neighbour.fetch("Patient").status_code == 200

    again = invoke(world, "EraseUser", {"issuer": issuer, "subject": user})
    assert (again["complete"], again["connections"], again["retrievals"], again["attempts"]) == (
        True,
        0,
        0,
        0,
    )


def test_erasing_a_user_whom_nobody_knows_is_no_error(world: World) -> None:
    receipt = invoke(world, "EraseUser", {"issuer": world.urls.issuer, "subject": secrets.token_hex(8)})
    assert (receipt["complete"], receipt["connections"]) == (True, 0)


@pytest.fixture
def restored(world: World, app: App, outside: Outside) -> Link:
    """A connection that was deleted by its user and came back with a backup, retrieval and all."""
    link = app.connected(outside.portal("epic"))
    retrieval = link.retrieve("Patient").url.path.rpartition("/")[2]
    backup = [
        (table, elapsed.stored(world, table, item))
        for table, item in (("Connections", link.id), ("Retrievals", retrieval))
    ]
    assert app.delete(f"/v1/connections/{link.id}").status_code == 204
    for table, item in backup:
        world.aws("dynamodb").put_item(TableName=world.stack.outputs[f"{table}TableName"], Item=item)
    return link


def test_a_restored_backup_does_not_resurrect_what_was_deleted(
    world: World, app: App, restored: Link
) -> None:
    assert restored.status[0] == "active", "this is what a restore alone would do"
    applied = invoke(world, "ApplyTombstones", {})
    assert applied["complete"]
    assert (applied["connections"], applied["retrievals"]) == (1, 1)
    assert refused(app.get(f"/v1/connections/{restored.id}")) == (404, "not-found")
    attempts = world.stack.outputs["AttemptsTableName"]
    left = [line for line in holding(world, {restored.id}) if not line.startswith(attempts)]
    assert left == [f"tombstones/{restored.id}"], "the login that is over is forgotten in a day"
    assert invoke(world, "ApplyTombstones", {})["connections"] == 0


def test_before_tombstones_are_applied_no_schedule_keeps_a_resurrected_connection_alive(
    world: World, outside: Outside, restored: Link
) -> None:
    """Its schedule went with the deletion, and a table's backup brings none back."""
    other = restored.app.connected(outside.portal("cerner"))
    assert other.id in schedules(world)
    assert restored.id not in schedules(world)
