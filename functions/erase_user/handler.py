"""For an operator: everything of one app user is gone. {"issuer","subject"} in, a receipt out; ask until complete."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import deployment, log
from portico.erasure import Eraser, owner_in
from portico.task import last_moment, task

logger = log.logger()
eraser = Eraser(deployment.connections(), deployment.attempts(), deployment.disconnector(), deployment.clock)


@logger.inject_lambda_context(clear_state=True)
@task(logger)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    receipt = eraser.erase(owner_in(event), last_moment(context, deployment.clock())).as_json()
    logger.info("user erased", extra={"receipt": {n: receipt[n] for n in receipt if n != "owner"}})
    return receipt
