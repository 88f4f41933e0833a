"""Debian's Alertmanager as a process, and a webhook that writes down what it is told."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

START_SECONDS = 15


class Heard:
    """What came, each with the moment at which it did."""

    def __init__(self) -> None:
        self.all: list[tuple[float, dict[str, Any]]] = []
        self._came = threading.Condition()

    def add(self, body: dict[str, Any]) -> None:
        with self._came:
            self.all.append((time.time(), body))
            self._came.notify_all()

    def wait_for(self, count: int, seconds: float) -> list[tuple[float, dict[str, Any]]]:
        """Once so many came, or the time is up."""
        with self._came:
            self._came.wait_for(lambda: len(self.all) >= count, seconds)
            return sorted(self.all, key=lambda one: one[0])


@contextmanager
def webhook() -> Iterator[tuple[str, Heard]]:
    """Its address, and what it heard."""
    heard = Heard()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.add(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def alertmanager(section: str, receivers: list[str], url: str, folder: Path) -> Iterator[str]:
    """The address of one that routes by ``section`` and tells every receiver at ``url`` and its name."""
    program = shutil.which("prometheus-alertmanager")
    assert program is not None, "make alertmanager installs it"
    hooks = [
        {"name": name, "webhook_configs": [{"url": f"{url}{name}", "send_resolved": True}]} for name in receivers
    ]  # fmt: skip
    (folder / "am.yaml").write_text(section + f"\nreceivers: {json.dumps(hooks)}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    command = [
        program, f"--config.file={folder / 'am.yaml'}", f"--storage.path={folder / 'am'}", "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "am.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _await(f"{base}/-/ready", process)
            yield base
        finally:
            process.terminate()
            process.wait(10)


def ask(url: str, body: Any = None) -> Any:
    """JSON there and back."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            assert process.poll() is None, "Alertmanager ended at once"
            assert time.monotonic() < until, "Alertmanager is not ready"
            threading.Event().wait(0.05)
