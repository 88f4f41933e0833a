"""A replica for the local cluster: serves HTTP on a socket that it is handed, ends when its stdin does.

``/readyz`` answers 200, or 503 while the file READY_UNLESS exists; ``/crash`` ends it with exit code 3.
With STUBBORN set it ignores SIGTERM and the end of its stdin.
"""

from __future__ import annotations

import http.server
import os
import signal
import socket
import sys
import threading
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/crash":
            print("the replica was told to crash", flush=True)
            os._exit(3)
        blocker = os.environ.get("READY_UNLESS")
        ready = self.path != "/readyz" or not (blocker and Path(blocker).exists())
        body = os.environ.get("GREETING", "").encode()
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, fd: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=fd)


def end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    if os.environ.get("STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        threading.Thread(target=end_with_stdin, daemon=True).start()
    Server(int(sys.argv[1])).serve_forever()
