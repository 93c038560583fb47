"""What is sent to OneRecord, byte by byte as its guide gives it, and how each form of answer is read."""

from collections.abc import Iterator
from typing import Any

import pytest

from portico.adapters.onerecord import DIRECTORY_FRESH_SECONDS, DIRECTORY_USABLE_SECONDS
from portico.errors import (
    DeviceTokenRefused,
    PortalBusy,
    PortalRejected,
    PortalUnclear,
    PortalUnusable,
    PorticoError,
)
from portico.records_request import RESOURCES, RecordsRequest
from portico.secret import Secret
from tests.adapters.recorder import Answer, Recorder, Request, recording
from tests.adapters.vendor import PORTAL_ID, Vendor, body, tokens

ROW = {
    "_id": PORTAL_ID,
    "name": "Lakeside Family Medicine",
    "endpointStatus": "active",
    "redirectUri": "https://redirector.example.com/outbound/?portalURL=https%3A%2F%2Fportal.example.com%2Fauthorize",
    "derivedAuthUri": "https://portal.example.com/authorize",
}
TOKEN = {
    "token": "at-1",
    "tokenExpires": "28799",
    "refreshToken": "rt-1",
    "patId": "p-1",
    "endpointId": PORTAL_ID,
}
REQUEST = RecordsRequest(("Labs", "Patient"))


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def vendor(server: Recorder) -> Vendor:
    return Vendor(server.url, server.url)


def paths(server: Recorder) -> list[str]:
    return [request.path for request in server.requests]


def flat(status: int, message: str = "refused") -> dict[str, Any]:
    return {
        "timestamp": "03-01-2022 14:33:58",
        "status": status,
        "error": "Error",
        "message": message,
    }


def error_data(status: int, message: str = "refused") -> dict[str, Any]:
    entry = flat(status, message) | {"code": status * 10, "severity": "ERROR", "path": "/"}
    return {"errorData": {"errors": [entry], "highestError": "ERROR"}}


# --- directory -------------------------------------------------------------------------------------


def test_a_search_is_one_get_with_the_device_token(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer([ROW])]
    (portal,) = vendor.directory.search("clinical", "lakeside").portals
    assert portal.id == PORTAL_ID
    (request,) = server.requests
    assert (request.method, request.body) == ("GET", b"")
    assert request.path == "/directory/v1/client/endpoint/clinical/search/lakeside"
    assert request.headers["authorization"] == "Bearer sandbox-device-token"
    assert request.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("term", "segment"),
    [
        ("53703", "53703"),
        ("Lakeside Family", "Lakeside%20Family"),
        ("A/B?c=d&e#f", "A%2FB%3Fc%3Dd%26e%23f"),
        ("Clínica São José", "Cl%C3%ADnica%20S%C3%A3o%20Jos%C3%A9"),
        ("100%", "100%25"),
        ("a+b", "a%2Bb"),
    ],
)
def test_a_term_is_one_percent_encoded_segment(
    server: Recorder, vendor: Vendor, term: str, segment: str
) -> None:
    server.answers = lambda _: Answer([])
    vendor.directory.search("payer", term)
    assert server.last.path == f"/directory/v1/client/endpoint/payer/search/{segment}"


@pytest.mark.parametrize("term", [".", ".."])
def test_a_term_that_would_lead_elsewhere_is_not_sent(server: Recorder, vendor: Vendor, term: str) -> None:
    assert vendor.directory.search("payer", term).portals == []
    assert server.requests == []


def test_everything_is_asked_for_with_an_empty_term(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer([ROW])]
    vendor.directory.search("clinical", "")
    assert paths(server) == ["/directory/v1/client/endpoint/clinical/search/"]


def only(*served: str) -> Any:
    return lambda request: Answer([ROW]) if request.path in served else Answer(flat(404), 404)


def test_a_directory_that_wants_no_slash_gets_none(server: Recorder, vendor: Vendor) -> None:
    server.answers = only("/directory/v1/client/endpoint/clinical/search")
    assert len(vendor.directory.search("clinical", "").portals) == 1


