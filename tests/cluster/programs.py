"""A program of the cluster as a process of its own: started, watched, suspended, and gone with us."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.e2e.program import environment, said, until

START_SECONDS: Final = 60.0
"""About 5 s on an idle machine; a bound for one that is busy with other tests."""


class Program:
    """One program with fixed arguments; it may be started again after it was stopped."""

    def __init__(self, name: str, command: Sequence[str], *, folder: Path, ready: Callable[[], bool]) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        # The kernel ends it with the thread that started it, also when the tests are killed. Debian's util-linux is
        # essential; elsewhere a killed run leaves it behind.
        setpriv = shutil.which("setpriv")
        self._command = [*([setpriv, "--pdeathsig", "KILL"] if setpriv else []), *command]
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process, f"{self.name} does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it; readiness is waited for apart, so that several start side by side."""
        assert self._process is None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            # Without FORETIDE_*: the Makefile exports a port and a folder, which would win over a test's own file.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment()
            )

    def wait_ready(self) -> None:
        """Until it serves; at once, with its last words, when it has ended."""

        def serves() -> bool:
            assert self._process, f"{self.name} was not started"
            assert self._process.poll() is None, f"{self.name} ended{said(self.log)}"
            return self._ready()

        until(f"{self.name} is ready", serves, seconds=START_SECONDS, log=self.log)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, by default at once: nothing that it holds is of use."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)
            self._process = None

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """It keeps its connections and answers nothing: a half-open watch."""
        assert self._process, f"{self.name} does not run"
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)
