"""One replica as a real process of this machine.

It gets a loopback socket that already listens, so that its port is known and free, and a pipe on stdin that nobody
writes to: when we die, however we die, the pipe ends and the child ends itself.
"""

from __future__ import annotations

import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from domain.errors import UnavailableError

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
PROBE_TIMEOUT_SECONDS: Final = 1.0
_LAST_WORDS_BYTES: Final = 2000


class Process:
    """A running child; it never restarts, its owner starts another one."""

    def __init__(self, command: tuple[str, ...], *, env: Mapping[str, str], ready_path: str, log_file: Path) -> None:
        """Starts ``command`` with ``{fd}`` and ``{python}`` filled in; raises ``UnavailableError``."""
        self.ready = False
        self.started_at = time.monotonic()
        self.ready_at: float | None = None
        self._ready_path, self._log_file = ready_path, log_file
        # Its own session: a Ctrl-C in our terminal reaches us only, and we end the children in order.
        try:
            with socket.create_server((LOOPBACK, 0), backlog=128) as listener, log_file.open("wb") as output:
                self.port: int = listener.getsockname()[1]
                fd = listener.fileno()
                words = [word.replace("{fd}", str(fd)).replace("{python}", sys.executable) for word in command]
                self._child = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=dict(env),
                    pass_fds=(fd,), start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise UnavailableError(f"cannot start {command[0]} for {log_file.stem}: {error}") from error

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._child.pid

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"{LOOPBACK}:{self.port}"

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._child.poll()

    def probe(self) -> bool:
        """Whether it answers its readiness path with 2xx or 3xx within a second."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=PROBE_TIMEOUT_SECONDS)
        try:
            connection.request("GET", self._ready_path)
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def ask_to_stop(self) -> None:
        """SIGTERM, and the end of its life-line."""
        with suppress(OSError):  # it may be gone already
            self._child.terminate()
        if self._child.stdin is not None:
            with suppress(OSError):
                self._child.stdin.close()

    def kill(self) -> None:
        """SIGKILL to it and to what it started in its session."""
        if self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it has ended within that time."""
        try:
            self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_words(self) -> str:
        """The last line of its log, for the sentence about its end."""
        try:
            with self._log_file.open("rb") as output:
                output.seek(max(0, self._log_file.stat().st_size - _LAST_WORDS_BYTES))
                lines = output.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""