def test_the_other_documented_path_is_tried_and_remembered(server: Recorder, vendor: Vendor) -> None:
    server.answers = only(
        "/directory/v1/client/fhir/endpoint/clinical/search/lakeside",
        "/directory/v1/client/fhir/endpoint/clinical/search/53703",
    )
    assert len(vendor.directory.search("clinical", "lakeside").portals) == 1
    assert len(vendor.directory.search("clinical", "53703").portals) == 1
    assert paths(server) == [
        "/directory/v1/client/endpoint/clinical/search/lakeside",
        "/directory/v1/client/fhir/endpoint/clinical/search/lakeside",
        "/directory/v1/client/fhir/endpoint/clinical/search/53703",
    ]


def test_a_directory_on_neither_path_is_told_and_both_are_tried_again(
    server: Recorder, vendor: Vendor
) -> None:
    server.answers = only()
    for _ in range(2):
        with pytest.raises(PortalRejected) as refused:
            vendor.directory.search("clinical", "lakeside")
        assert refused.value.status == 404
    server.answers = only("/directory/v1/client/endpoint/clinical/search/lakeside")
    assert len(vendor.directory.search("clinical", "lakeside").portals) == 1


DIRECTORY_FAILURES: list[tuple[Answer, type[PorticoError]]] = [
    (Answer(flat(401), 401), DeviceTokenRefused),
    (Answer(flat(403), 403), PortalRejected),
    (Answer(flat(429), 429, {"Retry-After": "7"}), PortalBusy),
    (Answer(flat(503), 503), PortalBusy),
    (Answer(flat(500), 500), PortalUnclear),
    (Answer(b"<html>", 502), PortalUnclear),
    (Answer(b"<html>"), PortalUnusable),
    (Answer(b""), PortalUnusable),
    (Answer({"portals": []}), PortalUnusable),
    (Answer(b"[NaN]"), PortalUnusable),
    (Answer(b"", 302, {"Location": "/elsewhere"}), PortalUnusable),
]


@pytest.mark.parametrize(("answer", "error"), DIRECTORY_FAILURES, ids=lambda p: getattr(p, "__name__", ""))
def test_without_a_copy_a_failing_directory_is_told(
    server: Recorder, vendor: Vendor, answer: Answer, error: type[PorticoError]
) -> None:
    server.answers = lambda _: answer
    with pytest.raises(error) as refused:
        vendor.directory.search("clinical", "lakeside")
    assert type(refused.value) is error
    assert "/elsewhere" not in paths(server)


def test_a_fresh_copy_is_not_asked_for_again(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer([ROW])]
    vendor.directory.search("clinical", "Lakeside")
    vendor.clock.now += DIRECTORY_FRESH_SECONDS - 1
    listing = vendor.directory.search("clinical", "lakeside")
    assert len(server.requests) == 1
    assert (listing.age, listing.stale, len(listing.portals)) == (DIRECTORY_FRESH_SECONDS - 1, False, 1)


def test_an_old_copy_is_replaced(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer([ROW]), Answer([])]
    vendor.directory.search("clinical", "lakeside")
    vendor.clock.now += DIRECTORY_FRESH_SECONDS
    listing = vendor.directory.search("clinical", "lakeside")
    assert (listing.age, listing.stale, listing.portals) == (0, False, [])


@pytest.mark.parametrize(("answer", "error"), DIRECTORY_FAILURES, ids=lambda p: getattr(p, "__name__", ""))
def test_the_last_good_copy_serves_a_day_and_says_that_it_is_stale(
    server: Recorder, vendor: Vendor, answer: Answer, error: type[PorticoError]
) -> None:
    server.script = [Answer([ROW])]
    server.answers = lambda _: answer
    vendor.directory.search("clinical", "lakeside")
    vendor.clock.now += DIRECTORY_USABLE_SECONDS
    listing = vendor.directory.search("clinical", "lakeside")
    assert (listing.age, listing.stale, len(listing.portals)) == (DIRECTORY_USABLE_SECONDS, True, 1)
    vendor.clock.now += 1
    with pytest.raises(error):
        vendor.directory.search("clinical", "lakeside")


