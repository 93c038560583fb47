"""Whatever OneRecord sends, our readers give a value or one of the errors that they name."""

import json
import os
import sys
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from portico import ledger, vendor
from portico.authorization_url import Redirectors
from portico.collection import collect
from portico.directory import Listing, Portal, Query, page
from portico.errors import PortalUnusable, PorticoError, ResultMalformed
from portico.records_request import RESOURCES, RecordsRequest
from portico.tokens import TokenReply, Tokens, seconds
from portico.vendor import Reply, VendorError
from tests.fuzz.json_values import objects, values

ERROR_NAMES = (
    "errorData",
    "errors",
    "status",
    "code",
    "error",
    "message",
    "severity",
    "path",
    "transactionId",
)
TOKEN_NAMES = ("token", "refreshToken", "patId", "tokenExpires", "endpointId", "errorData")
ENVELOPE_NAMES = (*ERROR_NAMES, "payload", "fhirVersion", "contentType", "resourceType", "entry", "resource")
PLACE_NAMES = ("street", "city", "state", "zip", "latitude", "longitude", "location", "lat", "lon")
URL_NAMES = ("endpointStatus", "redirectUri", "derivedAuthUri")
ROW_NAMES = ("_id", "name", "parent_org", "vendor", "dataType", *PLACE_NAMES, *URL_NAMES)
URLS = st.sampled_from(
    [
        "https://redirector.example.com/outbound/?portalURL=https%3A%2F%2Fportal.example.com%2Fauth%3Fa%3D1",
        "https://redirector.example.com/outbound/?portalURL=https%3A%2F%2Fp.example.com%3Fcode_challenge_method%3DS256",
        "https://redirector.example.com/?portalURL=%ff%fe",
        "https://redirector.example.com/?portalURL=",
        "https://[::1/?portalURL=https://a.example",
        "https://portal.example.com/auth?code_challenge_method=plain",
        "https://portal.example.com/auth?x=\ud800&code_challenge_method=",
        "https://portal\ufe62.example.com/auth?code_challenge_method=S256",
        "clinical",
        "active",
    ]
)
REDIRECTORS = st.builds(
    Redirectors,
    hosts=st.just(frozenset({"redirector.example.com"})),
    loopback=st.booleans(),
    derived_replaces_portal_url=st.booleans(),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    objects(ERROR_NAMES).map(lambda document: json.dumps(document).encode()),
    st.integers(1, 200_000).map(lambda depth: b"[" * depth),
    st.integers(4_000, 6_000).map(lambda digits: b'{"status":' + b"9" * digits + b"}"),
    st.sampled_from(
        [b"", b"NaN", b'{"a":Infinity}', b'{"a":1,"a":2}', "{}".encode("utf-16"), b"\xef\xbb\xbf{}"]
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", vendor.TRANSACTION_HEADER, "content-type"]),
    st.text(max_size=300),
    max_size=3,
)
REPLIES = st.builds(Reply, st.integers(100, 999), HEADERS, BODIES)
CASES = 2 * int(os.environ.get("FUZZ_CASES", "50"))
FAST = settings(max_examples=CASES, deadline=None, derandomize=CASES <= 100)


@FAST
@given(REPLIES)
def test_an_answer_is_json_or_unusable(reply: Reply) -> None:
    try:
        fields = reply.fields()
    except PortalUnusable:
        return
    json.dumps(fields, allow_nan=False)


@FAST
@given(REPLIES)
def test_every_refusal_has_a_meaning(reply: Reply) -> None:
    error = vendor.refusal(reply)
    assert isinstance(error, PorticoError)
    assert error.reason.startswith("portal_")


@FAST
@given(values(ERROR_NAMES))
def test_errors_are_read_from_anything(document: Any) -> None:
    for error in vendor.errors_of(document):
        assert isinstance(error, VendorError)
        told = json.loads(ledger.outcome_of(error))
        assert told["resourceType"] == "OperationOutcome"
        # The vendor's own words stay behind: nothing but our sentence and its numbers.
        assert told["issue"][0]["diagnostics"].startswith("OneRecord reported a problem")


@FAST
@given(st.lists(objects(ERROR_NAMES), max_size=3), st.sets(st.sampled_from(RESOURCES)))
def test_the_ledger_accounts_for_everything_whatever_the_errors_say(
    rows: list[dict[str, Any]], names: set[str]
) -> None:
    errors = vendor.errors_of({"errorData": {"errors": rows}})
    entries = ledger.ledger(RecordsRequest(tuple(sorted(names))), {}, {}, errors, {})
    assert [entry.resource for entry in entries] == list(RESOURCES)


@FAST
@given(REPLIES, objects(ERROR_NAMES))
def test_transaction_ids_are_short_and_printable(reply: Reply, document: dict[str, Any]) -> None:
    for transaction_id in vendor.transaction_ids(reply, document):
        assert transaction_id.isprintable() and 0 < len(transaction_id) <= 200


@FAST
@given(objects(TOKEN_NAMES))
@example({"token": "\ud800"})
@example({"token": "t", "refreshToken": "\udfff", "patId": "\ud800"})
def test_a_token_reply_is_usable_in_every_part_or_not_at_all(document: dict[str, Any]) -> None:
    try:
        reply = TokenReply.parse(document, "portal-1")
    except PortalUnusable:
        return
    tokens = reply.first()
    kept = Tokens.from_bytes(tokens.to_bytes())
    for mine, theirs in zip(_revealed(tokens), _revealed(kept), strict=True):
        assert mine == theirs
        assert mine is None or mine.encode(), "it can be sent"
    assert reply.expires_in is None or 0 < reply.expires_in < float("inf")


def _revealed(tokens: Tokens) -> list[str | None]:
    parts = (tokens.access, tokens.refresh, tokens.patient_id)
    return [part.reveal() if part else None for part in parts]


@FAST
@given(values(TOKEN_NAMES))
def test_a_lifetime_is_a_sensible_number_or_unknown(value: Any) -> None:
    found = seconds(value)
    assert found is None or 0 < found < 10 * 365 * 86_400


@FAST
@given(values(ROW_NAMES, URLS), st.sampled_from(["clinical", "payer"]), REDIRECTORS)
def test_a_directory_row_is_a_portal_or_nothing(row: Any, data_type: str, redirectors: Redirectors) -> None:
    portal = Portal.parse(row, data_type, redirectors)
    if portal is not None:
        _is_sound(portal)


@FAST
@given(
    st.fixed_dictionaries(
        {
            "_id": st.text(min_size=1),
            "endpointStatus": st.just("Active"),
            "redirectUri": URLS,
            "derivedAuthUri": URLS,
        },
        optional={name: values(ROW_NAMES) for name in ("name", "zip", "dataType", "location", "latitude")},
    ),
    REDIRECTORS,
)
def test_a_row_that_is_nearly_right_is_a_portal_that_can_be_shown_and_paged(
    row: dict[str, Any], redirectors: Redirectors
) -> None:
    portal = Portal.parse(row, "clinical", redirectors)
    if portal is None:
        return
    _is_sound(portal)
    other = Portal.parse({**row, "_id": "other"}, "clinical", redirectors)
    assert other is not None
    first = page(Listing([portal, other]), Query("clinical", limit=1))
    if first.next is not None:
        parameters = {"limit": "1", "cursor": first.next}
        second = page(Listing([portal, other]), Query.parse("clinical", parameters))
        assert {*first.portals, *second.portals} == {portal, other}


def _is_sound(portal: Portal) -> None:
    shown = json.loads(json.dumps(portal.as_json(), allow_nan=False))
    assert shown["dataType"] in ("clinical", "payer")
    assert shown["status"] in ("active", "inactive", "unsupported")
    assert not {"redirectUri", "derivedAuthUri"} & shown.keys()


class Lines(list[tuple[str, bytes]]):
    """A sink that keeps everything."""

    def write(self, type_: str, line: bytes) -> None:
        self.append((type_, line))


@FAST
@given(objects(ENVELOPE_NAMES), st.integers(1, 64))
@example({"errorData": {"errors": [{"status": 10**5000}]}}, 64)
@example({"status": 10**5000, "error": "x"}, 64)
def test_a_result_is_collected_or_malformed(document: dict[str, Any], size: int) -> None:
    text = _json(document)
    sink = Lines()
    try:
        collected = collect((text[at : at + size] for at in range(0, len(text), size)), sink)
    except ResultMalformed:
        return
    assert sum(collected.types.values()) == len(sink)
    for remark in collected.remarks():
        assert json.loads(remark)["resourceType"] == "OperationOutcome"
    assert len(collected.ledger(RecordsRequest())) == len(RESOURCES)
    assert collected.pending in (True, False) and collected.refused in (True, False)


def _json(document: dict[str, Any]) -> bytes:
    """As a vendor writes it, who has no limit to the digits of a number."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(document).encode()
    finally:
        sys.set_int_max_str_digits(before)
