"""Foretide as a process of its own, started by the command of `make up`, and what can be asked of it over HTTP.

Every process that a program starts inherits its mark in the environment, so that "no child is left" can be told even
of children that belong to nobody any more.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")
FORETIDE = str(Path(sys.executable).parent / "foretide")
MAKE_UP = ("up", "--demo", "--end-with-parent")
"""As in the Makefile; a test run that is killed leaves nothing behind then, either."""
READY_SECONDS = 30.0
END_SECONDS = 10.0
MARK = "E2E_MARK"
_TAIL_BYTES = 6000
_TICK = threading.Event()


def until(what: str, probe: Callable[[], T | None], *, seconds: float = 60.0, log: Path | None = None) -> T:
    """The first true answer of ``probe``; other processes have no clock of ours, so it is asked until a deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        late = time.monotonic() >= deadline
        assert not late, f"not within {seconds:g} s: {what}{'' if log is None else said(log)}"
        _TICK.wait(0.1)
    return answer


def said(log: Path) -> str:
    """The last lines of a log, to be read below a failure."""
    return "\n--- the end of its log:\n" + log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def ask(
    url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """One request without following redirects; OSError where nobody answers."""
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=10) as response:
            return Answer(status=response.status, headers=response.headers, body=response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(status=error.code, headers=error.headers, body=error.read())


class Program:
    """One running Foretide."""

    def __init__(self, process: subprocess.Popen[bytes], *, port: int, log: Path, data: Path, mark: str) -> None:
        self.process, self.port, self.log, self.data, self.mark = process, port, log, data, mark
        self.url = f"http://127.0.0.1:{port}"
        self.ready_at = 0.0
        """Seconds since the epoch when ``/readyz`` first said so."""

    def get(self, path: str, **parameters: object) -> Answer:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return ask(f"{self.url}{path}{query}")

    def api(self, path: str, **parameters: object) -> Any:
        """``data`` of an endpoint of `/api/v1` that works."""
        answer = self.get(f"/api/v1/{path}", **parameters)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body!r}{said(self.log)}"
        return answer.json["data"]

    def query(self, expr: str, **parameters: object) -> list[dict[str, Any]]:
        """Result of an instant query."""
        answer = self.get("/prometheus/api/v1/query", query=expr, **parameters)
        assert answer.status == 200, f"{expr}: {answer.status} {answer.body!r}{said(self.log)}"
        result: list[dict[str, Any]] = answer.json["data"]["result"]
        return result

    def number(self, expr: str, **parameters: object) -> float:
        """The one value of a query; 0 without one."""
        result = self.query(expr, **parameters)
        return float(result[0]["value"][1]) if result else 0.0

    def until(self, what: str, probe: Callable[[], T | None], *, seconds: float) -> T:
        """As ``until``, with this program's last words; at once when it has ended."""

        def of_a_living_one() -> T | None:
            code = self.process.poll()
            assert code is None, f"it ended with exit code {code} before: {what}{said(self.log)}"
            return probe()

        return until(what, of_a_living_one, seconds=seconds, log=self.log)

    def wait_ready(self) -> None:
        def ready() -> bool:
            try:
                return self.get("/readyz").status == 200
            except OSError:
                return False

        self.until("/readyz answers 200", ready, seconds=READY_SECONDS)
        self.ready_at = time.time()

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it runs on {END_SECONDS:g} s after {number.name}{said(self.log)}") from None

    def left(self) -> list[str]:
        """Command lines of its processes that still run, itself included."""
        return list(_marked(self.mark).values())

    def wait_gone(self, *, seconds: float = 1.0) -> None:
        """Until nothing of it runs; the fork server ends some 20 ms after its parent."""
        until("no child is left", lambda: not self.left(), seconds=seconds, log=self.log)

    def kill_everything(self) -> None:
        """For the end of a test, also of one that failed."""
        for one in _marked(self.mark):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait(END_SECONDS)


def _marked(mark: str) -> dict[psutil.Process, str]:
    """Processes with that mark that run, and their command lines."""
    found = {}
    for one in psutil.process_iter():
        with suppress(psutil.Error):  # gone meanwhile, a zombie, or not ours
            if one.environ().get(MARK) == mark:
                found[one] = " ".join(one.cmdline())
    return found


def environment(**variables: str) -> dict[str, str]:
    """Ours, without what would change a Foretide under test."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("FORETIDE_", "OTEL_"))}
    return {**ours, "FORETIDE_LOG_FORMAT": "json", **variables}


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Iterator[Program]:
    """``foretide ARGUMENTS`` in ``folder``, its data in ``folder/data``, ready; nothing of it is left afterwards.

    Args:
        folder: Working directory; the log is there, too.
        arguments: Of foretide; those of `make up` without any.
        port: A free one by default.
        env: More variables.
        before: A command that starts it as its child.
    """
    port, mark, data = port or free_port(), uuid.uuid4().hex, folder / "data"
    log = folder / f"foretide-{mark[:8]}.log"
    variables = {"FORETIDE_PORT": str(port), "FORETIDE_DATA_DIR": str(data), MARK: mark, **(env or {})}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*before, FORETIDE, *(arguments or MAKE_UP)], cwd=folder, env=environment(**variables),
            stdin=subprocess.DEVNULL, stdout=written, stderr=written,
        )  # fmt: skip
    program = Program(process, port=port, log=log, data=data, mark=mark)
    try:
        program.wait_ready()
        yield program
    finally:
        program.kill_everything()


def refusal(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code and stderr of a ``foretide up`` that is expected not to start."""
    done = subprocess.run(
        [FORETIDE, *arguments], cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=20
    )
    return done.returncode, done.stderr
