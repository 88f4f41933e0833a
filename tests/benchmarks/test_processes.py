"""CPU and memory of real processes, children included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks.processes import MIB, cpu_seconds, pss_bytes, watch

BURN = """
import subprocess, sys, time
until = float(sys.argv[1])
while time.process_time() < until:
    pass
if sys.argv[2:]:
    subprocess.run([sys.executable, '-S', '-c', sys.argv[2]])
print('done', flush=True)
sys.stdin.read()
"""


@contextmanager
def burnt(*arguments: str) -> Iterator[psutil.Process]:
    """A process that has used so many seconds of CPU, and now waits."""
    command = [sys.executable, "-S", "-c", BURN, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "done\n"
        yield psutil.Process(child.pid)


def test_time_of_a_child_that_has_ended_counts() -> None:
    once = "import time\nwhile time.process_time() < 0.2: pass"
    with burnt("0.2") as alone, burnt("0.2", once) as parent:
        assert 0.18 <= cpu_seconds(alone) < 0.35
        assert 0.36 <= cpu_seconds(parent) < 0.75


def test_memory_is_counted_for_the_whole_tree() -> None:
    with burnt("0") as process:
        usage = watch(process, seconds=0.2, every_seconds=0.05)
        assert 1 * MIB < pss_bytes(process) <= usage.peak_pss_bytes < 100 * MIB
        assert usage.peak_processes == 1
        assert usage.cpu_percent < 50
        assert usage.seconds >= 0.2


def test_a_process_that_is_gone_has_no_memory() -> None:
    with burnt("0") as process:
        pass
    assert pss_bytes(process) == 0
