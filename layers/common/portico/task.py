"""The edge of what no user calls, workflow tasks and an operator's functions: our errors escape by name, for the
state machine to match or a person to read; defects lose their text.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger

from portico.api import defect
from portico.errors import Defect, PorticoError

# What one more thing may take at most: a connection with hundreds of retrievals.
RESERVE_SECONDS = 120

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
            logger.info("task done", extra={n: outcome[n] for n in ("status", "complete") if n in outcome})
            return outcome

        return guarded

    return decorate


def last_moment(context: Any, now: float) -> float:
    """Until when a function that works through a long list may take up one more thing."""
    remaining: int = context.get_remaining_time_in_millis()
    return now + remaining / 1000 - RESERVE_SECONDS
