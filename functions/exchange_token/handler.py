"""POST /v1/connections/{id}/token: exchange the one-time handle; the connection becomes active."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, deployment, log
from portico.exchange import Exchanger

logger = log.logger()
app = api.resolver(logger)


def burned() -> None:
    logger.warning("security", extra={"reason": "burned"})


integrator = deployment.integrator()
exchanger = Exchanger(
    deployment.attempts(),
    deployment.connections(),
    integrator,
    deployment.sealer(),
    deployment.keep_alive(),
    deployment.clock,
    deployment.sleep,
    burned,
)


@app.post("/v1/connections/<connection_id>/token")
def exchange_token(connection_id: str) -> Response[Any]:
    given = api.json_body(app, {"handle": str}, required=("handle",))
    verify = deployment.identity_check(integrator, api.claims(app))
    connection = exchanger.exchange(connection_id, api.owner(app), given["handle"], verify)
    logger.info("exchanged", extra={"connection": connection.id, "state": connection.status.value})
    return api.answer(200, connection.as_json(deployment.clock()))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
