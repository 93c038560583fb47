"""What a function's answer over HTTP is, read and written whole."""

import copy
import json
from typing import Any

HOST = "https://k3xv7q2n1b.execute-api.us-east-1.amazonaws.com"
"""Where the events of events/ came in."""
CONNECTION = "c0nnectionOfMaria2026a"
RETRIEVAL = "retr1evalOfMaria-2026a"
Json = dict[str, Any]


def told(answer: Json) -> Json:
    """An answer with its JSON read; every one of them says that nobody may keep it."""
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert answer["isBase64Encoded"] is False
    body = answer["body"]
    if "json" in answer["headers"].get("Content-Type", ""):
        body = json.loads(body)
    return {
        "status": answer["statusCode"],
        "headers": {n: v for n, v in answer["headers"].items() if n != "Cache-Control"},
        "body": body,
        "cookies": answer.get("cookies", []),
    }


def ok(status: int, body: Any, content_type: str = "application/json", **headers: str) -> Json:
    """An answer as `told` reads it."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    kind = {"Content-Type": content_type} if body != "" else {}
    return {"status": status, "headers": kind | named, "body": body, "cookies": []}


def problem(
    status: int, slug: str, title: str, detail: str, retry_after: int | None = None, base: str = HOST
) -> Json:
    """A problem as `told` reads it."""
    body = {
        "type": f"{base}/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "urn:request:JKJaXmPLvHcESHA=",
    }
    retry = {} if retry_after is None else {"retry_after": str(retry_after)}
    return ok(status, body, "application/problem+json", **retry)


def invalid(detail: str, base: str = HOST) -> Json:
    """The problem that names what is wrong with a request."""
    return problem(400, "invalid-request", "The request is not valid", detail, base=base)


NOT_FOUND = problem(404, "not-found", "Not found", "There is no such thing for this user.")


def with_body(event: Json, body: Any) -> Json:
    """The same request with another body: text as it is, anything else as JSON."""
    changed = copy.deepcopy(event)
    changed["body"] = body if isinstance(body, str) else json.dumps(body)
    return changed


def with_query(event: Json, **query: str) -> Json:
    """The same request with another query."""
    changed = copy.deepcopy(event)
    changed["queryStringParameters"] = query
    return changed


def by_another(event: Json) -> Json:
    """The same request of another user of the same identity provider."""
    changed = copy.deepcopy(event)
    changed["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = "mallory"
    return changed


def at(event: Json, **parameters: str) -> Json:
    """The same request for another thing: its path with other parameters."""
    changed = copy.deepcopy(event)
    for name, value in parameters.items():
        old = changed["pathParameters"][name]
        changed["pathParameters"][name] = value
        for place in (changed, changed["requestContext"]["http"]):
            key = "rawPath" if "rawPath" in place else "path"
            place[key] = place[key].replace(old, value)
    return changed


def bad_bodies(field: str) -> dict[str, tuple[str, str]]:
    """Bodies that no route takes, with what is said of each; `field` is a string that the route knows."""
    return {
        "unknown field": ('{"surprise": 1}', "surprise is not a field of this request."),
        "field with a strange name": ('{"<script>": 1}', "body is not a field of this request."),
        "field given twice": (f'{{"{field}": "a", "{field}": "b"}}', f"{field} is given twice."),
        "wrong type": (f'{{"{field}": 7}}', f"{field} must be a string."),
        "null": (f'{{"{field}": null}}', f"{field} must be a string."),
        "missing": ("{}", f"{field} is required."),
        "absent": ("", f"{field} is required."),
        "array": ("[]", "body must be a JSON object."),
        "not JSON": ("{", "body must be valid JSON."),
        "not a number": (f'{{"{field}": NaN}}', "body must be valid JSON."),
        "too large": (json.dumps({field: "x" * 65_536}), "body must be at most 64 KB."),
        "half a character": (f'{{"{field}": "\\ud800"}}', "body must be valid JSON."),
    }
