"""A target's pages: one that is right, one that is garbage, and a door behind which nobody answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RIGHT = b"# TYPE jobs_total counter\njobs_total 17\n"
GARBAGE = b"\x00\xff<html>{jobs_total 17\n"


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = {"/metrics": RIGHT, "/garbage": GARBAGE}.get(self.path)
        self.send_response(200 if body else 500)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def pages() -> Iterator[str]:
    """The address of a server with ``/metrics`` and ``/garbage``; all else is 500."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silence() -> Iterator[str]:
    """The address of a listener that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
