"""The HTTP edge: every error as a problem, the caller, and what every answer carries."""

import json
import logging
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from portico import api, errors
from portico.attempt import BrowserProblem, Fragment
from portico.errors import PorticoError, Retryable
from portico.ids import owner_of

SECRET = "eyJhbGciOi-canary"


def event(method: str = "GET", path: str = "/v1/test", **fields: Any) -> dict[str, Any]:
    context: dict[str, Any] = {
        "requestId": "request-1",
        "domainName": "abc.execute-api.us-east-1.amazonaws.com",
        "stage": "$default",
        "http": {"method": method, "path": path},
        "authorizer": {"jwt": {"claims": {"iss": "https://id.example", "sub": "alice"}, "scopes": None}},
    }
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {},
        "requestContext": context,
    } | fields


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://api.portico.example")


@pytest.fixture
def logger() -> Logger:
    return Logger(service="test")


def answered(logger: Logger, act: Any, **fields: Any) -> dict[str, Any]:
    """What a function answers whose one route does `act`."""
    app = api.resolver(logger)

    @app.route("/v1/test", method=["GET", "POST"])
    def route() -> Any:
        return act(app)

    found: dict[str, Any] = app.resolve(event(**fields), None)  # type: ignore[arg-type]
    return found


def raised(logger: Logger, error: Exception, **fields: Any) -> dict[str, Any]:
    def act(_: Any) -> None:
        raise error

    return answered(logger, act, **fields)


# --- problems --------------------------------------------------------------------------------------


def made(kind: type[PorticoError]) -> PorticoError:
    if kind is errors.InvalidRequest:
        return errors.InvalidRequest("limit", "must be a whole number from 1 to 100")
    if kind is errors.PortalRejected:
        return errors.PortalRejected(403)
    for arguments in ((), ("a_reason",)):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    raise AssertionError(kind)


LEAVES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, PorticoError) and kind not in (PorticoError, Retryable)
]
SLUGS = {
    "invalid-request": 400,
    "invalid-handle": 400,
    "forbidden": 403,
    "not-found": 404,
    "not-authorized-yet": 409,
    "exchange-in-progress": 409,
    "different-patient": 409,
    "reauthorization-required": 409,
    "gone": 410,
    "authorization-rejected": 422,
    "too-many-requests": 429,
    "internal": 500,
    "portal-error": 502,
    "temporarily-unavailable": 503,
    "portal-timeout": 504,
}


@pytest.mark.parametrize("kind", LEAVES)
def test_every_error_has_a_row_with_a_slug_of_the_contract(kind: type[PorticoError]) -> None:
    status, slug, title = api.status_of(made(kind))
    assert SLUGS[slug] == status
    assert title


@pytest.mark.parametrize("kind", LEAVES)
def test_every_error_is_told_as_a_whole_problem(logger: Logger, kind: type[PorticoError]) -> None:
    error = made(kind)
    status, slug, title = api.status_of(error)
    answer = raised(logger, error)
    assert answer["statusCode"] == status
    expected = {"Cache-Control": "no-store", "Content-Type": "application/problem+json"}
    if isinstance(error, Retryable):
        expected["Retry-After"] = str(error.retry_after)
    assert answer["headers"] == expected
    assert json.loads(answer["body"]) == {
        "type": f"https://api.portico.example/problems/{slug}",
        "title": title,
        "status": status,
        "detail": api.detail(error),
        "instance": "urn:request:request-1",
    }
    assert api.detail(error).endswith(".")