def test_a_copy_of_one_question_answers_no_other(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer([ROW])]
    vendor.directory.search("clinical", "lakeside")
    server.answers = lambda _: Answer(flat(500), 500)
    for data_type, term in (("payer", "lakeside"), ("clinical", "lake")):
        with pytest.raises(PortalUnclear):
            vendor.directory.search(data_type, term)


def test_a_portal_is_found_by_its_id(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer([ROW | {"_id": "another"}, ROW])]
    portal = vendor.directory.portal("clinical", PORTAL_ID)
    assert portal is not None
    assert portal.id == PORTAL_ID
    assert paths(server) == [f"/directory/v1/client/endpoint/clinical/search/{PORTAL_ID}"]


def test_a_directory_that_does_not_search_by_id_gives_the_whole_list(
    server: Recorder, vendor: Vendor
) -> None:
    server.script = [Answer([]), Answer([ROW])]
    assert vendor.directory.portal("clinical", PORTAL_ID) is not None
    assert server.last.path.endswith("/search/")


def test_an_unknown_portal_is_none(server: Recorder, vendor: Vendor) -> None:
    server.answers = lambda _: Answer([ROW])
    assert vendor.directory.portal("clinical", "unknown") is None


# --- tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "verifier", "extra"),
    [
        (None, None, {}),
        ("", None, {}),
        ("s-1", None, {"state": "s-1"}),
        (None, "v-1", {"authorizationCodeVerifier": "v-1"}),
        ("s-1", "v-1", {"state": "s-1", "authorizationCodeVerifier": "v-1"}),
    ],
)
def test_an_exchange_sends_the_code_and_what_belongs_to_it(
    server: Recorder, vendor: Vendor, state: str | None, verifier: str | None, extra: dict[str, str]
) -> None:
    server.script = [Answer(TOKEN)]
    secret = Secret(verifier) if verifier else None
    reply = vendor.integrator.exchange(PORTAL_ID, Secret("c-1"), state, secret)
    request = server.last
    assert (request.method, request.path) == ("POST", f"/integrator/v1/fhir/auth/{PORTAL_ID}/token")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer sandbox-device-token"
    assert request.json == {"authorizationCode": "c-1"} | extra
    assert (reply.access.reveal(), reply.expires_in) == ("at-1", 28799.0)
    assert reply.refresh is not None
    assert reply.patient_id is not None
    assert (reply.refresh.reveal(), reply.patient_id.reveal()) == ("rt-1", "p-1")


def test_a_refresh_sends_the_refresh_token_alone(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer(TOKEN)]
    vendor.integrator.refresh(PORTAL_ID, Secret("rt-0"))
    assert server.last.path == f"/integrator/v1/fhir/auth/{PORTAL_ID}/token"
    assert server.last.json == {"refreshToken": "rt-0"}


def test_a_portals_id_cannot_change_the_path(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer({"token": "at"})]
    vendor.integrator.refresh("../../x?y#z", Secret("rt-0"))
    assert server.last.path == "/integrator/v1/fhir/auth/..%2F..%2Fx%3Fy%23z/token"


TOKEN_FAILURES: list[tuple[str, Answer, type[PorticoError], int | None]] = [
    ("400", Answer(flat(400), 400), PortalRejected, 400),
    ("401", Answer(flat(401), 401), PortalRejected, 401),
    ("403", Answer(flat(403), 403), PortalRejected, 403),
    ("invalid grant behind a 500", Answer(flat(500, "upstream: invalid_grant"), 500), PortalRejected, 500),
    ("error data in a 200", Answer(error_data(400, "invalid_grant")), PortalRejected, 400),
    ("401 in error data", Answer(error_data(401)), PortalRejected, 401),
    ("429", Answer(flat(429), 429, {"Retry-After": "9"}), PortalBusy, None),
    ("429 in error data", Answer(error_data(429)), PortalBusy, None),
    ("500", Answer(flat(500), 500), PortalUnclear, None),
    ("500 in error data", Answer(error_data(500)), PortalUnclear, None),
    ("html", Answer(b"<html></html>", 200, {"Content-Type": "text/html"}), PortalUnusable, None),
    ("no token", Answer({}), PortalUnusable, None),
    ("empty token", Answer(TOKEN | {"token": " "}), PortalUnusable, None),
    ("mistyped token", Answer(TOKEN | {"token": {"value": 1}}), PortalUnusable, None),
    ("another endpoint", Answer(TOKEN | {"endpointId": "other"}), PortalUnusable, None),
    ("an array", Answer([TOKEN]), PortalUnusable, None),
    ("not a number", Answer(b'{"token":"t","tokenExpires":NaN}'), PortalUnusable, None),
    ("a redirect", Answer(b"", 307, {"Location": "/elsewhere"}), PortalUnusable, None),
]


