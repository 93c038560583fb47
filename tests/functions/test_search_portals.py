from io import StringIO

import pytest

from sandbox.outside import Outside
from tests.functions.answers import invalid, problem, told, with_query
from tests.functions.conftest import Load
from tests.functions.handlers import event

BASE = "http://127.0.0.1:8080"
FIELDS = {"id", "name", "organization", "vendor", "dataType", "address", "location", "status", "pkce"}


def test_portals_are_found_by_name_page_by_page(load: Load, vendor: dict[str, str], log: StringIO) -> None:
    search = load("search_portals", **vendor)
    asked = event("search_portals", "by_name")
    answer = told(search(asked))
    assert (answer["status"], answer["headers"]) == (200, {"Content-Type": "application/json", "Age": "0"})
    assert answer["body"].keys() == {"portals", "next"}
    seen = answer["body"]["portals"]
    while cursor := answer["body"]["next"]:
        answer = told(search(with_query(asked, q="health", limit="1", cursor=cursor)))
        seen += answer["body"]["portals"]
    names = [portal["name"] for portal in seen]
    assert names == sorted(names, key=str.casefold)
    assert len({portal["id"] for portal in seen}) == len(seen) > 1
    assert all(portal.keys() == FIELDS for portal in seen)
    assert all("health" in f"{portal['name']} {portal['organization']}".casefold() for portal in seen)
    assert '"portals searched"' in log.getvalue()


def test_the_vendors_addresses_are_never_shown(load: Load, vendor: dict[str, str]) -> None:
    text = str(told(load("search_portals", **vendor)(event("search_portals", "everything"))))
    assert "http" not in text.replace(BASE, "")


def test_everything_of_a_kind_is_listed(load: Load, vendor: dict[str, str], outside: Outside) -> None:
    answer = told(load("search_portals", **vendor)(event("search_portals", "everything")))
    assert len(answer["body"]["portals"]) == 25
    assert {portal["dataType"] for portal in answer["body"]["portals"]} == {"payer"}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"q": "x" * 101}, "q must be at most 100 characters."),
        ({"q": "a\x00b"}, "q must not contain control characters."),
        ({"limit": "0"}, "limit must be a whole number from 1 to 100."),
        ({"limit": "101"}, "limit must be a whole number from 1 to 100."),
        ({"limit": "ten"}, "limit must be a whole number from 1 to 100."),
        ({"limit": ""}, "limit must be a whole number from 1 to 100."),
        ({"cursor": ""}, "cursor must be a cursor that a previous page gave."),
        ({"cursor": "bm90IGpzb24"}, "cursor must be a cursor that a previous page gave."),
        ({"cursor": "WzEsMl0"}, "cursor must be a cursor that a previous page gave."),
    ],
)
def test_a_bad_parameter_is_named(
    load: Load, vendor: dict[str, str], outside: Outside, query: dict[str, str], detail: str
) -> None:
    answer = load("search_portals", **vendor)(with_query(event("search_portals", "by_name"), **query))
    assert told(answer) == invalid(detail, BASE)
    assert outside.count("search") == 0


def test_another_kind_of_portal_is_refused(load: Load, vendor: dict[str, str]) -> None:
    asked = event("search_portals", "everything")
    asked["rawPath"] = asked["requestContext"]["http"]["path"] = "/v1/portals/dental"
    assert told(load("search_portals", **vendor)(asked)) == invalid(
        "dataType must be clinical or payer.", BASE
    )


@pytest.mark.parametrize(
    ("fault", "status", "slug"),
    [
        ("401", 503, "temporarily-unavailable"),
        ("403", 502, "portal-error"),
        ("429", 503, "temporarily-unavailable"),
        ("500", 502, "portal-error"),
        ("reset", 502, "portal-error"),
        ("html", 502, "portal-error"),
    ],
)
def test_a_directory_in_trouble_is_told_without_its_words(
    load: Load, vendor: dict[str, str], outside: Outside, log: StringIO, fault: str, status: int, slug: str
) -> None:
    search = load("search_portals", **vendor)
    outside.set_scenario(faults=[{"operation": "search", "answer": fault, "calls": 0}])
    answer = told(search(event("search_portals", "by_name")))
    assert (answer["status"], answer["body"]["type"]) == (status, f"{BASE}/problems/{slug}")
    assert status != 503 or int(answer["headers"]["Retry-After"]) > 0
    for told_by_vendor in ("access token", "not authorized", "unexpected error", "Gateway"):
        assert told_by_vendor not in str(answer)
        assert told_by_vendor not in log.getvalue()


def test_a_last_good_copy_is_shown_with_a_warning(
    load: Load, vendor: dict[str, str], outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = load("search_portals", **vendor)
    asked = event("search_portals", "by_name")
    fresh = told(search(asked))
    outside.set_scenario(faults=[{"operation": "search", "answer": "500", "calls": 0}])
    before = search.module.directory._monotonic
    monkeypatch.setattr(search.module.directory, "_monotonic", lambda: before() + 3600)
    stale = told(search(asked))
    assert stale["body"] == fresh["body"]
    assert stale["headers"]["Warning"] == '110 - "Response is Stale"'
    assert int(stale["headers"]["Age"]) >= 3600


def test_what_is_no_route_is_not_found(load: Load, vendor: dict[str, str]) -> None:
    asked = event("search_portals", "everything")
    asked["rawPath"] = asked["requestContext"]["http"]["path"] = "/v1/portals"
    answer = load("search_portals", **vendor)(asked)
    assert told(answer) == problem(404, "not-found", "Not found", "There is no such route.", base=BASE)
