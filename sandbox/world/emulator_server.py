"""The emulator's own process: `python -m sandbox.world.emulator_server RUNTIME_DIR HOME_DIR [plain]`.

`plain` leaves the patches out: the tests do so, to learn when one is no longer needed.

It lives exactly as long as its standard input stays open. When the process that started it goes, however it
goes, the emulator kills its process group, the functions' processes included, and removes its files.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from sandbox.world.calls import counted, signed_call
from sandbox.world.recording import Recording

CALLS_PATH = "/_world/calls"
RECORDING = "WORLD_RECORDING"
"""The variable that names the file to record all calls in."""
OWN_SETTINGS = {
    "AUTH": "true",
    "BIND_HOST": "127.0.0.1",
    "IOT_MTLS_ENABLED": "0",
    "LOG_LEVEL": "WARNING",
    "MINISTACK_REGION": "us-east-1",
    "SFN_WAIT_SCALE": "1",
    "SFTP_ENABLED": "0",
}
"""IAM is enforced, nothing but the one port on loopback is opened, and waits last as long as they say."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    os.environ |= {"GATEWAY_PORT": str(port), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    print(json.dumps({"port": port}), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads what else is printed
    runtime, home = Path(sys.argv[1]), Path(sys.argv[2])
    threading.Thread(target=_die_with_the_starter, args=(home,), daemon=True).start()

    from sandbox.world import emulator_patches

    if "plain" not in sys.argv[3:]:
        emulator_patches.apply(runtime, [*OWN_SETTINGS, "GATEWAY_PORT", RECORDING])
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as ministack

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    wanted = os.environ.get(RECORDING)
    recording = Recording(Path(wanted), emulator_patches.principals) if wanted else None
    application: Any = in_front_of(ministack.app, emulator_patches.principals, recording)
    asyncio.run(serve(application, config))


def _die_with_the_starter(home: Path) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    shutil.rmtree(home, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def in_front_of(
    emulator: Application, principals: dict[str, str], recording: Recording | None = None
) -> Application:
    """The emulator, with signed calls counted, and with TLS taken for granted: loopback stands for it."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await emulator(scope, receive, send)
        elif scope["path"] == CALLS_PATH:
            await _answer(send, counted.as_json(principals))
        else:
            read = recording.of(scope, receive) if recording else receive
            await emulator(_as_if_over_tls(scope), read, _counting(scope, send))

    return application


def _as_if_over_tls(scope: Message) -> Message:
    headers = scope["headers"]
    if any(name == b"x-forwarded-proto" for name, _ in headers):
        return scope
    return {**scope, "headers": [*headers, (b"x-forwarded-proto", b"https")]}


def _counting(scope: Message, send: Send) -> Send:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    call = signed_call(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers)
    if call is None:
        return send
    answered: list[int] = []

    async def counting(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])
        elif len(answered) == 1:
            refused = answered[0] in (400, 403) and b"AccessDenied" in message.get("body", b"")
            counted.add(*call, refused=refused)
            answered.clear()
        await send(message)

    return counting


async def _answer(send: Send, value: Any) -> None:
    body = json.dumps(value).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    main()
