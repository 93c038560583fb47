"""Records at once and in the background: filters, payload forms, pending forms, outcomes."""

import json
import time
from typing import Any

import httpx
import pytest

from sandbox.outside import Outside
from tests.sandbox.client import Client, Connected, resources_of


@pytest.fixture
def connected(client: Client, outside: Outside) -> Connected:
    outside.set_scenario(profile="tiny", async_seconds=0)
    return client.connect(outside.portal("epic"))


def result_of(client: Client, connected: Connected, **body: Any) -> httpx.Response:
    return client.retrieve(client.start(connected, **body).json()["transactionId"])


FORMS = (
    "bundle", "array-of-resources", "array-of-bundles", "object-of-arrays", "json-string", "nested-bundle",
    "bare-bundle",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_payload_form_carries_the_same_resources(
    client: Client, outside: Outside, connected: Connected, form: str
) -> None:
    expected = {
        (one["resourceType"], one["id"]) for one in resources_of(client.fetch(connected).json()["payload"])
    }
    outside.set_scenario(connected.portal.id, payload=form)
    for reply in (client.fetch(connected), result_of(client, connected)):
        whole = reply.json()
        payload = whole if form == "bare-bundle" else whole["payload"]
        payload = json.loads(payload) if form == "json-string" else payload
        assert {(one["resourceType"], one["id"]) for one in resources_of(payload)} == expected
    assert len(expected) > 40


def test_a_bundle_may_have_no_entry(client: Client, outside: Outside, connected: Connected) -> None:
    outside.set_scenario(connected.portal.id, payload="bundle-without-entry")
    assert "entry" not in client.fetch(connected).json()["payload"]


@pytest.mark.parametrize(("place", "position"), [("first", 0), ("last", -1), ("absent", None)])
def test_error_data_may_come_first_last_or_not_at_all(
    client: Client, outside: Outside, connected: Connected, place: str, position: int | None
) -> None:
    outside.set_scenario(connected.portal.id, error_data=place)
    names = list(client.fetch(connected).json())
    assert ("errorData" in names) == (position is not None)
    assert position is None or names[position] == "errorData"


def test_version_and_content_type_may_be_others_or_missing(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(connected.portal.id, fhir_version="DSTU2", content_type=None)
    result = client.fetch(connected).json()
    assert result["fhirVersion"] == "DSTU2"
    assert "contentType" not in result


def test_the_filter_selects_by_the_vendors_names(client: Client, connected: Connected) -> None:
    def kinds(*names: str) -> set[str]:
        payload = client.fetch(connected, resources=list(names)).json()["payload"]
        return {one["resourceType"] for one in resources_of(payload)}

    assert "Patient" in kinds("Patient")
    assert "Observation" in kinds("Vitals")
    assert "Patient" not in kinds("Labs")


def test_an_unknown_name_is_dropped_or_refused(
    client: Client, outside: Outside, connected: Connected
) -> None:
    assert client.fetch(connected, resources=["Encounter", "Patient"]).status_code == 200
    outside.set_scenario(connected.portal.id, unknown_resource="400")
    assert client.fetch(connected, resources=["Encounter", "Patient"]).status_code == 400


def test_a_background_query_keeps_to_its_time_range(client: Client, connected: Connected) -> None:
    asked = {"fromTime": "2100-01-01T00:00:00.000Z", "excludeUndatedEntries": True}
    result = result_of(client, connected, resources=["Vitals", "Labs"], params=asked).json()
    assert resources_of(result["payload"]) == []


@pytest.mark.parametrize(
    "wrong", [{"patientId": "someone-else"}, {"resources": "Patient"}, {"resources": [1]}]
)
def test_a_query_for_someone_else_or_of_the_wrong_type_is_400(
    client: Client, connected: Connected, wrong: dict[str, Any]
) -> None:
    assert client.fetch(connected, **wrong).status_code == 400
    assert client.start(connected, **wrong).status_code == 400


def test_a_patient_id_is_required_where_one_was_given(
    client: Client, outside: Outside, connected: Connected
) -> None:
    url = f"{outside.urls.integrator}/integrator/v1/fhir/resources/{connected.portal.id}"
    assert client.http.post(url, json={"oauthToken": connected.reply["token"]}).status_code == 400


def test_partial_failure_is_told_beside_what_came(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(connected.portal.id, failing=["Labs", "Coverage"], severity="warning")
    result = result_of(client, connected, resources=["Patient", "Labs"]).json()
    assert result["payload"]["entry"]
    (error,) = result["errorData"]["errors"]
    assert (error["status"], error["severity"], "Labs" in error["message"]) == (502, "warning", True)
    assert result["errorData"]["highestError"] == "warning"
    nothing = result_of(client, connected, resources=["Labs"]).json()
    assert (nothing["payload"], len(nothing["errorData"]["errors"])) == (None, 1)


def test_demographics_that_the_patient_withheld_do_not_come(client: Client, outside: Outside) -> None:
    outside.set_scenario(profile="tiny")
    connected = client.connect(outside.portal("bluebutton"), withhold=True)
    result = client.fetch(connected).json()
    assert "Patient" not in {one["resourceType"] for one in resources_of(result["payload"])}
    assert [error["status"] for error in result["errorData"]["errors"]] == [403]


def test_an_operation_outcome_and_a_next_link_may_be_inside(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(connected.portal.id, operation_outcome=True, next_link=True)
    payload = client.fetch(connected).json()["payload"]
    assert payload["entry"][-1]["resource"]["resourceType"] == "OperationOutcome"
    assert [link["relation"] for link in payload["link"]] == ["self", "next"]


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_chart_is_a_result_in_every_form(
    client: Client, outside: Outside, connected: Connected, form: str
) -> None:
    outside.set_scenario(connected.portal.id, profile="empty", payload=form)
    whole = client.fetch(connected).json()
    payload = whole if form == "bare-bundle" else whole["payload"]
    assert resources_of(json.loads(payload) if form == "json-string" else payload) == []


def test_a_reply_may_be_compressed(client: Client, outside: Outside, connected: Connected) -> None:
    plain = client.fetch(connected).content
    outside.set_scenario(connected.portal.id, compress=True)
    reply = client.fetch(connected)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert reply.content == plain


@pytest.mark.parametrize(("form", "status"), [("401", 401), ("error-data", 200)])
def test_a_dead_patient_token_is_told_in_both_forms(
    client: Client, outside: Outside, connected: Connected, form: str, status: int
) -> None:
    outside.set_scenario(connected.portal.id, dead_token=form)
    outside.expire_tokens(connected.portal.id)
    for reply in (client.fetch(connected), client.start(connected)):
        assert reply.status_code == status
        told = reply.json() if status == 401 else reply.json()["errorData"]["errors"][0]
        assert told["status"] == 401


def test_a_dead_patient_token_may_show_in_the_result_only(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(connected.portal.id, async_token_check="in-result")
    outside.expire_tokens(connected.portal.id)
    result = result_of(client, connected)
    assert (result.status_code, result.json()["errorData"]["errors"][0]["status"]) == (200, 401)


def test_a_fetch_may_be_slow_or_fail_inside_a_200(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(connected.portal.id, fetch_seconds=0.2)
    began = time.monotonic()
    client.fetch(connected)
    assert time.monotonic() - began >= 0.2
    outside.set_scenario(connected.portal.id, fetch_seconds=0, fetch_outcome="error")
    reply = client.fetch(connected)
    assert (reply.status_code, reply.json()["payload"]) == (200, None)


@pytest.mark.parametrize(
    ("form", "status", "body"),
    [
        ("404", 404, "flat"),
        ("202", 202, ""),
        ("204", 204, ""),
        ("empty", 200, ""),
        ("information", 200, "told"),
    ],
)
def test_every_pending_form_is_followed_by_the_result(
    client: Client, outside: Outside, connected: Connected, form: str, status: int, body: str
) -> None:
    outside.set_scenario(connected.portal.id, pending=form, async_seconds=30)
    transaction = client.start(connected).json()["transactionId"]
    pending = client.retrieve(transaction)
    assert pending.status_code == status
    assert bool(pending.content) == bool(body)
    if body == "flat":
        assert "not yet available" in pending.json()["message"]
    if body == "told":
        assert pending.json()["payload"] is None
        assert pending.json()["errorData"]["highestError"] == "INFORMATION"
    outside.clock.advance(31)
    assert client.retrieve(transaction).json()["payload"]["entry"]


def test_a_result_is_read_the_same_for_two_hours_and_then_never(
    client: Client, outside: Outside, connected: Connected
) -> None:
    transaction = client.start(connected).json()["transactionId"]
    first = client.retrieve(transaction)
    outside.set_scenario(connected.portal.id, payload="array-of-resources", fhir_version="R5")
    outside.clock.advance(7190)
    assert client.retrieve(transaction).content == first.content
    assert first.headers["OneRecord-Transaction-ID"] == transaction
    outside.clock.advance(20)
    assert client.retrieve(transaction).status_code == 404


def test_a_result_may_be_gone_after_its_first_reading(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(connected.portal.id, async_outcome="gone")
    transaction = client.start(connected).json()["transactionId"]
    assert [client.retrieve(transaction).status_code for _ in range(3)] == [200, 404, 404]


@pytest.mark.parametrize(("outcome", "status"), [("error", 200), ("500", 500), ("never", 404)])
def test_a_background_query_may_fail_or_never_end(
    client: Client, outside: Outside, connected: Connected, outcome: str, status: int
) -> None:
    outside.set_scenario(connected.portal.id, async_outcome=outcome)
    transaction = client.start(connected).json()["transactionId"]
    outside.clock.advance(600)
    replies = [client.retrieve(transaction) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [status, status]
    if outcome == "error":
        assert replies[0].json()["errorData"]["highestError"] == "ERROR"
        assert replies[0].content == replies[1].content


@pytest.mark.parametrize(
    ("form", "header", "body", "good"),
    [
        ("both", True, True, "both"),
        ("header", True, False, "header"),
        ("body", False, True, "body"),
        ("differing", True, True, "header"),
        ("differing-body", True, True, "body"),
    ],
)
def test_the_transaction_id_comes_by_header_body_or_both(
    client: Client, outside: Outside, connected: Connected, form: str, header: bool, body: bool, good: str
) -> None:
    outside.set_scenario(connected.portal.id, transaction_id=form)
    started = client.start(connected)
    told = {
        "header": started.headers.get("OneRecord-Transaction-ID"),
        "body": started.json().get("transactionId"),
    }
    assert (told["header"] is not None, told["body"] is not None) == (header, body)
    works = {place for place, value in told.items() if value and client.retrieve(value).status_code == 200}
    assert works == ({"header", "body"} if good == "both" else {good})


def test_another_device_does_not_see_the_result(
    client: Client, outside: Outside, connected: Connected
) -> None:
    transaction = client.start(connected).json()["transactionId"]
    other = {"Authorization": f"Bearer {outside.settings.second_device_token}"}
    assert client.retrieve(transaction, headers=other).status_code == 404
    assert client.retrieve("00000000-0000-0000-0000-000000000000").status_code == 404


def test_a_huge_result_is_streamed_with_ids_of_their_own(
    client: Client, outside: Outside, connected: Connected
) -> None:
    outside.set_scenario(connected.portal.id, profile="huge-12", attachment_megabytes=2)
    reply = result_of(client, connected)
    assert "Content-Length" not in reply.headers
    assert len(reply.content) > 12_000_000
    found = resources_of(reply.json()["payload"])
    identified = [(one["resourceType"], one["id"]) for one in found if "id" in one]
    assert len(set(identified)) == len(identified)
    assert sum(one["resourceType"] == "Patient" for one in found) == 1
    scans = [one for one in found if one.get("id", "").startswith("scan-1")]
    assert scans
    assert len(scans[0]["content"][0]["attachment"]["data"]) == 2_000_000
