"""A web server of the tests' own: it writes down what it is sent and answers as it is told."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the server says: `content` is a JSON value, or bytes as they are."""

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


@dataclass(frozen=True)
class Request:
    """What it was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    certificate: str | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Recorder:
    """The running server. Answers of `script` come first, one a request, then what `answers` says."""

    url: str
    requests: list[Request] = field(default_factory=list)
    script: list[Answer] = field(default_factory=list)
    answers: Callable[[Request], Answer] = lambda _: Answer({})

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.script.pop(0) if self.script else self.answers(request)


@contextmanager
def recording(context: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    """A recorder on a free port, with TLS when it is given a context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(
                self.command, self.path, headers, self.rfile.read(length), _peer(self.connection)
            )
            answer = recorder.answer(request)
            self.send_response(answer.status)
            for name, value in ({"Content-Type": "application/json"} | dict(answer.headers)).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = answer.hang_up

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that goes away is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if context is None else "https"
    recorder = Recorder(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def raw(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does what it likes with each connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(5)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=_guarded, args=(serve, connection), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def _guarded(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection:
        try:
            serve(connection)
        except OSError:
            return


def _peer(connection: socket.socket) -> str | None:
    if not isinstance(connection, ssl.SSLSocket) or not (certificate := connection.getpeercert()):
        return None
    subject: Any = certificate["subject"]
    return str(dict(pair for group in subject for pair in group)["commonName"])
