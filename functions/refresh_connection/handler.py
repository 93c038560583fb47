"""Refresh queue: try again what nobody told the outcome of, store what was parked, keep idle connections alive."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from portico import api, deployment, log
from portico.adapters.refresh_queue import handle
from portico.errors import PorticoError

logger = log.logger()
keep_alive = deployment.keep_alive()
refresher = deployment.refresher(deployment.integrator())
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def refresh_connection(record: SQSRecord) -> None:
    try:
        message = record.json_body
        outcome = handle(message, refresher)
    except PorticoError as error:
        logger.warning(
            "refresh put off", extra={"connection": message["connectionId"], "reason": error.reason}
        )
        raise
    except Exception as error:
        logger.error("unexpected", extra=api.defect(error))
        raise
    if outcome == "over":
        keep_alive.cancel(message["connectionId"])
    logger.info("refresh", extra={"connection": message["connectionId"], "reason": outcome})


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return dict(process_partial_response(event, refresh_connection, processor, context))
