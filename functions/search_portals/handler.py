"""GET /v1/portals/{dataType}: find patient portals by name, ZIP code or id."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, deployment, log
from portico.directory import Query, page

logger = log.logger()
app = api.resolver(logger)
directory = deployment.directory()


@app.get("/v1/portals/<data_type>")
def search_portals(data_type: str) -> Response[Any]:
    query = Query.parse(data_type, app.current_event.query_string_parameters)
    listing = directory.search(query.data_type, query.term)
    found = page(listing, query)
    logger.info("portals searched", extra={"matches": len(listing.portals), "stale": listing.stale})
    headers = {"Age": str(listing.age)} | ({"Warning": '110 - "Response is Stale"'} if listing.stale else {})
    shown = {"portals": [portal.as_json() for portal in found.portals], "next": found.next}
    return api.answer(200, shown, headers=headers)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