@pytest.mark.parametrize("case", TOKEN_FAILURES, ids=lambda case: case[0])
@pytest.mark.parametrize("call", ["exchange", "refresh"])
def test_a_token_request_that_fails_is_told_by_its_class(
    server: Recorder, vendor: Vendor, call: str, case: tuple[str, Answer, type[PorticoError], int | None]
) -> None:
    _, answer, error, status = case
    server.script = [answer]
    with pytest.raises(error) as refused:
        if call == "exchange":
            vendor.integrator.exchange(PORTAL_ID, Secret("c-1"), None, None)
        else:
            vendor.integrator.refresh(PORTAL_ID, Secret("rt-0"))
    assert type(refused.value) is error
    assert getattr(refused.value, "status", None) == status
    assert len(server.requests) == 1
    assert "invalid_grant" not in str(refused.value)


def test_a_token_beside_a_warning_counts(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer(TOKEN | error_data(200, "slow today"))]
    assert vendor.integrator.refresh(PORTAL_ID, Secret("rt-0")).access.reveal() == "at-1"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("9", 9), ("0", 1), ("99999", 900), ("soon", 30), ("-5", 30), ("Wed, 21 Oct 2026 07:28:00 GMT", 30)],
)
def test_a_retry_after_is_kept_within_reason(
    server: Recorder, vendor: Vendor, text: str, seconds: int
) -> None:
    server.script = [Answer(flat(429), 429, {"Retry-After": text})]
    with pytest.raises(PortalBusy) as busy:
        vendor.integrator.refresh(PORTAL_ID, Secret("rt-0"))
    assert busy.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "accepted"), [(200, True), (404, True), (401, False), (403, False), (500, False)]
)
def test_the_device_token_is_probed_at_the_directory(
    server: Recorder, vendor: Vendor, status: int, accepted: bool
) -> None:
    server.script = [Answer([], status)]
    assert vendor.integrator.accepts_device_token() is accepted
    assert server.last.method == "GET"
    assert server.last.path.startswith("/directory/v1/client/endpoint/clinical/search/")


# --- records ---------------------------------------------------------------------------------------


def test_records_are_asked_for_with_token_patient_and_resources(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer({"payload": {}})]
    with vendor.integrator.records(PORTAL_ID, tokens("at-1", "-20140000000001"), REQUEST) as answer:
        assert body(answer) == b'{"payload": {}}'
    assert (server.last.method, server.last.path) == ("POST", f"/integrator/v1/fhir/resources/{PORTAL_ID}")
    assert server.last.json == {
        "oauthToken": "at-1",
        "patientId": "-20140000000001",
        "resources": ["Patient", "Labs"],
    }


def test_what_is_not_known_or_not_asked_is_left_out(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer({})]
    with vendor.integrator.records(PORTAL_ID, tokens("at-1"), RecordsRequest()) as answer:
        body(answer)
    assert server.last.json == {"oauthToken": "at-1"}


def test_all_sixteen_names_are_sent_as_the_guide_spells_them(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer({})]
    with vendor.integrator.records(PORTAL_ID, tokens("at-1"), RecordsRequest(RESOURCES)) as answer:
        body(answer)
    assert server.last.json["resources"] == [
        "Patient", "Immunization", "AllergyIntolerance", "MedicationRequest", "MedicationStatement",
        "Vitals", "Labs", "DiagnosticReport", "Condition", "Procedure", "FamilyMemberHistory",
        "DocumentReference", "CareTeam", "CarePlan", "ExplanationOfBenefit", "Coverage",
    ]  # fmt: skip


