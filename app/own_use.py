"""What this process and its workers use of the machine: cores since the start, and memory, looked at once a minute.

Our own figures do not go through our own store, so they are read where the kernel keeps them. A worker that comes and
goes between two looks is not seen; processes that the local cluster runs for somebody else are not ours.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

EVERY: Final = timedelta(minutes=1)
_WORKER: Final = b"multiprocessing"
_PARENT, _USER, _SYSTEM, _PAGES = 1, 11, 12, 21
"""Places in ``/proc/PID/stat`` after the name (proc(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnUse:
    """Means since ``since``."""

    since: datetime
    cpu_cores: float
    memory_bytes: float


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    cpu_seconds: float
    memory_bytes: int


class OwnMeter:
    """Thread-safe; one for the process."""

    def __init__(self, proc: Path = Path("/proc"), *, pid: int | None = None) -> None:
        """Nothing is read yet; ``proc`` is Linux' own."""
        self._proc, self._pid = proc, os.getpid() if pid is None else pid
        self._ticks, self._page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        self._lock = threading.Lock()
        self._last: dict[int, float] = {}
        self._since: datetime | None = None
        self._at: datetime | None = None
        self._cpu = self._memory = 0.0
        self._looks = 0

    def tick(self, now: datetime) -> None:
        """Look once; nothing where the kernel tells nothing."""
        ours = self._ours()
        with self._lock:
            if self._since is None and ours:
                self._since = now
            elif ours:
                self._cpu += sum(max(0.0, one.cpu_seconds - self._last.get(pid, 0.0)) for pid, one in ours.items())
            if ours:
                self._at, self._looks = now, self._looks + 1
                self._memory += sum(one.memory_bytes for one in ours.values())
                self._last = {pid: one.cpu_seconds for pid, one in ours.items()}

    def use(self) -> OwnUse | None:
        """What was used; None before the second look."""
        with self._lock:
            if self._since is None or self._at is None or self._at <= self._since:
                return None
            passed = (self._at - self._since).total_seconds()
            return OwnUse(since=self._since, cpu_cores=self._cpu / passed, memory_bytes=self._memory / self._looks)

    def _ours(self) -> dict[int, _Process]:
        """Ourselves and workers below us."""
        found = {pid: one for path in self._proc.glob("[0-9]*") if (one := self._read(pid := int(path.name)))}
        ours = {self._pid} & found.keys()
        while more := {pid for pid, one in found.items() if one.parent in ours and pid not in ours
                       and self._is_worker(pid)}:  # fmt: skip
            ours |= more
        return {pid: found[pid] for pid in ours}

    def _read(self, pid: int) -> _Process | None:
        try:
            told = (self._proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None  # it has ended
        fields = told.rpartition(")")[2].split()
        cpu = (int(fields[_USER]) + int(fields[_SYSTEM])) / self._ticks
        return _Process(int(fields[_PARENT]), cpu, int(fields[_PAGES]) * self._page)

    def _is_worker(self, pid: int) -> bool:
        """Python's own way to start one, or a copy of ourselves."""
        try:
            line, own = ((self._proc / str(one) / "cmdline").read_bytes() for one in (pid, self._pid))
        except OSError:
            return False
        return _WORKER in line or line == own
