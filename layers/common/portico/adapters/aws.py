"""AWS clients: one session, made once; and AWS's errors in our words."""

import random
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from portico.errors import Conflict, KeyUnavailable, StorageUnavailable

# Three tries within the couple of seconds that a waiting patient has.
_CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=10,
)
_TRANSFER = Config(
    connect_timeout=2,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 5},
    s3={"addressing_style": "path"},
    signature_version="s3v4",
)
# Beside every server error (5xx): what some services say with a 4xx when they are busy.
_LATER = {
    "LimitExceededException",
    "NoSuchUpload",  # completed or aborted by a try whose answer was lost: the whole file is written anew
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "SlowDown",
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
_KEY_GONE = {"DisabledException", "KMSInvalidStateException", "KeyUnavailableException"}
_lock = threading.Lock()


@cache
def _session() -> boto3.Session:
    return boto3.Session()


@cache
def _client(service: str) -> Any:
    with _lock:
        return _session().client(service, config=_TRANSFER if service == "s3" else _CONFIG)


def client(service: str) -> Any:
    """The process's client of a service."""
    return _client(service)


@contextmanager
def errors() -> Iterator[None]:
    """Failed conditions become Conflict, throttling and outages StorageUnavailable; the rest is a defect."""
    try:
        yield
    except (ConnectionError, HTTPClientError):
        raise StorageUnavailable from None
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "ConditionalCheckFailedException":
            raise Conflict from None
        if code == "TransactionCanceledException":
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
            raise (Conflict if "ConditionalCheckFailed" in reasons else StorageUnavailable) from None
        if code in _KEY_GONE:
            raise KeyUnavailable from None
        if code in _LATER or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise StorageUnavailable from None
        raise


def transact(*actions: Mapping[str, Any]) -> None:
    """One all-or-nothing write. Raises Conflict when a condition failed, StorageUnavailable.

    A write that merely met another one in flight says nothing about conditions and is tried again; its token
    makes sure that one which did happen is not refused the second time.
    """
    token = str(uuid.uuid4())
    for pause in (0.05, 0.2, 0.5, None):
        try:
            with errors():
                client("dynamodb").transact_write_items(TransactItems=list(actions), ClientRequestToken=token)
            return
        except StorageUnavailable:
            if pause is None:
                raise
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
