"""What OneRecord answers: both error shapes, every class of failure, and nothing taken on trust."""

import json
from typing import Any

import pytest

from portico.errors import PortalBusy, PortalRejected, PortalUnclear, PortalUnusable, PorticoError
from portico.vendor import (
    Reply,
    Stream,
    VendorError,
    errors_of,
    failure,
    refusal,
    retry_after,
    token_refused,
    transaction_ids,
)

FLAT = {
    "timestamp": "03-01-2022 14:33:58",
    "status": 401,
    "error": "Unauthorized",
    "message": "Token has expired",
    "path": "/integrator/v1/fhir/resources/1",
}


def reply(status: int, document: Any = None, **headers: str) -> Reply:
    body = (
        b""
        if document is None
        else document
        if isinstance(document, bytes)
        else json.dumps(document).encode()
    )
    return Reply(status, headers, body)


def in_error_data(*rows: Any) -> dict[str, Any]:
    return {"errorData": {"errors": list(rows), "highestError": "ERROR"}}


# --- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_two_hundreds_are_ok(status: int) -> None:
    assert reply(status).ok


@pytest.mark.parametrize("status", [100, 199, 300, 302, 400, 500])
def test_nothing_else_is_ok(status: int) -> None:
    assert not reply(status).ok


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b"\xff", b"NaN", b'{"a":Infinity}', b"[" * 100_000, b"9" * 5000],
)
def test_t30_a_body_that_is_no_json_is_unusable(body: bytes) -> None:
    with pytest.raises(PortalUnusable):
        reply(200, body).json()


@pytest.mark.parametrize("document", [[], 7, "text", [{"token": "t"}]])
def test_fields_come_from_an_object_only(document: Any) -> None:
    with pytest.raises(PortalUnusable):
        reply(200, document).fields()


def test_a_stream_can_be_read_whole() -> None:
    whole = Stream(200, {"a": "b"}, iter([b'{"x"', b":1}"])).whole()
    assert (whole, whole.fields()) == (Reply(200, {"a": "b"}, b'{"x":1}'), {"x": 1})


def test_no_body_shows_in_a_repr() -> None:
    assert "secret" not in repr(reply(200, {"token": "secret"}))
    assert "secret" not in repr(errors_of(FLAT | {"message": "secret", "path": "secret"}))


# --- errors ----------------------------------------------------------------------------------------


def test_the_flat_shape_is_read() -> None:
    assert errors_of(FLAT) == [
        VendorError(401, None, "", "Unauthorized Token has expired", "/integrator/v1/fhir/resources/1")
    ]


def test_the_list_shape_is_read() -> None:
    row = FLAT | {"code": 4010, "severity": " ERROR "}
    assert errors_of(in_error_data(row, row | {"code": "17", "status": "500"}, "junk", None)) == [
        VendorError(401, 4010, "error", "Unauthorized Token has expired", "/integrator/v1/fhir/resources/1"),
        VendorError(500, 17, "error", "Unauthorized Token has expired", "/integrator/v1/fhir/resources/1"),
    ]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"status": 200},
        {"message": "hello"},
        {"errorData": None, "payload": {}},
        {"errorData": {}},
        {"errorData": {"errors": None}},
        {"errorData": {"errors": {}}},
        in_error_data(),
    ],
)
def test_what_holds_no_error_has_none(document: Any) -> None:
    assert list(errors_of(document)) == []


@pytest.mark.parametrize("field", ["status", "code", "severity", "message", "error", "path"])
@pytest.mark.parametrize("value", [None, [], {}, True, 1.5, "words"])
def test_mistyped_fields_of_an_error_are_absent(field: str, value: Any) -> None:
    (error,) = errors_of(in_error_data(FLAT | {field: value}))
    assert error.status in (401, None)
    assert error.code is None


@pytest.mark.parametrize("severity", ["WARNING", "warn", "Information", "info", "none", "DEBUG", "success"])
def test_notes_and_warnings_are_harmless(severity: str) -> None:
    (error,) = errors_of(in_error_data({"severity": severity}))
    assert error.harmless


@pytest.mark.parametrize("severity", ["ERROR", "fatal", "severe", "", None, "critical"])
def test_any_other_severity_is_not(severity: str | None) -> None:
    (error,) = errors_of(in_error_data({"severity": severity}))
    assert not error.harmless


