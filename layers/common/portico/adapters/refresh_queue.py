"""The refresh queue: what must be done about a connection even if the function that began it dies."""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from typing import Any

from portico.adapters import aws
from portico.refresh import RETRY_SECONDS, Refresher, Renewal


class RefreshQueue:
    """Sends messages of ids, generations and sealed tokens."""

    def __init__(self, url: str) -> None:
        self._url = url

    def later(self, connection_id: str, generation: int) -> None:
        """After RETRY_SECONDS somebody looks whether this generation is still there. Raises StorageUnavailable."""
        self._send(
            {"kind": "retry", "connectionId": connection_id, "generation": generation}, delay=RETRY_SECONDS
        )

    def park(self, connection_id: str, renewal: Renewal) -> None:
        """Sealed tokens that the database would not take. Raises StorageUnavailable."""
        kept = asdict(renewal) | {"tokens": b64encode(renewal.tokens).decode()}
        self._send({"kind": "parked", "connectionId": connection_id, "renewal": kept}, delay=1)

    def _send(self, message: dict[str, Any], *, delay: int) -> None:
        with aws.errors():
            aws.client("sqs").send_message(
                QueueUrl=self._url, MessageBody=json.dumps(message), DelaySeconds=delay
            )


def handle(message: dict[str, Any], refresher: Refresher) -> str:
    """Does what a message asks for; what came of it, in a word. Raises Retryable for it to come again."""
    connection_id: str = message["connectionId"]
    match message["kind"]:
        case "retry":
            return refresher.retry(connection_id, message["generation"])
        case "parked":
            kept = message["renewal"]
            return refresher.unpark(connection_id, Renewal(**kept | {"tokens": b64decode(kept["tokens"])}))
        case "keep-alive":
            return refresher.keep_alive(connection_id)
        case _:
            return "unknown"
