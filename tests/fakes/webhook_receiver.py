"""A receiver of webhooks on loopback that does what it is told: answers, refuses, stays silent, or is not there."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Got:
    path: str
    headers: Message
    body: bytes
    status: int

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")


@dataclass
class WebhookReceiver:
    """``answers`` are used up one by one; after them every request gets 200. 0 is silence until ``close``."""

    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    body: bytes = b""

    def __post_init__(self) -> None:
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    def start(self) -> None:
        """At the port where it was before, if it was anywhere."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake._answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens at the port any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def close(self) -> None:
        self._released.set()
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    @property
    def taken(self) -> list[Got]:
        return [one for one in self.got if one.status == 200]

    def say(self, status: int, times: int = 1, **headers: str) -> None:
        self.answers.extend([(status, {name.replace("_", "-"): value for name, value in headers.items()})] * times)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        status, headers = self.answers.popleft() if self.answers else (200, {})
        self.got.append(Got(path=request.path, headers=request.headers, body=body, status=status))
        if status == 0:
            self._released.wait(30)
            return
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        request.wfile.write(self.body)
