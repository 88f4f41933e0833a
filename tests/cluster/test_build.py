"""Building the cluster's programs: once, whole or not at all, and with a sentence where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cluster.build import BUILT

ROOT = Path(__file__).parents[2]
GO = """#!/bin/sh
# Builds nothing, slowly enough for two to meet, and writes down what it was asked.
if [ "$1" = env ]; then echo "${GO_SAYS:-go1.26.8}"; exit; fi
echo build >> "$GO_ASKED"
/bin/sleep 0.05
[ -z "$GO_FAILS" ] || { echo "no such package" >&2; exit 1; }
while [ "$1" != -o ]; do shift; done
echo program > "$2"
"""


class Machine:
    """A machine with a Go of ours and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.asked, self.cache, self._bin = folder / "asked", folder / "cache", folder / "bin"
        self._bin.mkdir()

    def with_go(self) -> Machine:
        (self._bin / "go").write_text(GO)
        (self._bin / "go").chmod(0o755)
        return self

    def start(self, **variables: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("CI", "FORETIDE_TEST_KUBECONFIG")}
        ours: Mapping[str, str] = {
            "PATH": str(self._bin), "XDG_CACHE_HOME": str(self.cache), "GO_ASKED": str(self.asked),
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.build"], cwd=ROOT, env={**kept, **ours, **variables}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def builds(self) -> int:
        return len(self.asked.read_text().splitlines()) if self.asked.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, failed = process.communicate(timeout=60)
    return process.returncode, said + failed


def test_two_callers_get_one_build(machine: Machine) -> None:
    machine.with_go()
    both = [machine.start(), machine.start()]
    assert [ended(one)[0] for one in both] == [0, 0]
    assert machine.builds() == sum(len(tool.programs) for tool in BUILT)
    code, said = ended(machine.start())
    assert (code, said) == (0, "")


def test_a_build_says_that_the_first_time_takes_minutes(machine: Machine) -> None:
    _, said = ended(machine.with_go().start())
    assert "the first time takes minutes" in said


def test_a_failed_build_leaves_nothing_behind(machine: Machine) -> None:
    code, said = ended(machine.with_go().start(CI="true", GO_FAILS="yes"))
    assert code == 1
    assert "no such package" in said
    assert [one.name for one in (machine.cache / "foretide/cluster").iterdir()] == ["lock"]


@pytest.mark.parametrize("says", ["", "go1.21.4"])
def test_without_a_go_that_is_new_enough_it_says_what_is_left_out(machine: Machine, says: str) -> None:
    if says:
        machine.with_go()
    code, said = ended(machine.start(GO_SAYS=says))
    assert code == 0
    assert "Go 1.26.0 or newer is needed" in said
    assert "are left out" in said


def test_in_ci_a_missing_go_is_an_error(machine: Machine) -> None:
    code, said = ended(machine.start(CI="true"))
    assert code == 1
    assert "Go 1.26.0 or newer is needed" in said


def test_a_cluster_of_the_users_own_needs_no_build(machine: Machine) -> None:
    code, said = ended(machine.with_go().start(FORETIDE_TEST_KUBECONFIG="/somewhere/config"))
    assert code == 0
    assert "FORETIDE_TEST_KUBECONFIG" in said
    assert machine.builds() == 0