def test_a_background_query_carries_the_time_parameters(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer({"transactionId": "t-1"})]
    asked = RecordsRequest.parse(
        {
            "resources": ["Labs"],
            "params": {
                "fromTime": "2020-01-01T00:00:00Z",
                "toTime": "2024-06-30T22:00:00+02:00",
                "excludeUndatedEntries": True,
            },
        }
    )
    assert vendor.integrator.start(PORTAL_ID, tokens("at-1", "p-1"), asked) == ["t-1"]
    assert (server.last.method, server.last.path) == (
        "POST",
        f"/integrator/v1/fhir/async/resources/{PORTAL_ID}",
    )
    assert server.last.json == {
        "oauthToken": "at-1",
        "patientId": "p-1",
        "resources": ["Labs"],
        "params": {
            "fromTime": "2020-01-01T00:00:00.000Z",
            "toTime": "2024-06-30T20:00:00.000Z",
            "excludeUndatedEntries": True,
        },
    }


@pytest.mark.parametrize(
    ("header", "in_body", "ids"),
    [
        ("h", "h", ["h"]),
        ("h", None, ["h"]),
        (None, "b", ["b"]),
        ("h", "b", ["h", "b"]),
        (" h ", "", ["h"]),
        ("h", 7, ["h"]),
    ],
)
def test_the_headers_transaction_comes_first_and_the_bodys_second(
    server: Recorder, vendor: Vendor, header: str | None, in_body: Any, ids: list[str]
) -> None:
    headers = {"OneRecord-Transaction-ID": header} if header else {}
    server.script = [Answer({"transactionId": in_body, "errorData": {"errors": []}}, 200, headers)]
    assert vendor.integrator.start(PORTAL_ID, tokens("at-1"), REQUEST) == ids


START_FAILURES: list[tuple[str, Answer, type[PorticoError]]] = [
    ("no transaction", Answer({}), PortalUnusable),
    ("html", Answer(b"<html>"), PortalUnusable),
    ("401", Answer(flat(401), 401), PortalRejected),
    ("401 beside a transaction", Answer(error_data(401) | {"transactionId": "t"}), PortalRejected),
    ("403 in error data", Answer(error_data(403)), PortalRejected),
    ("503", Answer(flat(503), 503), PortalBusy),
    ("500", Answer(flat(500), 500), PortalUnclear),
]


@pytest.mark.parametrize("case", START_FAILURES, ids=lambda case: case[0])
def test_a_background_query_that_fails_is_told(
    server: Recorder, vendor: Vendor, case: tuple[str, Answer, type[PorticoError]]
) -> None:
    server.script = [case[1]]
    with pytest.raises(case[2]) as refused:
        vendor.integrator.start(PORTAL_ID, tokens("at-1"), REQUEST)
    assert type(refused.value) is case[2]


def test_a_result_is_asked_for_by_its_transaction(server: Recorder, vendor: Vendor) -> None:
    server.script = [Answer({"payload": None}, 202, {"Retry-After": "4"})]
    with vendor.integrator.result("t/1 ?") as answer:
        assert (answer.status, answer.headers["retry-after"]) == (202, "4")
        assert body(answer) == b'{"payload": null}'
    request: Request = server.last
    assert (request.method, request.path) == ("GET", "/integrator/v1/fhir/cache/retrieve/t%2F1%20%3F")
    assert request.headers["authorization"] == "Bearer sandbox-device-token"


def test_a_new_device_token_is_used_at_once(server: Recorder, vendor: Vendor) -> None:
    server.answers = lambda _: Answer(TOKEN)
    vendor.integrator.refresh(PORTAL_ID, Secret("rt-0"))
    vendor.secret.hold("second-token")
    vendor.integrator.refresh(PORTAL_ID, Secret("rt-0"))
    assert server.last.headers["authorization"] == "Bearer second-token"
