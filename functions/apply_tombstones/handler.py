"""For an operator, after a restore: what was deleted since the backup is deleted again. Ask until complete."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import deployment, log
from portico.task import last_moment, task
from portico.tombstones import Applier

logger = log.logger()
applier = Applier(
    deployment.tombstones(),
    deployment.connections(),
    deployment.disconnector(),
    deployment.discarding(),
    deployment.clock,
)


@logger.inject_lambda_context(clear_state=True)
@task(logger)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    applied = applier.apply(event.get("after", ""), last_moment(context, deployment.clock())).as_json()
    logger.info("tombstones applied", extra={"applied": applied})
    return applied
