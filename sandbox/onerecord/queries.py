"""What a query for records asks for, what the portal refuses of it, and the result's body."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sandbox.onerecord import payloads
from sandbox.onerecord.catalog import Catalog, Endpoint
from sandbox.onerecord.charts import Wanted, resources
from sandbox.onerecord.replies import Refusal, error_data, error_entry
from sandbox.onerecord.scenarios import Scenario
from sandbox.portals.grants import Grant
from sandbox.records import ACCOUNTS, REQUESTABLE


@dataclass(frozen=True)
class Query:
    """One accepted query."""

    endpoint: Endpoint
    grant: Grant
    names: tuple[str, ...] | None
    params: dict[str, Any]

    def body(self, scenario: Scenario, catalog: Catalog, finished: float) -> Iterator[bytes]:
        """The result: what may be read, and an errorData entry for each kind that may not."""
        refused = self._refused(scenario)
        path = f"/integrator/v1/fhir/resources/{self.endpoint.id}"
        errors = [
            error_entry(status, f"{name}: {message}", scenario.severity, finished, f"{path}/{name}")
            for name, (status, message) in refused.items()
        ]
        names = self.names
        if refused:
            names = tuple(name for name in names or REQUESTABLE if name not in refused)
        found = None if refused and not names else resources(self._wanted(scenario, names))
        told = error_data(*errors, severity=scenario.severity)
        return payloads.body(scenario, found, told, f"{catalog.portals}/portal/{self.endpoint.slug}")

    def streams(self, scenario: Scenario) -> bool:
        """Whether the result is too large to be put together first."""
        return bool(self._wanted(scenario, None).huge_megabytes)

    def _refused(self, scenario: Scenario) -> dict[str, tuple[int, str]]:
        asked = self.names if self.names is not None else tuple(REQUESTABLE)
        withheld = {*scenario.withheld} | (set() if self.grant.shares_demographics else {"Patient"})
        kept_back = (403, "the patient does not share these records")
        failed = (502, "the portal answered with an error")
        found = {name: kept_back for name in asked if name in withheld}
        return found | {name: failed for name in asked if name in scenario.failing}

    def _wanted(self, scenario: Scenario, names: tuple[str, ...] | None) -> Wanted:
        account = ACCOUNTS[self.grant.username]
        return Wanted(
            scenario.profile or account.profile(self.endpoint.data_type),
            replace(account.patient, id=self.grant.patient_id),
            names,
            self.params.get("fromTime"),
            self.params.get("toTime"),
            bool(self.params.get("excludeUndatedEntries", False)),
            scenario.attachment_megabytes,
        )


def names_of(asked: object, scenario: Scenario) -> tuple[str, ...] | None:
    """The `resources` field: None when absent; unknown names are dropped or refused."""
    if asked is None:
        return None
    if not isinstance(asked, list) or not all(isinstance(name, str) for name in asked):
        raise Refusal(400, "resources must be a list of names", path=True)
    unknown = [name for name in asked if name not in REQUESTABLE]
    if unknown and scenario.unknown_resource == "400":
        raise Refusal(400, "an unknown resource was requested", path=True)
    return tuple(name for name in asked if name in REQUESTABLE)


def params_of(given: object) -> dict[str, Any]:
    """The `params` field of a background query."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refusal(400, "params must be an object", path=True)
    return given
