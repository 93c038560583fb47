"""The HTTP edge: problems (RFC 9457), the caller, and what every answer carries.

Our errors become problems by one table; anything unexpected is a 500 without its text.
"""

import json
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from portico import body, config
from portico import errors as e
from portico.attempt import BrowserProblem, Fragment
from portico.ids import owner_of

JSON = "application/json"
PROBLEM = "application/problem+json"

# error: (status, slug, title); a retrieval's own reasons are told by `RetrievalFailed`.
_TABLE: Mapping[type[e.PorticoError], tuple[int, str, str]] = {
    e.InvalidRequest: (400, "invalid-request", "The request is not valid"),
    e.InvalidHandle: (400, "invalid-handle", "The handle does not belong to this connection"),
    e.ConnectionHeld: (403, "forbidden", "The connection is held back"),
    e.NotFound: (404, "not-found", "Not found"),
    e.NotAuthorizedYet: (409, "not-authorized-yet", "The patient has not authorized this connection yet"),
    e.ExchangeInProgress: (409, "exchange-in-progress", "The exchange is in progress"),
    e.DifferentPatient: (409, "different-patient", "Another patient logged in"),
    e.ReauthorizationRequired: (409, "reauthorization-required", "The patient has to log in again"),
    e.Gone: (410, "gone", "It is over"),
    e.Cancelled: (410, "gone", "It is over"),
    e.AuthorizationRejected: (422, "authorization-rejected", "The portal refused the authorization"),
    e.TooManyRequests: (429, "too-many-requests", "Too many requests"),
    e.PortalRejected: (502, "portal-error", "The portal refused the request"),
    e.PortalUnusable: (502, "portal-error", "The portal's answer cannot be used"),
    e.PortalUnclear: (502, "portal-error", "The portal did not answer properly"),
    e.ResultExpired: (502, "portal-error", "The result was no longer kept"),
    e.ResultMalformed: (502, "portal-error", "The result cannot be used"),
    e.ResultTooLarge: (502, "portal-error", "The result is larger than this route can take"),
    e.RetrievalFailed: (502, "portal-error", "The records could not be retrieved"),
    e.PortalTimeout: (504, "portal-timeout", "The portal did not answer in time"),
    e.RetrievalOverdue: (504, "portal-timeout", "The portal had no result in time"),
    e.RefreshInProgress: (503, "temporarily-unavailable", "The connection is being refreshed"),
    e.PortalUnreachable: (503, "temporarily-unavailable", "The portal cannot be reached"),
    e.PortalBusy: (503, "temporarily-unavailable", "The portal asks to wait"),
    e.DeviceTokenRefused: (
        503,
        "temporarily-unavailable",
        "The service is not accepted at OneRecord right now",
    ),
    e.StorageUnavailable: (503, "temporarily-unavailable", "The service is busy"),
    e.Conflict: (503, "temporarily-unavailable", "The service is busy"),
    e.SealBroken: (500, "internal", "Something went wrong"),
    e.Defect: (500, "internal", "Something went wrong"),
}
_ADVICE: Mapping[type[e.PorticoError], str] = {
    e.InvalidHandle: "Use the handle from the return URL's fragment of this connection's newest attempt.",
    e.ConnectionHeld: "It gives no records until it is released; its `reason` says why. Start a new connection.",
    e.NotFound: "There is no such thing for this user.",
    e.NotAuthorizedYet: "Wait until the browser has come back to the return URL, then exchange its handle.",
    e.ExchangeInProgress: "Ask again after Retry-After seconds.",
    e.DifferentPatient: "Reconnect with the login of the patient whose connection this is, or start a new connection.",
    e.ReauthorizationRequired: "Send the patient through the portal again: POST the connection's reconnect route.",
    e.AuthorizationRejected: "The code was expired, used or not meant for this login. Start the connection again.",
    e.PortalTimeout: "Ask again later; for records, with Prefer: respond-async.",
    e.ResultTooLarge: "Ask again with Prefer: respond-async.",
}


def status_of(error: e.PorticoError) -> tuple[int, str, str]:
    """(status, slug, title) by which an error is told."""
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)


def problem(
    app: APIGatewayHttpResolver,
    status: int,
    slug: str,
    title: str,
    detail: str,
    retry_after: int | None = None,
) -> Response[Any]:
    """An RFC 9457 problem. Its type is an identifier (docs/problems.md explains each), its instance the request."""
    shown = {
        "type": f"{base_url(app)}/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": f"urn:request:{app.current_event.request_context.request_id}",
    }
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return answer(status, shown, content_type=PROBLEM, headers=headers)


