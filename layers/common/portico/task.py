"""A workflow task's edge: our errors escape by name, for the state machine to match; defects lose their text."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger

from portico.api import defect
from portico.errors import Defect, PorticoError

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def task(logger: Logger) -> Callable[[Handler], Handler]:
    """Decorates a task's handler. Execution histories keep what escapes, so only fixed words may."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def guarded(event: dict[str, Any], context: Any) -> dict[str, Any]:
            try:
                outcome = handler(event, context)
            except PorticoError as error:
                logger.warning("task failed", extra={"reason": error.reason})
                raise
            except Exception as error:
                logger.error("unexpected", extra=defect(error))
                raise Defect from None
            logger.info("task done", extra={"status": outcome.get("status")})
            return outcome

        return guarded

    return decorate
