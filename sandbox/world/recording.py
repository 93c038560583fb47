"""What the stack says to AWS, word for word: every signed call, one JSON line each, for a test to search.

Only while a test asks for it. The bodies of stored files are left out: they are the records themselves.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from sandbox.world.calls import signed_call

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Recording:
    """Appends to a file that whoever started the emulator reads."""

    def __init__(self, path: Path, callers: Mapping[str, str]) -> None:
        self._path, self._callers = path, callers

    def of(self, scope: Message, receive: Receive) -> Receive:
        """The same request, written down once its body is whole."""
        headers = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        call = signed_call(scope["method"], scope["path"], query, headers)
        if call is None or call[0] not in self._callers:
            return receive
        caller, service, action = call
        body = bytearray()

        async def recorded() -> Message:
            message = await receive()
            if service != "s3":
                body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                line = {
                    "role": self._callers[caller],
                    "service": service,
                    "action": action,
                    "path": scope["raw_path"].decode("latin-1"),
                    "query": query,
                    "headers": {n: v for n, v in headers.items() if n not in _OF_THE_SIGNATURE},
                    "body": body.decode("utf-8", "replace"),
                }
                with self._path.open("a") as lines:
                    lines.write(json.dumps(line) + "\n")
            return message

        return recorded


_OF_THE_SIGNATURE = {"authorization", "x-amz-security-token"}