def answer(
    status: int,
    content: Any = None,
    *,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
    cookies: list[Any] | None = None,
) -> Response[Any]:
    """An answer that nothing on the way may keep."""
    return Response(
        status_code=status,
        content_type=content_type if content is not None else None,
        # As text, always: the router writes only application/json by itself, and API Gateway takes nothing else.
        body=content if isinstance(content, str) else "" if content is None else json.dumps(content),
        headers={"Cache-Control": "no-store", **(headers or {})},
        cookies=cookies,
    )


def resolver(logger: Logger) -> APIGatewayHttpResolver:
    """The router of one function, with every error told as a problem."""
    app = APIGatewayHttpResolver()

    @app.exception_handler(e.PorticoError)  # type: ignore[untyped-decorator]
    def _ours(error: e.PorticoError) -> Response[Any]:
        status, slug, title = status_of(error)
        (logger.warning if status >= 500 else logger.info)(
            "refused", extra={"slug": slug, "reason": error.reason, "status": status}
        )
        retry_after = error.retry_after if isinstance(error, e.Retryable) else None
        return problem(app, status, slug, title, detail(error), retry_after)

    @app.exception_handler(BrowserProblem)  # type: ignore[untyped-decorator]
    def _browser(error: BrowserProblem) -> Response[Any]:
        logger.info("browser refused", extra={"reason": error.fragment.value})
        return problem_page(app, error)

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def _unexpected(error: Exception) -> Response[Any]:
        logger.error("unexpected", extra=defect(error))
        return problem(app, 500, "internal", "Something went wrong", "The request was not completed.")

    @app.not_found
    def _not_found(_: NotFoundError) -> Response[Any]:
        if app.current_event.path.startswith(("/connect/", "/oauth/callback/")):
            # A ticket or session with characters that the router takes for no parameter.
            return problem_page(app, BrowserProblem(Fragment.INVALID))
        return problem(app, 404, "not-found", "Not found", "There is no such route.")

    return app


def detail(error: e.PorticoError) -> str:
    """What happened and what to do next, in words that hold nothing of the vendor's or the patient's."""
    match error:
        case e.InvalidRequest():
            return f"{error.field} {error.problem}."
        case e.Gone() | e.RetrievalFailed() | e.ResultMalformed():
            return f"Reason: {error.why}."
        case e.PortalRejected():
            return f"Status {error.status}."
        case _ if type(error) in _ADVICE:
            return _ADVICE[type(error)]
        case e.Retryable():
            return f"Nothing was lost. Try again after {error.retry_after} seconds."
        case _:
            return "The request was not completed."


def owner(app: APIGatewayHttpResolver) -> str:
    """The app user that the authorizer vouches for."""
    claims_ = claims(app)
    if not claims_.get("iss") or not claims_.get("sub"):
        raise e.NotFound
    return owner_of(claims_["iss"], claims_["sub"])


def claims(app: APIGatewayHttpResolver) -> Mapping[str, Any]:
    """The claims of the access token that the authorizer has verified."""
    authorizer = app.current_event.request_context.authorizer
    return (authorizer.jwt_claim if authorizer else None) or {}


def json_body(
    app: APIGatewayHttpResolver, known: Mapping[str, type], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The request's JSON object. Raises InvalidRequest."""
    event = app.current_event
    return body.fields_of(event.get("body"), bool(event.get("isBase64Encoded")), known, required)


def base_url(app: APIGatewayHttpResolver) -> str:
    """Where this API is reached: the deployment's setting, else API Gateway's own name. Never a header."""
    return config.public_base_url() or f"https://{app.current_event.request_context.domain_name}"


def problem_page(app: APIGatewayHttpResolver, problem_: BrowserProblem) -> Response[Any]:
    """Where a browser goes that cannot go on: one page for all, which explains by fragment."""
    return see_other(f"{base_url(app)}/connect/problem#{problem_.fragment.value}")


def see_other(location: str, cookies: list[Any] | None = None) -> Response[Any]:
    """303 away at once; the URL that is left must not travel along."""
    return answer(
        303,
        headers={
            "Location": location,
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
        },
        cookies=cookies,
    )


def defect(error: BaseException) -> dict[str, Any]:
    """What may be logged of an unexpected error: its kind, its place, AWS's code. Its text could hold input."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = [f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in frames]
    answer_ = getattr(error, "response", None)
    code = answer_.get("Error", {}).get("Code") if isinstance(answer_, dict) else None
    return {"reason": type(error).__name__, "places": places} | ({"code": code} if code else {})
