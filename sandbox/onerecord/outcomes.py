"""What the integrator says when there are no records to give: not yet, not any more, or not at all."""

from typing import Any

from sandbox.onerecord import payloads
from sandbox.onerecord.catalog import Endpoint
from sandbox.onerecord.delivery import Reply
from sandbox.onerecord.replies import error_data, error_entry, flat
from sandbox.onerecord.scenarios import Scenario

_NOT_YET = "The healthcare data for this transaction is not yet available."


def pending(scenario: Scenario, now: float, path: str) -> Reply:
    """The guide says only "you will be notified accordingly": the scenario chooses how."""
    if scenario.pending == "404":
        return Reply.of(flat(404, _NOT_YET, now), 404)
    if scenario.pending == "information":
        entry = error_entry(200, _NOT_YET, "INFORMATION", now, path)
        return Reply.of({"errorData": error_data(entry, severity="INFORMATION"), "payload": None})
    return Reply(status={"202": 202, "204": 204, "empty": 200}[scenario.pending])


def dead_token(scenario: Scenario, now: float, path: str, *, in_result: bool = False) -> Reply:
    """The patient's token is refused; inside a stored result there is no status to say it with."""
    message = "the patient's access token is expired or unknown"
    if scenario.dead_token == "401" and not in_result:
        return Reply.of(flat(401, message, now), 401)
    return _told_inside(scenario, error_entry(401, message, scenario.severity, now, path))


def failed(scenario: Scenario, endpoint: Endpoint, finished: float) -> Reply:
    """The portal failed, told inside a 200."""
    message = f"the portal of {endpoint.name} answered with an error"
    path = f"/integrator/v1/fhir/resources/{endpoint.id}"
    return _told_inside(scenario, error_entry(502, message, scenario.severity, finished, path))


def _told_inside(scenario: Scenario, entry: dict[str, Any]) -> Reply:
    told = error_data(entry, severity=scenario.severity)
    return Reply(body=b"".join(payloads.body(scenario, None, told, "")))
