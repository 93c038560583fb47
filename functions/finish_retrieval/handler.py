"""Workflow task: a retrieval ended without a result; keep the reason and leave no file behind."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import deployment, log
from portico.failing import Failer
from portico.task import task

logger = log.logger()
failer = Failer(deployment.retrievals(), deployment.results(), deployment.clock)


@logger.inject_lambda_context(clear_state=True)
@task(logger)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(retrieval=event["retrievalId"])
    return failer.fail(event["retrievalId"], event["error"])