@pytest.mark.parametrize(
    "message",
    [
        "Not yet available",
        "result not available",
        "NOT READY",
        "not found",
        "Pending",
        "in progress",
        "Processing",
    ],
)
def test_the_wordings_of_not_yet_are_known(message: str) -> None:
    (error,) = errors_of(in_error_data({"message": f"The data is {message}."}))
    assert error.not_yet


def test_other_words_are_no_not_yet() -> None:
    (error,) = errors_of(in_error_data({"message": "Unavailable: upstream failed"}))
    assert not error.not_yet


# --- classes of the fault matrix -------------------------------------------------------------------


def told(error: PorticoError) -> tuple[type[PorticoError], int | None]:
    return type(error), error.status if isinstance(error, PortalRejected) else None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(429), (PortalBusy, None)),
        (reply(503), (PortalBusy, None)),
        (reply(500), (PortalUnclear, None)),
        (reply(502, b"<html>"), (PortalUnclear, None)),
        (reply(400), (PortalRejected, 400)),
        (reply(401, FLAT), (PortalRejected, 401)),
        (reply(403), (PortalRejected, 403)),
        (reply(404, b"not json"), (PortalRejected, 404)),
        (reply(415), (PortalRejected, 415)),
        (reply(302), (PortalUnusable, None)),
        (reply(200, {}), (PortalUnusable, None)),
        (reply(200, in_error_data({"status": 401})), (PortalRejected, 401)),
        (reply(200, in_error_data({"status": 429})), (PortalBusy, None)),
        (reply(200, in_error_data({"status": 500})), (PortalUnclear, None)),
        (reply(500, FLAT | {"status": 401}), (PortalRejected, 401)),
        (reply(500, FLAT | {"status": 500, "message": "upstream: invalid_grant"}), (PortalRejected, 500)),
        (reply(503, FLAT | {"status": 400, "message": "INVALID_GRANT"}), (PortalRejected, 400)),
        (reply(200, in_error_data({"message": "User must re-authenticate"})), (PortalRejected, 200)),
    ],
)
def test_every_answer_that_is_no_success_falls_into_one_class(
    answer: Reply, expected: tuple[type[PorticoError], int | None]
) -> None:
    assert told(refusal(answer)) == expected


@pytest.mark.parametrize(
    "word", ["invalid_grant", "invalid_client", "unauthorized_client", "re-authenticate"]
)
def test_a_refusal_that_names_the_grant_is_explicit(word: str) -> None:
    error = refusal(reply(500, FLAT | {"status": 500, "message": f"upstream said {word}"}))
    assert isinstance(error, PortalRejected)
    assert error.explicit


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_a_bare_refusal_is_not_explicit(status: int) -> None:
    error = refusal(reply(status))
    assert isinstance(error, PortalRejected)
    assert not error.explicit


def test_no_class_carries_the_vendors_words() -> None:
    for status in (200, 302, 400, 429, 500):
        error = failure(reply(status), errors_of(FLAT | {"message": "Jane Roe's token abc"}))
        assert "Jane" not in f"{error!r} {error} {error.args}"


@pytest.mark.parametrize("status", [400, 403, 404])
def test_only_a_401_may_mean_the_token(status: int) -> None:
    assert token_refused(PortalRejected(401))
    assert not token_refused(PortalRejected(status))
    assert not token_refused(PortalUnclear())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30),
        (" 7 ", 7),
        ("0", 1),
        ("900", 900),
        ("901", 900),
        ("999999999", 900),
        ("9999999999", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_between_a_second_and_a_quarter_of_an_hour(text: str, expected: int | None) -> None:
    assert retry_after({"retry-after": text}) == expected
    assert reply(429, None, **{"retry-after": text}).retry_after == expected


def test_a_busy_portal_is_asked_again_when_it_says_so() -> None:
    error = refusal(reply(429, None, **{"retry-after": "17"}))
    assert isinstance(error, PortalBusy)
    assert error.retry_after == 17


# --- transactions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "body", "ids"),
    [
        ("h", "b", ["h", "b"]),
        ("h", None, ["h"]),
        ("", "b", ["b"]),
        ("same", "same", ["same"]),
        ("", None, []),
        (" h ", " b ", ["h", "b"]),
        ("", 7, []),
        ("x" * 201, "b", ["b"]),
        ("", "a\nb", []),
    ],
)
def test_the_headers_transaction_goes_before_the_bodys(header: str, body: Any, ids: list[str]) -> None:
    document = {} if body is None else {"transactionId": body}
    assert transaction_ids(Reply(200, {"onerecord-transaction-id": header}, b""), document) == ids
