"""The integrator's token replies: the portal's answer in OneRecord's words, and its refusals."""

import json
import uuid
from typing import Any

from sandbox.onerecord.catalog import Endpoint
from sandbox.onerecord.delivery import Reply
from sandbox.onerecord.replies import error_data, error_entry, flat
from sandbox.onerecord.scenarios import Scenario
from sandbox.portals.grants import Issued, Rejected


def granted(endpoint: Endpoint, scenario: Scenario, issued: Issued, *, refreshed: bool) -> Reply:
    """The reply to an exchange or a refresh that succeeded."""
    reply: dict[str, Any] = {}
    if not refreshed or scenario.refresh_patient_id:
        reply.update(_patient_id(scenario, issued.grant.patient_id))
    reply["token"] = "" if scenario.token_reply == "empty-token" else issued.access_token
    reply.update(_expiry(scenario))
    if issued.refresh_token is not None:
        reply["refreshToken"] = issued.refresh_token
    other = scenario.token_reply == "other-endpoint"
    reply["endpointId"] = str(uuid.uuid5(uuid.NAMESPACE_URL, endpoint.id)) if other else endpoint.id
    return Reply.of(reply)


def rejected(endpoint: Endpoint, scenario: Scenario, rejection: Rejected, now: float, path: str) -> Reply:
    """The reply when the portal refused: nobody has documented it, so the scenario chooses."""
    upstream = json.dumps({"error": rejection.error, "error_description": rejection.description})
    message = f"400 Bad Request from POST token endpoint of {endpoint.name}: {upstream}"
    if scenario.token_failure == "error-data":
        entry = error_entry(400, message, scenario.severity, now, path)
        told = error_data(entry, severity=scenario.severity)
        return Reply.of({"errorData": told, "endpointId": endpoint.id})
    status = int(scenario.token_failure)
    return Reply.of(flat(status, message, now), status)


def _patient_id(scenario: Scenario, patient_id: str) -> dict[str, Any]:
    forms: dict[str, dict[str, Any]] = {
        "given": {"patId": patient_id},
        "number": {"patId": int(patient_id) if patient_id.lstrip("-").isdigit() else patient_id},
        "null": {"patId": None},
        "empty": {"patId": ""},
    }
    return forms.get(scenario.patient_id, {})


def _expiry(scenario: Scenario) -> dict[str, Any]:
    seconds = scenario.token_seconds
    whole = int(seconds)
    forms: dict[str, dict[str, Any]] = {
        "string": {"tokenExpires": str(whole) if whole == seconds else str(seconds)},
        "integer": {"tokenExpires": whole},
        "float": {"tokenExpires": seconds if whole != seconds else seconds + 0.523842},
        "zero": {"tokenExpires": "0"},
        "negative": {"tokenExpires": "-1"},
        "garbage": {"tokenExpires": "soon"},
    }
    return forms.get(scenario.token_expires, {})
