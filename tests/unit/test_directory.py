"""The portal directory: rows read with tolerance, searches asked strictly, pages without loss."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico import pkce
from portico.directory import Listing, Portal, Query, find, page
from portico.errors import InvalidRequest
from portico.ids import base64url
from tests.unit.samples import GUIDE_ROW, REDIRECTORS, redirect_uri, row

PORTAL_URL = "https://login.mapleridge.example/authorize?client_id=1"


def parsed(fields: dict[str, Any], data_type: str = "clinical") -> Portal:
    portal = Portal.parse(fields, data_type, REDIRECTORS)
    assert portal is not None
    return portal


# --- rows ------------------------------------------------------------------------------------------


def test_the_guides_own_example_is_read_whole() -> None:
    assert parsed(GUIDE_ROW) == Portal(
        id="8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f",
        name="Epic New",
        organization="Sandbox",
        vendor="Epic",
        data_type="clinical",
        street="1979 Milky Way",
        city="Verona",
        state="WI",
        zip="53593",
        latitude=42.995075,
        longitude=-89.567826,
        status="active",
        pkce=None,
        redirect_uri=GUIDE_ROW["redirectUri"],
        derived_auth_uri=GUIDE_ROW["derivedAuthUri"],
    )


def test_an_app_sees_everything_but_the_urls() -> None:
    assert parsed(GUIDE_ROW).as_json() == {
        "id": "8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f",
        "name": "Epic New",
        "organization": "Sandbox",
        "vendor": "Epic",
        "dataType": "clinical",
        "address": {"street": "1979 Milky Way", "city": "Verona", "state": "WI", "zip": "53593"},
        "location": {"lat": 42.995075, "lon": -89.567826},
        "status": "active",
        "pkce": False,
    }


def test_a_row_of_nothing_but_id_and_urls_is_a_portal() -> None:
    bare = {"_id": "1", "redirectUri": redirect_uri(PORTAL_URL), "endpointStatus": "active"}
    assert parsed(bare, "payer").as_json() == {
        "id": "1",
        "name": "",
        "organization": "",
        "vendor": "",
        "dataType": "payer",
        "address": {"street": "", "city": "", "state": "", "zip": ""},
        "location": None,
        "status": "active",
        "pkce": False,
    }


def test_null_fields_are_as_good_as_absent() -> None:
    kept = ("_id", "redirectUri", "endpointStatus")
    nulls = {name: value if name in kept else None for name, value in GUIDE_ROW.items()}
    absent = {name: GUIDE_ROW[name] for name in kept}
    assert parsed(nulls) == parsed(absent)


def test_mistyped_fields_are_absent_and_numbers_are_text() -> None:
    odd = parsed(
        row(name=["x"], city={"a": 1}, zip=2139, vendor=True, latitude="north", location=[1, 2], _id=7)
    )
    assert (odd.id, odd.name, odd.city, odd.zip, odd.vendor, odd.latitude) == ("7", "", "", "2139", "", None)


@pytest.mark.parametrize("key", ["redirectURI", "RedirectUrl", "REDIRECTURI"])
def test_keys_count_in_any_letter_case(key: str) -> None:
    fields = {name: value for name, value in GUIDE_ROW.items() if name != "redirectUri"}
    assert parsed(fields | {key: GUIDE_ROW["redirectUri"]}) == parsed(GUIDE_ROW)


@pytest.mark.parametrize(
    "fields", [None, "row", 7, [], {}, {"name": "No id"}, row(_id=None), row(_id=""), row(_id={"$oid": 1})]
)
def test_a_row_without_an_id_is_no_portal(fields: object) -> None:
    assert Portal.parse(fields, "clinical", REDIRECTORS) is None


@pytest.mark.parametrize(
    ("location", "latitude", "longitude", "place"),
    [
        (None, 42.5, -89.25, {"lat": 42.5, "lon": -89.25}),
        ({"lat": 42.5, "lon": -89.25}, None, None, {"lat": 42.5, "lon": -89.25}),
        ({"lat": 42, "lon": None}, None, -89, {"lat": 42.0, "lon": -89.0}),
        ({"lat": 42.5}, None, None, None),
        (None, 1e9, -89.25, None),
        (None, True, False, None),
    ],
)
def test_a_place_is_shown_only_whole(
    location: object, latitude: object, longitude: object, place: object
) -> None:
    fields = row(location=location, latitude=latitude, longitude=longitude)
    assert parsed(fields).as_json()["location"] == place


@pytest.mark.parametrize(
    ("said", "status"),
    [("active", "active"), ("ACTIVE", "active"), (" active ", "active"), ("inactive", "inactive")]
    + [(other, "inactive") for other in ("off", "error", "test", "", None, 1, ["active"])],
)
def test_only_an_active_endpoint_can_be_connected_to(said: object, status: str) -> None:
    portal = parsed(row(endpointStatus=said))
    assert (portal.status, portal.connectable) == (status, status == "active")


@pytest.mark.parametrize(
    "fields",
    [
        row(redirectUri=None),
        row(redirectUri=""),
        row(redirectUri=GUIDE_ROW["redirectUri"].replace("onerecord", "evil")),
        row(redirectUri="https://[::1/outbound/?portalURL=https%3A%2F%2Fa.example"),
        row(redirectUri=redirect_uri("https://127.0.0.1/authorize")),
        row(redirectUri=redirect_uri(f"{PORTAL_URL}&code_challenge_method=S512")),
        row(derivedAuthUri=f"{PORTAL_URL}&code_challenge_method=none"),
    ],
)
def test_t10_a_portal_that_a_patient_may_not_be_sent_to_is_shown_as_unsupported(
    fields: dict[str, Any],
) -> None:
    portal = parsed(fields)
    assert (portal.status, portal.connectable, portal.pkce) == ("unsupported", False, None)


@pytest.mark.parametrize(
    ("portal_url", "derived", "method"),
    [
        ("&code_challenge_method=S256", "", pkce.Method.S256),
        ("", "&code_challenge_method=S256", pkce.Method.S256),
        ("&code_challenge_method=plain", "", pkce.Method.PLAIN),
        ("", "", None),
    ],
)
def test_pkce_shows_as_the_portals_urls_ask_for_it(
    portal_url: str, derived: str, method: pkce.Method | None
) -> None:
    portal = parsed(
        row(redirectUri=redirect_uri(PORTAL_URL + portal_url), derivedAuthUri=PORTAL_URL + derived)
    )
    assert (portal.pkce, portal.as_json()["pkce"]) == (method, method is not None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*GUIDE_ROW, "extra"]), JSON))
def test_t30_no_row_at_all_breaks_the_listing(fields: dict[str, Any]) -> None:
    portal = Portal.parse(GUIDE_ROW | fields, "clinical", REDIRECTORS)
    assert portal is None or json.dumps(portal.as_json())


# --- searches --------------------------------------------------------------------------------------


def test_a_search_without_parameters_asks_for_the_first_twenty_five_of_all() -> None:
    assert Query.parse("payer", None) == Query("payer", "", 25, None)


def test_a_search_is_read_whole() -> None:
    cursor = base64url(json.dumps(["maple", "7"]).encode())
    asked = {"q": "  Maple Ridge ", "limit": "100", "cursor": cursor}
    assert Query.parse("clinical", asked) == Query("clinical", "Maple Ridge", 100, ("maple", "7"))


@pytest.mark.parametrize("data_type", ["", "Clinical", "dental", "clinical/../payer"])
def test_another_kind_of_portal_is_refused(data_type: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Query.parse(data_type, None)
    assert refused.value.field == "dataType"


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", " 5", "1e1", "٣", "²", "999999", "abc"])
def test_a_limit_out_of_range_is_refused(limit: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Query.parse("clinical", {"limit": limit})
    assert refused.value.field == "limit"


@pytest.mark.parametrize("limit", ["1", "25", "100", "007"])
def test_a_limit_in_range_is_taken(limit: str) -> None:
    assert Query.parse("clinical", {"limit": limit}).limit == int(limit)


@pytest.mark.parametrize("term", ["x" * 101, "a\nb", "a\x00b", "a\x7fb"])
def test_a_term_too_long_or_with_control_characters_is_refused(term: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Query.parse("clinical", {"q": term})
    assert refused.value.field == "q"


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "é",
        "abcd",
        "a" * 10_000,
        *(
            base64url(text)
            for text in (b"[]", b"7", b'["a"]', b'["a",1]', b'["a","b","c"]', b'{"a":1}', b"\xff", b"[" * 700)
        ),
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Query.parse("clinical", {"cursor": cursor})
    assert refused.value.field == "cursor"


# --- pages -----------------------------------------------------------------------------------------

SAMPLE = parsed(GUIDE_ROW)


def named(*names: str) -> Listing:
    return Listing([replace(SAMPLE, id=f"{i:03}", name=name) for i, name in enumerate(names)])


@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from(["", "Maple", "maple", "MAPLE", "Ärzte", "straße", "STRASSE", "x" * 900])
        | st.text(max_size=5),
        max_size=30,
    ),
    st.integers(1, 7),
)
def test_pages_lose_and_repeat_nothing(names: list[str], limit: int) -> None:
    listing = named(*names)
    listing = replace(listing, portals=[*listing.portals, *listing.portals[:3]])
    seen: list[str] = []
    query = Query("clinical", "", limit)
    for _ in range(len(names) + 1):
        found = page(listing, query)
        assert len(found.portals) <= limit
        seen += [portal.id for portal in found.portals]
        if found.next is None:
            break
        query = replace(Query.parse("clinical", {"cursor": found.next}), limit=limit)
    assert sorted(seen) == [f"{i:03}" for i in range(len(names))]


@pytest.mark.parametrize("name", ["x" * 5000, "\U0001fa7a" * 5000])
def test_a_name_of_any_length_can_be_paged_over(name: str) -> None:
    listing = named(name + "a", name + "b", name + "c")
    first = page(listing, Query("clinical", limit=1))
    assert first.next is not None
    rest = page(listing, Query.parse("clinical", {"cursor": first.next}))
    assert sorted(p.id for p in [*first.portals, *rest.portals]) == ["000", "001", "002"]


def test_a_page_is_ordered_by_name_whatever_its_letter_case_then_by_id() -> None:
    found = page(named("beta", "Alpha", "alpha", "Gamma"), Query("clinical"))
    assert [(p.name, p.id) for p in found.portals] == [
        ("Alpha", "001"),
        ("alpha", "002"),
        ("beta", "000"),
        ("Gamma", "003"),
    ]


def test_a_full_last_page_has_no_next() -> None:
    found = page(named("a", "b"), Query("clinical", limit=2))
    assert (len(found.portals), found.next) == (2, None)


def test_paging_goes_on_where_it_stopped_although_that_portal_is_gone() -> None:
    listing = named("a", "b", "c", "d")
    first = page(listing, Query("clinical", limit=2))
    assert first.next is not None
    fewer = replace(listing, portals=[p for p in listing.portals if p.name != "b"])
    rest = page(fewer, Query.parse("clinical", {"cursor": first.next}))
    assert [p.name for p in rest.portals] == ["c", "d"]


@pytest.mark.parametrize(
    ("term", "names"),
    [
        ("maple", ["Maple Ridge", "MAPLE Grove"]),
        ("ridge", ["Maple Ridge"]),
        ("sandbox", ["Maple Ridge", "MAPLE Grove", "Oak"]),
        ("53593", ["Maple Ridge", "MAPLE Grove", "Oak"]),
        ("535", ["Maple Ridge", "MAPLE Grove", "Oak"]),
        ("002", ["Oak"]),
    ],
)
def test_what_the_vendor_returned_is_filtered_by_name_organization_zip_or_id(
    term: str, names: list[str]
) -> None:
    found = page(named("Maple Ridge", "MAPLE Grove", "Oak"), Query("clinical", term))
    assert sorted(p.name for p in found.portals) == sorted(names)


def test_when_nothing_matches_by_our_reading_the_vendors_word_stands() -> None:
    assert len(page(named("Maple", "Oak"), Query("clinical", "Acer")).portals) == 2


def test_nothing_found_is_an_empty_page() -> None:
    found = page(Listing([]), Query("clinical", "x"))
    assert (list(found.portals), found.next) == ([], None)


def test_a_portal_is_found_by_its_id_alone() -> None:
    listing = named("a", "b")
    assert find(listing.portals, "001") == listing.portals[1]
    assert find(listing.portals, "b") is None
