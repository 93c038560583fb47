"""GET and DELETE /v1/retrievals/{rid}, GET /v1/retrievals/{rid}/files/{name}: progress, manifest, files."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, deployment, log
from portico.reading import Reader
from portico.retrieval import Status, manifest

logger = log.logger()
app = api.resolver(logger)
results = deployment.results()
reader = Reader(deployment.retrievals(), deployment.clock)
discarding = deployment.discarding()


@app.get("/v1/retrievals/<rid>")
def read_retrieval(rid: str) -> Response[Any]:
    retrieval = reader.read(rid, api.owner(app))
    base = api.base_url(app)
    if retrieval.status is Status.RUNNING:
        headers = {
            "Retry-After": str(reader.retry_after(retrieval)),
            "X-Progress": reader.progress(retrieval),
        }
        return api.answer(202, {"id": rid, "status": "running"}, headers=headers)
    request = f"{base}/v1/connections/{retrieval.connection_id}/records"
    return api.answer(200, manifest(retrieval, request, f"{base}/v1/retrievals/{rid}/files"))


@app.delete("/v1/retrievals/<rid>")
def cancel_retrieval(rid: str) -> Response[Any]:
    discarding.discard(reader.owned(rid, api.owner(app)))
    logger.info("retrieval deleted", extra={"retrieval": rid})
    return api.answer(202, {"id": rid, "status": "deleted"})


@app.get("/v1/retrievals/<rid>/files/<name>")
def read_file(rid: str, name: str) -> Response[Any]:
    file = reader.read(rid, api.owner(app)).file(name)
    return api.answer(302, headers={"Location": results.signed_url(file)})


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
