"""GET /connect/{ticket}: bind the browser and send it to the portal. GET /connect/problem: why it cannot go on."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, browser, deployment, log, problem_page
from portico.returning import Launch

logger = log.logger()
app = api.resolver(logger)
launch = Launch(deployment.attempts(), deployment.clock, deployment.random)


@app.get("/connect/problem")
def problem() -> Response[Any]:
    return api.answer(
        200, problem_page.HTML, content_type="text/html; charset=utf-8", headers=problem_page.HEADERS
    )


@app.get("/connect/<ticket>")
def launch_connection(ticket: str) -> Response[Any]:
    if browser.is_prefetch(app.current_event.headers):
        return api.answer(204)
    url, cookie = launch.go(ticket, browser.cookie_of(app.current_event), api.base_url(app))
    logger.info("browser launched")
    return api.see_other(url, cookies=[browser.cookie(cookie)])


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
