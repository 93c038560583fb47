"""The examples printed in the vendor's guide, held against what the sandbox answers."""

import json
from typing import Any

import pytest

from sandbox.outside import Outside
from tests.sandbox.client import Client, query_of

DIRECTORY_EXAMPLE: list[dict[str, Any]] = json.loads("""
[{"name": "Epic New", "city": "Verona", "state": "WI", "street": "1979 Milky Way", "zip": "53593",
"vendor": "Epic", "endpointStatus": "active", "disposition": "1", "dataType": "clinical",
"derivedAuthUri": "https://fhir.epic.com/interconnect-fhir-oauth/oauth2/authorize?client_id=<client-id>&redirect_uri=https%3A%2F%2Fredirector.onerecord.com%2Ffhir%2Finbound&response_type=code",
"redirectUri": "https://redirector.onerecord.com/outbound/?portalURL=https%3A%2F%2Ffhir.epic.com%2Finterconnect-fhir-oauth%2Foauth2%2Fauthorize%3Fclient_id%3De9896805-87ce-4da3-991c-093e4d1a53c5%26redirect_uri%3Dhttps%253A%252F%252Fdevelop.onerecord.com%252Ffhir%252Fauth%26response_type%3Dcode",
"latitude": 42.995075, "longitude": -89.567826, "location": {"lat": 42.995075, "lon": -89.567826},
"_id": "8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f", "parent_org": "Sandbox"}]
""")
TOKEN_EXAMPLE = json.loads("""
{"patId": "12312-21213", "token": "957b880d-8e6f-4fba-82cf-b1c8359cb832", "tokenExpires": "28799",
"refreshToken": "74cf555d-545c-4bfb-8563-a0f0a9261999", "endpointId": "a05bfae7-d8a0-42fa-8159-c0305066ab37"}
""")
ERROR_ENTRY = {
    "timestamp": "string", "code": 0, "severity": "string", "status": 0, "error": "string",
    "message": "string", "path": "string",
}  # fmt: skip
ASYNC_EXAMPLE = {
    "errorData": {"errors": [ERROR_ENTRY], "highestError": "string"},
    "transactionId": "string",
    "deviceId": "string",
}
RETRIEVE_EXAMPLE: dict[str, Any] = {
    "errorData": {"errors": [ERROR_ENTRY], "highestError": "string"},
    "fhirVersion": "string",
    "contentType": "string",
    "payload": {},
}
SIXTEEN = [
    "Patient", "Immunization", "AllergyIntolerance", "MedicationRequest", "MedicationStatement", "Vitals",
    "Labs",
    "DiagnosticReport", "Condition", "Procedure", "FamilyMemberHistory", "DocumentReference", "CareTeam",
    "CarePlan", "ExplanationOfBenefit", "Coverage",
]  # fmt: skip


def shape(value: Any) -> Any:
    """The JSON types of a value, member by member."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return type(value)


def test_the_directory_answers_the_guides_search_with_the_guides_entry(client: Client) -> None:
    (row,) = client.search("clinical", "epic")
    (example,) = DIRECTORY_EXAMPLE
    ours = {"derivedAuthUri", "redirectUri"}
    assert list(row) == list(example)
    assert {name: row[name] for name in row.keys() - ours} == {
        name: example[name] for name in example.keys() - ours
    }
    for name in ours:
        assert list(query_of(row[name])) == list(query_of(example[name]))
    nested, printed = (query_of(query_of(entry["redirectUri"])["portalURL"]) for entry in (row, example))
    assert list(nested) == list(printed)
    assert nested["client_id"] == printed["client_id"]
    assert "<client-id>" in row["derivedAuthUri"]


def test_a_token_reply_has_the_guides_members_and_types(client: Client, outside: Outside) -> None:
    connected = client.connect(outside.portal(name="Epic New"))
    assert shape(connected.reply) == shape(TOKEN_EXAMPLE)


def test_the_guides_query_bodies_are_understood(client: Client, outside: Outside) -> None:
    outside.set_scenario(profile="tiny", async_seconds=0)
    connected = client.connect(outside.portal(name="Epic New"))
    assert client.fetch(connected).status_code == 200
    filtered = client.fetch(connected, resources=["Patient", "ExplanationOfBenefit", "Coverage"])
    assert filtered.status_code == 200
    assert client.fetch(connected, resources=SIXTEEN).status_code == 200
    params = {
        "fromTime": "2023-06-08T21:10:50.390Z",
        "toTime": "2023-06-08T21:10:50.391Z",
        "excludeUndatedEntries": True,
    }
    started = client.start(connected, resources=["Patient"], params=params)
    assert shape(started.json()) == shape(
        {**ASYNC_EXAMPLE, "errorData": {"errors": [], "highestError": None}}
    )
    assert started.headers["OneRecord-Transaction-ID"] == started.json()["transactionId"]


@pytest.mark.parametrize("outcome", ["data", "error"])
def test_a_retrieved_result_has_the_guides_members(client: Client, outside: Outside, outcome: str) -> None:
    outside.set_scenario(profile="tiny", async_seconds=0, async_outcome=outcome)
    connected = client.connect(outside.portal(name="Epic New"))
    result = client.retrieve(client.start(connected).json()["transactionId"]).json()
    assert result.keys() == RETRIEVE_EXAMPLE.keys()
    if outcome == "data":
        assert isinstance(result["payload"], dict)
        assert result["errorData"] == {"errors": [], "highestError": None}
    else:
        assert result["payload"] is None
        assert shape(result["errorData"]["errors"][0]) == shape(ERROR_ENTRY)
        assert result["errorData"]["highestError"] == "ERROR"
