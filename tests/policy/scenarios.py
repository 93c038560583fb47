"""What each role has its rights for: a scenario for each grant, beside the few that no local run can show.

A scenario sets its scene with all rights and returns the act, which answers whether the user got what they
wanted. It is kept small: what comes before the act is nobody's proof.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.journey.app import BoundBrowser, Link
from tests.policy.play import Play

# Scanned documents do not compress, so that each is more than one part of an upload.
SCANS: Mapping[str, Any] = {"profile": "huge-20", "attachment_megabytes": 8}
CUT_SHORT: Mapping[str, Any] = {"answer": "truncated", "calls": 0, "megabytes": 13}

type Act = Callable[[], bool]
type Scenario = Callable[[Play], Act]

# --- connecting -----------------------------------------------------------------------------------


def searches(play: Play) -> Act:
    app = play.app()
    return lambda: app.search("clinical").status_code == 200


def starts(play: Play) -> Act:
    app, portal = play.app(), play.portal("cerner")
    return lambda: app.start(portal).status_code == 201


def starts_anew(play: Play) -> Act:
    """An earlier attempt at the same portal ends, and its connection with it."""
    app, portal = play.app(), play.portal("cerner")
    app.started(portal)
    return lambda: app.start(portal).status_code == 201


def reconnects(play: Play) -> Act:
    link = play.connected()
    return lambda: reconnect(link).status_code == 201


def reconnect(link: Link) -> httpx.Response:
    return link.app.post(f"/v1/connections/{link.id}/reconnect", {"returnUrl": link.app.return_url})


def launches(play: Play) -> Act:
    link = play.app().started(play.portal("epic"))

    def act() -> bool:
        answer = httpx.get(link.authorization_url, trust_env=False)
        return answer.status_code == 303 and "clientURL=" in answer.headers["location"]

    return act


def _comes_back(play: Play, query: str, status: str) -> Act:
    browser = BoundBrowser(play.app().started(play.portal("epic")))

    def act() -> bool:
        answer = browser.comes_back(query)
        return answer.status_code == 303 and f"status={status}" in answer.headers["location"]

    return act


def comes_back_authorized(play: Play) -> Act:
    return _comes_back(play, "code=a-code", "authorized")


def comes_back_declined(play: Play) -> Act:
    return _comes_back(play, "error=access_denied", "declined")


def exchanges(play: Play) -> Act:
    link = play.app().authorized(play.portal("cerner"))
    return lambda: link.exchange().status_code == 200


def exchanges_again(play: Play) -> Act:
    """A reconnect compares patients, so it opens the tokens that are there."""
    link = play.connected()
    again = link.app.reconnect(link)
    assert link.app.come_back(again).status == "authorized"
    return lambda: again.exchange().status_code == 200


# --- managing -------------------------------------------------------------------------------------


def reads_a_connection(play: Play) -> Act:
    link = play.app().started(play.portal("epic"))
    return lambda: link.app.get(f"/v1/connections/{link.id}").status_code == 200


def lists_connections(play: Play) -> Act:
    link = play.app().started(play.portal("epic"))
    return lambda: link.app.get("/v1/connections").status_code == 200


def gives_up_a_login(play: Play) -> Act:
    link = play.app().started(play.portal("epic"))
    return lambda: link.app.delete(f"/v1/connections/{link.id}").status_code == 204


def disconnects(play: Play) -> Act:
    """In the middle of a retrieval that has already stored something."""
    link = play.connected()
    _under_way(play, link)
    return lambda: link.app.delete(f"/v1/connections/{link.id}").status_code == 204


def _under_way(play: Play, link: Link) -> str:
    """A retrieval that will not end, with a file."""
    play.outside.set_scenario(async_outcome="never")
    retrieval = _begun(link, "Patient")
    _leave_a_file(play, retrieval)
    return retrieval


def _leave_a_file(play: Play, retrieval: str) -> str:
    """What a function stores before it dies; answers with the prefix."""
    prefix: str = play.stored("Retrievals", retrieval)["prefix"]["S"]
    play.world.aws("s3").put_object(Bucket=play.bucket, Key=f"{prefix}/left-behind", Body=b"")
    return prefix


# --- records at once ------------------------------------------------------------------------------


def fetches(play: Play) -> Act:
    link = play.connected()
    return lambda: link.fetch("Patient").status_code == 200


def fetches_with_old_tokens(play: Play) -> Act:
    link = play.connected()
    play.outside.expire_tokens(link.portal.id)
    return lambda: link.fetch("Patient").status_code == 200


def fetches_much(play: Play) -> Act:
    link = play.connected()
    play.outside.set_scenario(attachment_megabytes=5)
    return lambda: link.app.http.post(_records(link), json={}).status_code == 303


def fetches_much_in_vain(play: Play) -> Act:
    """The portal breaks off when the first part of a large file is already stored."""
    link = play.connected()
    play.outside.set_scenario(**SCANS, faults=[{"operation": "fetch", **CUT_SHORT}])
    return lambda: link.app.http.post(_records(link), json={}).status_code == 502


def _records(link: Link) -> str:
    return f"/v1/connections/{link.id}/records"


# --- records later --------------------------------------------------------------------------------


def _begun(link: Link, *resources: str) -> str:
    begun = link.begin(*resources)
    assert begun.status_code == 202, begun.text
    return str(begun.json()["id"])


def asks_for_later(play: Play) -> Act:
    link = play.connected()
    return lambda: link.begin("Patient").status_code == 202


def retrieves(play: Play) -> Act:
    link = play.connected()
    return lambda: play.ends(link, _begun(link, "Patient"), "completed")


def retrieves_with_old_tokens(play: Play) -> Act:
    link = play.connected()
    play.outside.expire_tokens(link.portal.id)
    return lambda: play.ends(link, _begun(link, "Patient"), "completed")


def retrieves_in_vain(play: Play) -> Act:
    """A retrieval that fails while files of a poll that died are lying about."""
    link = play.connected()
    play.outside.set_scenario(async_outcome="error", async_seconds=0.5)
    retrieval = _begun(link, "Patient")
    prefix = _leave_a_file(play, retrieval)

    def act() -> bool:
        left = play.world.aws("s3")
        return play.ends(link, retrieval, "failed") and "Contents" not in left.list_objects_v2(
            Bucket=play.bucket, Prefix=prefix
        )

    return act


def retrieves_for_nobody(play: Play) -> Act:
    """The connection is deleted between the last look at it and the commit: no file may stay."""
    link = play.connected()
    play.outside.set_scenario(async_seconds=0.6)
    retrieval = _begun(link, "Patient")
    assert play.until(lambda: "transaction" in play.stored("Retrievals", retrieval))
    play.world.aws("dynamodb").delete_item(
        TableName=play.world.stack.outputs["ConnectionsTableName"], Key={"id": {"S": link.id}}
    )

    def act() -> bool:
        machine = play.world.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
        workflows = play.world.aws("stepfunctions")
        return play.until(
            lambda: (
                workflows.describe_execution(executionArn=f"{machine}:{retrieval}")["status"] == "SUCCEEDED"
            )
        )

    return act


def retrieves_much_in_vain(play: Play) -> Act:
    """The vendor breaks off, again and again, when the first part of a large file is already stored."""
    link = play.connected()
    play.outside.set_scenario(**SCANS, faults=[{"operation": "retrieve", **CUT_SHORT}])
    return lambda: play.ends(link, _begun(link), "failed")


# --- reading results ------------------------------------------------------------------------------


def _retrieved(play: Play) -> tuple[Link, str]:
    link = play.connected()
    retrieval = _begun(link, "Patient")
    assert play.ends(link, retrieval, "completed")
    return link, retrieval


def reads_a_manifest(play: Play) -> Act:
    link, retrieval = _retrieved(play)
    return lambda: link.app.get(f"/v1/retrievals/{retrieval}").status_code == 200


def opens_a_file(play: Play) -> Act:
    link, retrieval = _retrieved(play)
    url = link.app.get(f"/v1/retrievals/{retrieval}").json()["output"][0]["url"]

    def act() -> bool:
        answer = link.app.http.get(url)
        return httpx.get(answer.headers["location"], trust_env=False).status_code == 200

    return act


def cancels(play: Play) -> Act:
    link = play.connected()
    retrieval = _under_way(play, link)
    return lambda: link.app.delete(f"/v1/retrievals/{retrieval}").status_code == 202


# --- the refresh queue ----------------------------------------------------------------------------


def is_kept_alive(play: Play) -> Act:
    """The daily message for a connection that nobody has used for a day."""
    link = play.connected()
    play.world.aws("dynamodb").update_item(
        TableName=play.world.stack.outputs["ConnectionsTableName"],
        Key={"id": {"S": link.id}},
        UpdateExpression="SET refreshed_at = :long_ago",
        ExpressionAttributeValues={":long_ago": {"N": "1"}},
    )

    def act() -> bool:
        play.send("RefreshQueue", {"kind": "keep-alive", "connectionId": link.id})
        return play.until(lambda: play.stored("Connections", link.id)["generation"] == {"N": "2"})

    return act


def is_no_longer_kept_alive(play: Play) -> Act:
    """The daily message for a connection that is gone: the schedule goes too."""
    link = play.connected()
    group = play.resource("KeepAliveGroup").rpartition("/")[2]
    play.world.aws("dynamodb").delete_item(
        TableName=play.world.stack.outputs["ConnectionsTableName"], Key={"id": {"S": link.id}}
    )
    scheduler = play.world.aws("scheduler")

    def gone() -> bool:
        with contextlib.suppress(scheduler.exceptions.ResourceNotFoundException):
            scheduler.get_schedule(Name=link.id, GroupName=group)
            return False
        return True

    def act() -> bool:
        play.send("RefreshQueue", {"kind": "keep-alive", "connectionId": link.id})
        return play.until(gone)

    return act


# --- an operator's functions ----------------------------------------------------------------------


def erases_a_login(play: Play) -> Act:
    app = play.app()
    app.started(play.portal("epic"))
    return lambda: play.invoke("erase_user", play.named(app)).get("complete") is True


def erases_records(play: Play) -> Act:
    link = play.connected()
    _under_way(play, link)
    return lambda: play.invoke("erase_user", play.named(link.app)).get("complete") is True


def _restored(play: Play, link: Link) -> Act:
    """The connection was deleted after the backup that is restored now."""
    s3 = play.world.aws("s3")
    for old in s3.list_objects_v2(Bucket=play.bucket, Prefix="tombstones/").get("Contents", []):
        s3.delete_object(Bucket=play.bucket, Key=old["Key"])
    s3.put_object(Bucket=play.bucket, Key=f"tombstones/{link.id}", Body=b"")

    def act() -> bool:
        applied = play.invoke("apply_tombstones", {})
        return applied.get("complete") is True and applied["connections"] == 1

    return act


def buries_a_login(play: Play) -> Act:
    return _restored(play, play.app().started(play.portal("epic")))


def buries_records(play: Play) -> Act:
    link = play.connected()
    _under_way(play, link)
    return _restored(play, link)


def moves_to_another_key(play: Play) -> Act:
    """One connection's data key is still wrapped under the previous key."""
    link = play.connected()
    play.wrapped_under_a_previous_key(link.id)
    return lambda: play.invoke("rewrap_tokens", {}).get("rewrapped", 0) >= 1


