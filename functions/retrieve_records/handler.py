"""POST /v1/connections/{id}/records: records at once, or (Prefer: respond-async) through the workflow."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, config, deployment, log, prefer
from portico.fetch import Fetcher
from portico.records_request import RecordsRequest
from portico.requesting import Requester
from portico.retrieval import FHIR_JSON

logger = log.logger()
app = api.resolver(logger)
integrator = deployment.integrator()
requester = Requester(
    deployment.connections(),
    deployment.retrievals(),
    deployment.workflow(),
    deployment.results(),
    Fetcher(deployment.refresher(integrator), integrator),
    deployment.clock,
    deployment.random,
    config.retention_seconds(),
)


@app.post("/v1/connections/<connection_id>/records")
def retrieve_records(connection_id: str) -> Response[Any]:
    request = RecordsRequest.parse(api.json_body(app, {"resources": list, "params": dict}))
    owner = api.owner(app)
    if prefer.respond_async(app.current_event.headers):
        retrieval = requester.later(connection_id, owner, request)
        logger.info("retrieval started", extra={"retrieval": retrieval.id})
        headers = {
            "Content-Location": f"{api.base_url(app)}/v1/retrievals/{retrieval.id}",
            "Preference-Applied": "respond-async",
            "Retry-After": "5",
        }
        return api.answer(202, {"id": retrieval.id, "status": "running"}, headers=headers)
    fetched = requester.now(connection_id, owner, request)
    if fetched.bundle is None:
        return api.see_other(f"{api.base_url(app)}/v1/retrievals/{fetched.retrieval_id}/files/{fetched.file}")
    return api.answer(200, fetched.bundle.decode(), content_type=FHIR_JSON)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
