"""A Prometheus of our own on loopback with generated data, and small servers that behave badly."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from domain.series import Series
from tests.provide import prometheus

EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}
ONE = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def prometheus_with(series: list[Series], folder: Path, *flags: str, config: str = "{}\n") -> Iterator[str]:
    """The URL of a running Debian Prometheus whose blocks hold ``series``."""
    binary = prometheus()
    assert binary, "Prometheus is missing: run `make test`, which installs it"
    data = folder / "data"
    data.mkdir(parents=True)
    if series:
        (folder / "page").write_text(_openmetrics(series), encoding="utf-8")
        promtool = str(Path(binary).with_name("promtool"))
        subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", str(folder / "page"), str(data)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    (folder / "prometheus.yml").write_text(config)
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}", *flags,
            ],
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _until_ready(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(data, ignore_errors=True)


def discovered_by(url: str, *, count: int) -> dict[str, list[dict[str, Any]]]:
    """Active and dropped targets of a Prometheus, once it has found so many in all (it tells new ones after 5 s)."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for _ in range(300):
        with urllib.request.urlopen(f"{url}/api/v1/targets", timeout=10) as answer:
            shown = json.load(answer)["data"]
        if len(shown["activeTargets"]) + len(shown["droppedTargets"]) >= count:
            return shown
        time.sleep(0.1)
    raise AssertionError(f"Prometheus found no {count} targets: {shown}")


def _until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """A look each 0.1 s, for a minute; over at once when the process ends."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                raise AssertionError(f"Prometheus ended: {log.read_text()[-2000:]}") from None
    raise AssertionError(f"Prometheus is not ready: {log.read_text()[-2000:]}")


def _openmetrics(series: list[Series]) -> str:
    lines: list[str] = []
    by_name: dict[str, list[Series]] = {}
    for one in series:
        by_name.setdefault(one.labels.metric_name, []).append(one)
    for name, rows in sorted(by_name.items()):
        lines.append(f"# TYPE {name} unknown")
        for one in rows:
            text = f"{name}{{{','.join(f'{key}={_quoted(value)}' for key, value in one.labels if key != '__name__')}}}"
            pairs = zip(one.timestamps_ms.tolist(), one.values.tolist(), strict=True)
            lines += [f"{text} {value!r} {at / 1000:.3f}" for at, value in pairs]
    return "\n".join([*lines, "# EOF", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@dataclass(frozen=True)
class Reply:
    """What a server says; ``promise`` is the length that it announces, where that is a lie."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promise: int | None = None


@dataclass(frozen=True)
class Asked:
    """What a server was asked."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


class Server:
    """Answers every GET and POST as ``answer`` says, and remembers what it was asked."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        asked: list[Asked] = []
        self.asked = asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply(b"")

            def do_POST(self) -> None:
                self._reply(self.rfile.read(int(self.headers["content-length"])))

            def _reply(self, body: bytes) -> None:
                question = Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                asked.append(question)
                reply = answer(question)
                self.send_response(reply.status)
                self.send_header("content-length", str(len(reply.body) if reply.promise is None else reply.promise))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
                if reply.promise is not None:
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def as_json(value: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), named)
