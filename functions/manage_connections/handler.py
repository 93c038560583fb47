"""GET /v1/connections, GET and DELETE /v1/connections/{id}: what a user is connected to, and its end."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, deployment, log
from portico.directory import limit_of
from portico.errors import NotFound
from portico.ids import same

logger = log.logger()
app = api.resolver(logger)
connections = deployment.connections()
disconnector = deployment.disconnector()


@app.get("/v1/connections")
def list_connections() -> Response[Any]:
    given = app.current_event.query_string_parameters or {}
    page = connections.owned_by(api.owner(app), limit_of(given), given.get("cursor"))
    now = deployment.clock()
    return api.answer(200, {"connections": [c.as_json(now) for c in page.connections], "next": page.next})


@app.get("/v1/connections/<connection_id>")
def read_connection(connection_id: str) -> Response[Any]:
    connection = connections.get(connection_id)
    if connection is None or not same(connection.owner, api.owner(app)):
        raise NotFound
    return api.answer(200, connection.as_json(deployment.clock()))


@app.delete("/v1/connections/<connection_id>")
def delete_connection(connection_id: str) -> Response[Any]:
    disconnector.delete(connection_id, api.owner(app))
    logger.info("connection deleted", extra={"connection": connection_id})
    return api.answer(204)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
