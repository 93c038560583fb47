"""The completeness ledger: for every resource asked for, what became of it. Nothing is missing without a word."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portico.records_request import RESOURCES, RecordsRequest
from portico.vendor import VendorError

_OBSERVATIONS = ("Vitals", "Labs")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `outcome` is returned, empty, failed or not_asked; `detail` never the vendor's text."""

    resource: str
    outcome: str
    count: int = 0
    detail: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`ledger[]` of the manifest."""
        shown = {"resource": self.resource, "outcome": self.outcome, "count": self.count}
        return shown | ({"detail": self.detail} if self.detail else {})


def ledger(
    request: RecordsRequest,
    types: Mapping[str, int],
    categories: Mapping[str, int],
    errors: Sequence[VendorError],
    skipped: Mapping[str, int],
) -> list[Entry]:
    """The ledger of an answer.

    `types` counts resources by FHIR type, `categories` Observations by Vitals and Labs, `skipped` those too
    large to keep by FHIR type. An error that names no resource casts doubt on everything that came empty.
    """
    real = [error for error in errors if not error.harmless]
    blamed = {name: [e for e in real if _names(e, name)] for name in RESOURCES}
    stray = [e for e in real if not any(_names(e, name) for name in RESOURCES)]
    entries = []
    for name in RESOURCES:
        if name not in request.asked:
            entries.append(Entry(name, "not_asked"))
            continue
        count = categories.get(name, 0) if name in _OBSERVATIONS else types.get(name, 0)
        fhir_type = "Observation" if name in _OBSERVATIONS else name
        causes = blamed[name] or ([] if count else stray)
        if causes:
            entries.append(Entry(name, "failed", count, _detail(causes[0])))
        elif skipped.get(fhir_type):
            entries.append(Entry(name, "returned", count, f"{skipped[fhir_type]} too large to keep"))
        else:
            entries.append(Entry(name, "returned" if count else "empty", count))
    return entries


def outcome_of(error: VendorError) -> bytes:
    """A vendor error as an OperationOutcome line, told by its numbers and not by its text."""
    resource = next((name for name in RESOURCES if _names(error, name)), None)
    return _operation_outcome(
        "information" if error.harmless else "error",
        "transient" if (error.status or 0) >= 500 else "forbidden" if error.status == 403 else "processing",
        f"OneRecord reported a problem{f' with {resource}' if resource else ''} ({_detail(error)})",
    )


def note(code: str, text: str) -> bytes:
    """An OperationOutcome line of our own, a warning."""
    return _operation_outcome("warning", code, text)


def _operation_outcome(severity: str, code: str, diagnostics: str) -> bytes:
    issue = {"severity": severity, "code": code, "diagnostics": diagnostics}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}, separators=(",", ":")).encode()


def _names(error: VendorError, resource: str) -> bool:
    return re.search(rf"\b{resource}\b", f"{error.path} {error.message}") is not None


def _detail(error: VendorError) -> str:
    numbers = [f"{n} {v}" for n, v in (("status", error.status), ("code", error.code)) if v]
    return ", ".join(numbers) or "no status"