@pytest.mark.parametrize("kind", LEAVES)
def test_a_problem_says_nothing_of_what_caused_it(logger: Logger, kind: type[PorticoError]) -> None:
    error = made(kind)
    error.__cause__ = ValueError(SECRET)
    error.add_note(SECRET)
    assert SECRET not in json.dumps(raised(logger, error))


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), KeyError(SECRET), RuntimeError(SECRET), RecursionError(SECRET)]
)
def test_the_unexpected_is_a_500_without_its_text(
    logger: Logger, error: Exception, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = raised(logger, error)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {
        "type": "https://api.portico.example/problems/internal",
        "title": "Something went wrong",
        "status": 500,
        "detail": "The request was not completed.",
        "instance": "urn:request:request-1",
    }
    captured = capsys.readouterr()
    assert SECRET not in json.dumps(answer) + captured.out + captured.err + caplog.text


def test_a_defect_is_logged_by_kind_and_place() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        told = api.defect(error)
    assert told["reason"] == "ValueError"
    assert told["places"][0].startswith("test_api.py:")
    assert SECRET not in repr(told)


def test_an_unknown_route_is_not_found(logger: Logger) -> None:
    answer = answered(logger, lambda _: None, path="/v1/other")
    assert (answer["statusCode"], answer["headers"]["Cache-Control"]) == (404, "no-store")
    assert json.loads(answer["body"])["type"].endswith("/problems/not-found")


@pytest.mark.parametrize("path", ["/connect/a%20b", "/oauth/callback/a b", "/connect/x/y"])
def test_a_browsers_malformed_link_gets_the_page_and_no_problem(logger: Logger, path: str) -> None:
    answer = answered(logger, lambda _: None, path=path)
    assert answer["statusCode"] == 303
    assert answer["headers"]["Location"] == "https://api.portico.example/connect/problem#invalid"


# --- browsers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fragment", Fragment)
def test_a_browser_problem_leads_to_the_page_at_once(logger: Logger, fragment: Fragment) -> None:
    error: Any = BrowserProblem(fragment)
    assert raised(logger, error) == {
        "statusCode": 303,
        "body": "",
        "isBase64Encoded": False,
        "cookies": [],
        "headers": {
            "Cache-Control": "no-store",
            "Location": f"https://api.portico.example/connect/problem#{fragment.value}",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
        },
    }


# --- answers ---------------------------------------------------------------------------------------


def test_an_answer_is_json_that_nothing_on_the_way_may_keep(logger: Logger) -> None:
    answer = answered(logger, lambda _: api.answer(200, {"a": "é"}, headers={"X-Progress": "half"}))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"a": "é"}
    assert answer["headers"] == {
        "Cache-Control": "no-store",
        "Content-Type": "application/json",
        "X-Progress": "half",
    }


def test_an_answer_without_content_has_no_type(logger: Logger) -> None:
    answer = answered(logger, lambda _: api.answer(204))
    assert (answer["body"], answer["headers"]) == ("", {"Cache-Control": "no-store"})


# --- the caller ------------------------------------------------------------------------------------


def owner_told(logger: Logger, **fields: Any) -> dict[str, Any]:
    return answered(logger, lambda app: api.answer(200, {"owner": api.owner(app)}), **fields)


def test_the_owner_is_who_the_authorizer_vouches_for(logger: Logger) -> None:
    answer = owner_told(logger)
    assert json.loads(answer["body"]) == {"owner": owner_of("https://id.example", "alice")}


@pytest.mark.parametrize("authorizer", [None, {}, {"jwt": {}}, {"jwt": {"claims": {"sub": "alice"}}}])
@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer forged", "x-user": "alice"}])
def test_t18_without_an_authorizers_word_there_is_nobody(
    logger: Logger, authorizer: Any, header: dict[str, str]
) -> None:
    context = event()["requestContext"] | {"authorizer": authorizer}
    answer = owner_told(logger, requestContext=context, headers=header)
    assert answer["statusCode"] == 404


def body_told(logger: Logger, **fields: Any) -> dict[str, Any]:
    def act(app: Any) -> Response[Any]:
        return api.answer(200, api.json_body(app, {"handle": str}, required=("handle",)))

    return answered(logger, act, method="POST", **fields)


def test_a_body_is_read_strictly(logger: Logger) -> None:
    assert json.loads(body_told(logger, body='{"handle":"x"}')["body"]) == {"handle": "x"}
    for body in (None, "{", '{"handle":1}', '{"handle":"x","other":1}', '{"handle":"x","handle":"y"}'):
        answer = body_told(logger, body=body)
        assert answer["statusCode"] == 400
        assert json.loads(answer["body"])["type"].endswith("/problems/invalid-request")


def test_a_base64_body_is_read_too(logger: Logger) -> None:
    answer = body_told(logger, body="eyJoYW5kbGUiOiJ4In0=", isBase64Encoded=True)
    assert json.loads(answer["body"]) == {"handle": "x"}


@pytest.mark.parametrize("headers", [{}, {"host": "evil.example", "x-forwarded-host": "evil.example"}])
def test_t09_where_the_api_is_reached_is_no_matter_of_headers(
    logger: Logger, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    def told() -> Any:
        answer = answered(logger, lambda app: api.answer(200, {"url": api.base_url(app)}), headers=headers)
        return json.loads(answer["body"])["url"]

    assert told() == "https://api.portico.example"
    monkeypatch.delenv("PUBLIC_BASE_URL")
    assert told() == "https://abc.execute-api.us-east-1.amazonaws.com"
