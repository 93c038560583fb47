"""For an operator who moves to another tokens key: every data key is wrapped under the new one. Ask until complete."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import config, deployment, log
from portico.errors import InvalidRequest
from portico.rewrapping import Sweeper
from portico.task import last_moment, task

logger = log.logger()
sweeper = Sweeper(deployment.connections(), deployment.sealer(), deployment.clock)


@logger.inject_lambda_context(clear_state=True)
@task(logger)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if not config.optional("PREVIOUS_TOKENS_KEY"):
        # Without a key to leave, a sweep would look like one that is through.
        raise InvalidRequest("PreviousTokensKeyArn", "must be given to the stack: there is no key to leave")
    swept = sweeper.sweep(event.get("after"), last_moment(context, deployment.clock())).as_json()
    logger.info("tokens rewrapped", extra={"swept": swept})
    return swept
