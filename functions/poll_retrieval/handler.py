"""Workflow task: ask for the result; when it is there, take it into files while it arrives."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import config, deployment, log
from portico.polling import Poller
from portico.task import task

logger = log.logger()
poller = Poller(
    deployment.retrievals(),
    deployment.integrator(),
    deployment.sealer(),
    deployment.results().ndjson_files,
    deployment.clock,
    config.first_poll_seconds(),
)


@logger.inject_lambda_context(clear_state=True)
@task(logger)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(retrieval=event["retrievalId"])
    return poller.poll(event["retrievalId"])
