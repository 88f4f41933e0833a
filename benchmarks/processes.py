"""CPU time and memory of a process and everything below it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a tree of processes used over a stretch of time."""

    seconds: float
    cpu_seconds: float
    peak_pss_bytes: int
    peak_processes: int

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu_seconds / self.seconds


def watch(root: psutil.Process, *, seconds: float, every_seconds: float = 0.5) -> Usage:
    """Look at ``root`` and its descendants for a while; NoSuchProcess when ``root`` ends before.

    Half a second apart, because a process that fits a reference lives for two or three.
    """
    pause = threading.Event()
    began, cpu = time.monotonic(), cpu_seconds(root)
    pss = count = 0
    while (passed := time.monotonic() - began) < seconds:
        tree = [root, *root.children(recursive=True)]
        pss, count = max(pss, sum(pss_bytes(one) for one in tree)), max(count, len(tree))
        pause.wait(min(every_seconds, seconds - passed))
    return Usage(seconds=passed, cpu_seconds=cpu_seconds(root) - cpu, peak_pss_bytes=pss, peak_processes=count)


def cpu_seconds(root: psutil.Process) -> float:
    """User and system time so far, of processes that have ended and were waited for, too."""
    return sum(_times(one) for one in [root, *root.children(recursive=True)])


def _times(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0  # its parent has its time by now


def pss_bytes(process: psutil.Process) -> int:
    """Proportional set size: of a page that n processes share, each has the nth part. 0 for one that has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for name, value in _rollup(process.pid):
            if name == "Pss":
                return value
    return 0


def _rollup(pid: int) -> Iterator[tuple[str, int]]:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        yield name, int(value.split()[0]) * 1024