# --- which scenario shows which grant -------------------------------------------------------------


@dataclass(frozen=True)
class Uses:
    """A role's usual scenario, and others for single grants: the longest key that begins the grant's text
    (action, resource, condition) counts."""

    usually: Scenario
    but: Mapping[str, Scenario]

    def scenario(self, grant: str) -> Scenario:
        fitting = [key for key in self.but if grant.startswith(key)]
        return self.but[max(fitting, key=len)] if fitting else self.usually

    def all(self) -> list[Scenario]:
        return list(dict.fromkeys([self.usually, *self.but.values()]))


ON_RECORDS = (
    "dynamodb:GetItem on RetrievalsTable",
    "dynamodb:UpdateItem on RetrievalsTable",
    "dynamodb:DeleteItem on RetrievalsTable",
    "s3:ListBucket",
    "s3:DeleteObject",
    "states:StopExecution",
)
USES: Mapping[str, Uses] = {
    "search_portals": Uses(searches, {}),
    "start_connection": Uses(
        starts,
        {
            "dynamodb:GetItem on ConnectionsTable": reconnects,
            "dynamodb:UpdateItem on ConnectionsTable": starts_anew,
        },
    ),
    "launch_connection": Uses(launches, {}),
    "receive_callback": Uses(
        comes_back_authorized, {"dynamodb:UpdateItem on ConnectionsTable": comes_back_declined}
    ),
    "exchange_token": Uses(
        exchanges, {"kms:Decrypt on TokensKey if kms:EncryptionContext:table = connections": exchanges_again}
    ),
    "manage_connections": Uses(
        gives_up_a_login,
        {
            "dynamodb:GetItem on ConnectionsTable": reads_a_connection,
            "dynamodb:Query on ConnectionsTable": lists_connections,
            "dynamodb:BatchGetItem": lists_connections,
            **dict.fromkeys(ON_RECORDS, disconnects),
        },
    ),
    "erase_user": Uses(erases_a_login, dict.fromkeys(ON_RECORDS, erases_records)),
    "apply_tombstones": Uses(
        buries_a_login, {"s3:ListBucket": buries_a_login, **dict.fromkeys(ON_RECORDS, buries_records)}
    ),
    "rewrap_tokens": Uses(moves_to_another_key, {}),
    "retrieve_records": Uses(
        fetches,
        {
            "dynamodb:UpdateItem on ConnectionsTable": fetches_with_old_tokens,
            "kms:GenerateDataKey": fetches_with_old_tokens,
            "sqs:SendMessage": fetches_with_old_tokens,
            "dynamodb:GetItem on RetrievalsTable": asks_for_later,
            "dynamodb:PutItem on RetrievalsTable": asks_for_later,
            "states:StartExecution": asks_for_later,
            "s3:PutObject": fetches_much,
            "s3:": fetches_much_in_vain,
        },
    ),
    "begin_retrieval": Uses(
        retrieves,
        {
            "dynamodb:UpdateItem on ConnectionsTable": retrieves_with_old_tokens,
            "kms:GenerateDataKey on TokensKey if kms:EncryptionContext:table = connections": (
                retrieves_with_old_tokens
            ),
            "sqs:SendMessage": retrieves_with_old_tokens,
        },
    ),
    "poll_retrieval": Uses(
        retrieves,
        {"s3:AbortMultipartUpload": retrieves_much_in_vain, "s3:DeleteObject": retrieves_for_nobody},
    ),
    "finish_retrieval": Uses(retrieves_in_vain, {}),
    "read_retrieval": Uses(
        reads_a_manifest,
        {
            "s3:GetObject": opens_a_file,
            "s3:": cancels,
            "dynamodb:DeleteItem": cancels,
            "dynamodb:UpdateItem": cancels,
            "states:StopExecution": cancels,
        },
    ),
    "refresh_connection": Uses(is_kept_alive, {"scheduler:DeleteSchedule": is_no_longer_kept_alive}),
    "RetrieveRecordsMachine": Uses(
        retrieves, {"lambda:InvokeFunction on FinishRetrievalFunction": retrieves_in_vain}
    ),
}

FOR_THE_POLLER = "Lambda polls the queue in the function's role; the emulator polls without asking."
NOT_SHOWN: Mapping[str, str] = {
    "RetrieveRecordsMachine: logs:": (
        "Step Functions sets up its log delivery with the machine's role; the emulator delivers without asking. "
        "AWS documents these eight actions, and that they have no resource-level permissions."
    ),
    "KeepAlive: sqs:SendMessage": (
        "EventBridge Scheduler sends in this role; the emulator's scheduler sends without asking."
    ),
    "refresh_connection: sqs:ReceiveMessage": FOR_THE_POLLER,
    "refresh_connection: sqs:DeleteMessage": FOR_THE_POLLER,
    "refresh_connection: sqs:GetQueueAttributes": FOR_THE_POLLER,
    "exchange_token: iam:PassRole": "The emulator lets a schedule be given any role.",
}
"""Grants by the beginning of their text, with the reason why no run against the emulator can show the need."""
