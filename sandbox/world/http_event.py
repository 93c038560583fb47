"""The event that an HTTP API sends to a function (payload format 2.0), where the emulator's differs."""

from typing import Any


def as_api_gateway_sends_it(event: Any) -> Any:
    """Complete the emulator's HTTP API event; any other event passes through untouched.

    AWS moves the Cookie header into `cookies`, leaves absent things out instead of sending null, names the
    domain's prefix, and sends null for a token's scopes if the route asks for none.
    """
    if not _is_http_api_event(event):
        return event
    request = dict(event["requestContext"])
    headers = {name: value for name, value in event["headers"].items() if name != "connection"}
    completed = event | {"headers": headers, "requestContext": request}
    if cookie := headers.pop("cookie", None):
        completed["cookies"] = [pair.strip() for pair in cookie.split(";")]
    headers.setdefault("content-length", "0")
    headers["host"] = request["domainName"]
    request["domainPrefix"] = request["apiId"]
    request["http"] = request["http"] | {"sourceIp": _client(headers) or request["http"]["sourceIp"]}
    if not completed.get("pathParameters"):
        completed.pop("pathParameters", None)
    if token := request.get("authorizer", {}).get("jwt"):
        request["authorizer"] = {"jwt": token | {"scopes": token["scopes"] or None}}
    return completed


def _is_http_api_event(event: Any) -> bool:
    if not isinstance(event, dict) or event.get("version") != "2.0":
        return False
    return "http" in event.get("requestContext", {})


def _client(headers: dict[str, str]) -> str:
    return headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
