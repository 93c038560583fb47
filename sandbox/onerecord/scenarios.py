"""What a portal and the vendor do differently, as data.

A scenario is a record of choices; the code that plays the vendor reads one choice at each fork. The vendor's
guide leaves many forms open (what "not yet available" looks like, how an error is told, what a token reply
may lack): each of them is a choice here, the likeliest first.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

type Operation = Literal["search", "token", "refresh", "fetch", "start", "retrieve"]
type Answer = Literal[
    "400", "401", "403", "404", "409", "425", "429", "500", "502", "503", "504", "401-error-data",
    "empty", "null", "array", "html", "malformed", "invalid-utf8", "not-a-number", "duplicate-keys", "deep",
    "wrong-type", "redirect", "gzip-bomb", "flood",
    "reset", "reset-mid-body", "truncated", "drip", "hang",
]  # fmt: skip
type RedirectorMode = Literal[
    "forward-all", "code-and-state-only", "strip-state", "extra-parameters", "twice", "scanned", "cookie-lost"
]
type PayloadForm = Literal[
    "bundle", "array-of-resources", "array-of-bundles", "object-of-arrays", "json-string", "nested-bundle",
    "bare-bundle", "bundle-without-entry",
]  # fmt: skip
type Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operation answers something else, for the next `calls` calls or (0) for all of them.

    With `after` the vendor does its work first and only then spoils the reply: a token is rotated, a
    transaction is begun, and the client never learns of it.
    """

    operation: Operation
    answer: Answer
    calls: Annotated[int, msgspec.Meta(ge=0)] = 1
    after: bool = False
    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    seconds: Seconds = 60.0
    megabytes: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    """How large a bomb or a flood is (0: 1024), or where a streamed reply is cut (0: 4)."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a portal and the vendor may do differently."""

    # directory and entitlement
    linked: bool = True
    row: dict[str, Any] = {}
    """Fields of the directory entry that say something else."""

    # portal: login and consent
    portal_error: Literal["page", "redirect"] = "page"
    portal_state: Literal["echo", "missing", "changed", "added"] = "echo"
    consent: Literal["ask", "server-error", "temporarily-unavailable", "abandon"] = "ask"
    code_form: Literal["short", "jwt", "longest"] = "short"
    code_seconds: Seconds = 300.0

    # redirector
    redirector: RedirectorMode = "forward-all"

    # token exchange and refresh
    patient_id: Literal["given", "number", "absent", "null", "empty", "in-token"] = "given"
    token_seconds: Seconds = 3600.0
    token_expires: Literal["string", "integer", "float", "absent", "zero", "negative", "garbage"] = "string"
    refresh: Literal["static", "not-reissued", "rotating", "empty", "none"] = "static"
    refresh_grace_seconds: Seconds = 0.0
    reuse_revokes_family: bool = False
    refresh_patient_id: bool = True
    token_failure: Literal["500", "400", "401", "error-data"] = "500"
    token_reply: Literal["whole", "empty-token", "other-endpoint"] = "whole"

    # records
    profile: Annotated[str, msgspec.Meta(pattern=r"^(|tiny|typical|payer|large|empty|huge-\d{1,4})$")] = ""
    attachment_megabytes: Annotated[int, msgspec.Meta(ge=0, le=200)] = 0
    payload: PayloadForm = "bundle"
    error_data: Literal["first", "last", "absent"] = "first"
    fhir_version: str | None = "R4"
    content_type: str | None = "application/fhir+json"
    severity: str = "ERROR"
    failing: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    operation_outcome: bool = False
    next_link: bool = False
    unknown_resource: Literal["ignore", "400"] = "ignore"
    dead_token: Literal["401", "error-data"] = "401"
    compress: bool = False
    fetch_seconds: Seconds = 0.0
    fetch_outcome: Literal["data", "error"] = "data"

    # the background query
    async_seconds: Seconds = 2.0
    async_outcome: Literal["data", "error", "500", "never", "gone"] = "data"
    async_token_check: Literal["at-start", "in-result"] = "at-start"
    pending: Literal["404", "202", "204", "information", "empty"] = "404"
    transaction_id: Literal["both", "header", "body", "differing", "differing-body"] = "both"
    cache_seconds: Seconds = 7200.0

    faults: tuple[Fault, ...] = ()

    def changed(self, changes: Mapping[str, Any]) -> "Scenario":
        """This scenario with some choices made otherwise; ValueError names what is wrong."""
        whole = {**msgspec.to_builtins(self), **msgspec.to_builtins(dict(changes))}
        try:
            return msgspec.convert(whole, Scenario)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
