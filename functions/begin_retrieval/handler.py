"""Workflow task: fresh tokens, then start the asynchronous query at the vendor."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import config, deployment, log
from portico.submission import Submitter
from portico.task import task

logger = log.logger()
integrator = deployment.integrator()
submitter = Submitter(
    deployment.retrievals(),
    deployment.refresher(integrator),
    integrator,
    deployment.sealer(),
    deployment.clock,
    config.first_poll_seconds(),
)


@logger.inject_lambda_context(clear_state=True)
@task(logger)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(retrieval=event["retrievalId"])
    return submitter.begin(event["retrievalId"])
