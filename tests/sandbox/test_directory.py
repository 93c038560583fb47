"""The directory: what it lists, how it searches, how it refuses."""

import uuid
from urllib.parse import unquote

import httpx
import pytest

from sandbox.outside import Outside
from tests.sandbox.client import Client, query_of


def test_it_lists_more_than_forty_clinical_and_five_hundred_payer_portals(client: Client) -> None:
    clinical, payer = client.search("clinical"), client.search("payer")
    assert len(clinical) > 40
    assert len(payer) > 500
    assert {row["dataType"] for row in clinical} == {"clinical"}
    assert {row["dataType"] for row in payer} == {"payer"}
    ids = {uuid.UUID(row["_id"]) for row in clinical + payer}
    assert len(ids) == len(clinical) + len(payer) - 1, "one entry comes twice"


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("JUNIPER", "Juniper Valley Clinic"),
        ("san jerónimo", "Clínica San Jerónimo"),
        ("ʻohana", "Kealoha Makani Health Center — ʻOhana Clinic"),
        ("orthopedics / sports", "Ridgeline Orthopedics / Sports Medicine"),
        ("o'dell & whitaker", "O'Dell & Whitaker Pediatrics"),
        ("97701", "Juniper Valley Clinic"),
        ("041", "Harborlight Medical Center"),
        ("8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f", "Epic New"),
    ],
)
def test_it_finds_a_portal_by_name_zip_or_id(client: Client, term: str, expected: str) -> None:
    assert [row["name"] for row in client.search("clinical", term)] == [expected]


@pytest.mark.parametrize("term", ["no such hospital", "99999", "8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9"])
def test_it_answers_an_empty_list_when_nothing_matches(client: Client, term: str) -> None:
    assert client.search("clinical", term) == []


@pytest.mark.parametrize("base", ["client/endpoint", "client/fhir/endpoint"])
@pytest.mark.parametrize("tail", ["search", "search/"])
def test_both_paths_and_both_ends_list_everything(
    client: Client, outside: Outside, base: str, tail: str
) -> None:
    reply = client.http.get(f"{outside.urls.directory}/directory/v1/{base}/clinical/{tail}")
    assert len(reply.json()) == len(client.search("clinical"))


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic c2FuZGJveA==", "Bearer"])
def test_without_the_device_token_it_answers_401_with_a_flat_body(
    outside: Outside, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    url = f"{outside.urls.directory}/directory/v1/client/endpoint/clinical/search/epic"
    reply = httpx.get(url, headers=headers)
    assert reply.status_code == 401
    assert list(reply.json()) == ["timestamp", "status", "error", "message"]


def test_an_unknown_category_is_404_and_another_method_405(client: Client, outside: Outside) -> None:
    base = f"{outside.urls.directory}/directory/v1/client/endpoint"
    missing = client.http.get(f"{base}/dental/search/x")
    assert (missing.status_code, missing.json()["error"]) == (404, "Not Found")
    assert missing.json()["message"] == "the URL for the request was invalid"
    wrong = client.http.post(f"{base}/clinical/search/x")
    assert (wrong.status_code, wrong.json()["path"]) == (
        405,
        "/directory/v1/client/endpoint/clinical/search/x",
    )


def test_its_entries_are_as_uneven_as_real_ones(client: Client) -> None:
    rows = client.search("clinical") + client.search("payer")
    methods = {query_of(row["derivedAuthUri"]).get("code_challenge_method") for row in rows}
    assert {"S256", "s256", "plain", "S512", "", None} <= methods
    assert {row["endpointStatus"] for row in rows} == {"active", "inactive", "maintenance"}
    assert any("zip" not in row and "location" not in row for row in rows)
    assert any(row.get("street", "") is None for row in rows)
    assert any("state" in query_of(row["derivedAuthUri"]) for row in rows)
    assert any("%2f" in row["redirectUri"] for row in rows)
    assert not any(
        "clientURL" in row["redirectUri"] or "code_challenge=" in row["redirectUri"] for row in rows
    )


def test_pkce_may_be_named_in_the_derived_address_alone(client: Client) -> None:
    (row,) = client.search("payer", "meridian")
    assert "code_challenge_method=S256" in row["derivedAuthUri"]
    assert "code_challenge_method" not in unquote(row["redirectUri"])


def test_an_entry_can_be_made_to_say_something_else(client: Client, outside: Outside) -> None:
    portal = outside.portal("epic")
    outside.set_scenario(
        portal.id, row={"redirectUri": "https://elsewhere.example/outbound/", "vendor": None}
    )
    row = client.row(portal)
    assert (row["redirectUri"], row["vendor"]) == ("https://elsewhere.example/outbound/", None)
