"""POST /v1/connections, POST /v1/connections/{id}/reconnect: begin a login at a portal."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, config, deployment, log
from portico.instants import rfc3339
from portico.starting import Started, Starter

logger = log.logger()
app = api.resolver(logger)
starter = Starter(
    deployment.directory(),
    deployment.attempts(),
    deployment.connections(),
    deployment.sealer(),
    config.redirectors(),
    config.return_urls(),
    deployment.clock,
    deployment.random,
)


@app.post("/v1/connections")
def start_connection() -> Response[Any]:
    known = {"portalId": str, "dataType": str, "returnUrl": str}
    given = api.json_body(app, known, required=tuple(known))
    owner = api.owner(app)
    return created(starter.start(owner, given["portalId"], given["dataType"], given["returnUrl"]))


@app.post("/v1/connections/<connection_id>/reconnect")
def reconnect(connection_id: str) -> Response[Any]:
    given = api.json_body(app, {"returnUrl": str}, required=("returnUrl",))
    return created(starter.reconnect(api.owner(app), connection_id, given["returnUrl"]))


def created(started: Started) -> Response[Any]:
    base = api.base_url(app)
    shown = started.connection.as_json(deployment.clock()) | {
        "authorizationUrl": f"{base}/connect/{started.ticket}",
        "expiresAt": rfc3339(started.expires_at),
    }
    logger.info("attempt started", extra={"connection": started.connection.id})
    return api.answer(201, shown, headers={"Location": f"{base}/v1/connections/{started.connection.id}"})


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
