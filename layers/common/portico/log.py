"""The log of one function: our own lines only.

Libraries log what must not be kept (httpx writes every URL at INFO), so they are heard from WARNING on.
"""

import logging

from aws_lambda_powertools import Logger


def logger() -> Logger:
    """The function's structured logger."""
    logging.getLogger().setLevel(logging.WARNING)
    return Logger()
