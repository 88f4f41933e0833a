"""Foretide as a child process: started, waited for, asked, ended."""

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
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.report import NotMeasuredError

ROOT: Final = Path(__file__).resolve().parent.parent
FORETIDE: Final = str(Path(sys.executable).parent / "foretide")
_LONGEST_START_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.02
_TAIL: Final = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A Foretide that is ready; ``ready_seconds`` is from its start until ``/readyz`` said so."""

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float

    def api(self, path: str) -> Any:
        """``data`` of an endpoint of `/api/v1`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]


def environment(port: int, data: Path) -> dict[str, str]:
    """Ours with these two settings and no other of Foretide's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FORETIDE_", "OTEL_", "MAKE"))}
    return {**kept, "FORETIDE_PORT": str(port), "FORETIDE_DATA_DIR": str(data)}


@contextmanager
def running(command: Sequence[str], folder: Path, *, cwd: Path) -> Iterator[Running]:
    """Start ``command``, with its data and its log in ``folder``, and wait until it is ready; end it afterwards.

    It gets a process group of its own and the group gets the SIGTERM: between us and Foretide there may be a `make`.

    Raises:
        NotMeasuredError: It ended, or was not ready within two minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, log = _free_port(), folder / "log"
    with log.open("wb") as written:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(port, folder / "data"), stdin=subprocess.DEVNULL, stdout=written,
            stderr=written, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_ready(process, port, log, deadline=began + _LONGEST_START_SECONDS)
        yield Running(process=process, port=port, ready_seconds=time.monotonic() - began)
    finally:
        _end(process, port)


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path, *, deadline: float) -> None:
    pause = threading.Event()
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            last_words = log.read_bytes()[-_TAIL:].decode(errors="replace")
            raise NotMeasuredError(f"{process.args!r} was not ready; the end of its log:\n{last_words}")
        pause.wait(_POLL_SECONDS)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # nobody listens yet; also an HTTPError with 503
        return False


def _end(process: subprocess.Popen[bytes], port: int) -> None:
    """SIGTERM, and SIGKILL to whoever is left of the group after 15 s."""
    _signal(process, signal.SIGTERM)
    try:
        process.wait(15)
        _wait_silent(port)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait(5)


def _wait_silent(port: int) -> None:
    """Wait for a Foretide below a `make` that ended first: the next one shall not share the machine with it."""
    pause, deadline = threading.Event(), time.monotonic() + 15
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
        pause.wait(0.1)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def output_of(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end.

    Raises:
        NotMeasuredError: It failed.
    """
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise NotMeasuredError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stderr[-_TAIL:]}")
    return done.stdout
