"""GET /oauth/callback/{session}: keep the portal's code under seal and send the browser home to the app."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, browser, deployment, log
from portico.returning import Return

logger = log.logger()
app = api.resolver(logger)
returning = Return(
    deployment.attempts(), deployment.connections(), deployment.sealer(), deployment.clock, deployment.random
)


@app.get("/oauth/callback/<session>")
def receive_callback(session: str) -> Response[Any]:
    if browser.is_prefetch(app.current_event.headers):
        return api.answer(204)
    query = app.current_event.get("rawQueryString") or ""
    state, url = returning.receive(session, browser.cookie_of(app.current_event), query)
    logger.info("callback received", extra={"state": state.value})
    return api.see_other(url)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
