"""How many calls each role makes to AWS: a count in front of the emulator, cheap enough to be always on."""

import re
import threading
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, unquote

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
_S3_OBJECT = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_S3_BUCKET = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
_S3_UPLOAD = {
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("POST", "delete"): "DeleteObjects",
}


class Calls:
    """Counts by caller (an access key id, or a role's name), service, action and whether it was refused."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, bool]] = Counter()
        self._lock = threading.Lock()

    def add(self, caller: str, service: str, action: str, *, refused: bool) -> None:
        with self._lock:
            self._counts[caller, service, action, refused] += 1

    def as_json(self, names: dict[str, str]) -> list[dict[str, Any]]:
        with self._lock:
            counts = list(self._counts.items())
        return [
            {
                "role": names.get(caller, caller),
                "service": service,
                "action": action,
                "refused": refused,
                "count": count,
            }
            for (caller, service, action, refused), count in counts
        ]


counted = Calls()
"""The one count of this process: the emulator is one process and so is what it counts."""


def signed_call(method: str, path: str, query: str, headers: dict[str, str]) -> tuple[str, str, str] | None:
    """Who calls which service and action, by a request's signature and head; None if it is not signed."""
    fields = parse_qs(query, keep_blank_values=True)
    signature = headers.get("authorization", "")
    if signed_url := fields.get("X-Amz-Credential"):
        signature = "Credential=" + unquote(signed_url[0])
    found = _CREDENTIAL.search(signature)
    if not found:
        return None
    caller, service = found[1], found[2]
    if service == "s3":
        suffix = " (signed URL)" if signed_url else ""
        return caller, service, _s3_action(method, path, fields, headers) + suffix
    if target := headers.get("x-amz-target"):
        return caller, service, target.rpartition(".")[2]
    if service == "lambda" and path.endswith("/invocations"):
        return caller, service, "Invoke"
    return caller, service, fields["Action"][0] if "Action" in fields else f"{method} {path.split('/')[1]}"


def _s3_action(method: str, path: str, fields: dict[str, list[str]], headers: dict[str, str]) -> str:
    for name in ("uploads", "uploadId", "delete"):
        if name in fields and (method, name) in _S3_UPLOAD:
            return _S3_UPLOAD[method, name]
    if "x-amz-copy-source" in headers:
        return "CopyObject"
    of_an_object = "/" in path.strip("/")
    return (_S3_OBJECT if of_an_object else _S3_BUCKET).get(method, method)
