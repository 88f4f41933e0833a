"""A program of the cluster: its last words when it ends too early, and its end when the tests are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cluster.programs import Program
from tests.e2e.program import until

ROOT = Path(__file__).parents[2]
STARTER = """
import sys
from pathlib import Path
from tests.cluster.programs import Program
program = Program("sleeper", ["sleep", "600"], folder=Path(sys.argv[1]), ready=lambda: True)
program.start()
print(program.pid, flush=True)
sys.stdin.read()
"""


def test_a_program_that_ends_before_it_is_ready_says_its_last_words(tmp_path: Path) -> None:
    program = Program("speaker", ["sh", "-c", "echo no such flag"], folder=tmp_path, ready=lambda: False)
    program.start()
    with pytest.raises(AssertionError, match="(?s)speaker ended.*no such flag"):
        program.wait_ready()
    program.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_program_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert tests.stdout
    assert tests.stdin
    with tests.stdout, tests.stdin:
        pid = int(tests.stdout.readline())
        assert psutil.pid_exists(pid)
        tests.kill()
        tests.wait(10)
        until("it is gone", lambda: not _runs(pid), seconds=10)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
