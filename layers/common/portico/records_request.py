"""What an app asks to be fetched: the vendor's 16 resource names and its time parameters (vendor guide)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portico import instants
from portico.errors import InvalidRequest
from portico.ids import digest

RESOURCES = (
    "Patient",
    "Immunization",
    "AllergyIntolerance",
    "MedicationRequest",
    "MedicationStatement",
    "Vitals",
    "Labs",
    "DiagnosticReport",
    "Condition",
    "Procedure",
    "FamilyMemberHistory",
    "DocumentReference",
    "CareTeam",
    "CarePlan",
    "ExplanationOfBenefit",
    "Coverage",
)
_PARAMS: Mapping[str, type] = {"fromTime": str, "toTime": str, "excludeUndatedEntries": bool}


@dataclass(frozen=True, slots=True)
class RecordsRequest:
    """A filter. No resources means all; `params` is as the vendor wants it, empty when not asked for."""

    resources: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "RecordsRequest":
        """From `{"resources"?, "params"?}`. Raises InvalidRequest naming the field."""
        return cls(_resources(given.get("resources")), _params(given.get("params")))

    @classmethod
    def from_json(cls, text: str) -> "RecordsRequest":
        """From `as_json`."""
        kept = json.loads(text)
        return cls(tuple(kept["resources"]), kept["params"])

    def as_json(self) -> str:
        """The canonical text: equal filters have equal texts."""
        return json.dumps({"params": self.params, "resources": sorted(self.resources)}, sort_keys=True)

    @property
    def fingerprint(self) -> str:
        """What two requests for the same records have in common."""
        return digest(self.as_json())

    @property
    def asked(self) -> tuple[str, ...]:
        """The names that an answer has to account for."""
        return tuple(name for name in RESOURCES if not self.resources or name in self.resources)

    def as_vendor_fields(self) -> dict[str, Any]:
        """`resources` and `params` of the vendor's request; empty ones are left out, since [] has no meaning."""
        fields: dict[str, Any] = {}
        if self.resources:
            fields["resources"] = [name for name in RESOURCES if name in self.resources]
        if self.params:
            fields["params"] = dict(self.params)
        return fields


def _resources(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise InvalidRequest("resources", "must be a non-empty array; leave it out to ask for everything")
    for name in value:
        if name not in RESOURCES:
            raise InvalidRequest("resources", f"may hold only {', '.join(RESOURCES)}")
    if len(set(value)) != len(value):
        raise InvalidRequest("resources", "must not name a resource twice")
    return tuple(value)


def _params(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest("params", "must be an object")
    for name, content in value.items():
        if name not in _PARAMS:
            raise InvalidRequest("params", f"may hold only {', '.join(_PARAMS)}")
        if not isinstance(content, _PARAMS[name]):
            raise InvalidRequest(f"params.{name}", "has the wrong type")
    params = {name: _instant(name, value[name]) for name in ("fromTime", "toTime") if name in value}
    if "fromTime" in params and "toTime" in params and params["fromTime"] > params["toTime"]:
        raise InvalidRequest("params.fromTime", "must not be after params.toTime")
    shown: dict[str, Any] = {name: instants.rfc3339_millis(at) for name, at in params.items()}
    if "excludeUndatedEntries" in value:
        shown["excludeUndatedEntries"] = value["excludeUndatedEntries"]
    return shown


def _instant(name: str, text: str) -> float:
    try:
        return instants.parse(text)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"params.{name}", "must be an RFC 3339 date-time with a time zone") from None
