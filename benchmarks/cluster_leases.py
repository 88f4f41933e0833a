"""How long nobody leads: after a leader that was killed, and after one that gave its Lease back.

Two processes with a candidate for each of many Leases: the leading one ends, the other says when it leads. Every Lease
is one takeover, at its own moment between two renewals.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from benchmarks.program import ROOT
from benchmarks.report import NotMeasuredError

LONGEST_SECONDS: Final = 90.0
LEADING: Final = ("-m", "benchmarks.cluster_child", "lead")
SETTLE_SECONDS: Final = 5.0
"""For the standby to have seen every Lease at least twice: its tries come every 2.4 s at most."""


class Candidates:
    """One process, and when it said that it leads which Lease; ``program`` is what runs in it."""

    def __init__(
        self, kubeconfig: Path, *, namespace: str, leases: int, program: tuple[str, ...] = LEADING
    ) -> None:  # fmt: skip
        self._leases, self._led = leases, queue.SimpleQueue[tuple[int, float, int]]()
        # Two of some fifty candidates died of SIGSEGV on a busy machine, not yet explained: the next one says where.
        command = [sys.executable, "-X", "faulthandler", *program, str(kubeconfig), namespace, str(leases)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def lead_all(self) -> dict[int, tuple[float, int]]:
        """By Lease, when it began to lead and with which epoch; once it leads all of them."""
        found: dict[int, tuple[float, int]] = {}
        until = time.monotonic() + LONGEST_SECONDS
        while len(found) < self._leases:
            try:
                lease, at, epoch = self._led.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                state = "runs" if self._process.poll() is None else f"ended with {self._process.returncode}"
                raise NotMeasuredError(
                    f"{len(found)} of {self._leases} Leases were taken in {LONGEST_SECONDS:g} s; the candidate {state}"
                ) from None
            found[lease] = (at, epoch)
        return found

    def end(self, number: signal.Signals) -> float:
        """Send a signal; when that was."""
        at = time.monotonic()
        self._process.send_signal(number)
        return at

    def gone(self) -> None:
        """After ``end``, or at the end of a measurement."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(30)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            self._led.put((told["lease"], told["at"], told["epoch"]))


def takeovers(kubeconfig: Path, *, namespace: str, leases: int, rounds: int, by: signal.Signals) -> list[float]:
    """Seconds without a leader, ``leases`` × ``rounds`` of them; every takeover must raise the epoch by one."""
    seconds: list[float] = []
    leader = Candidates(kubeconfig, namespace=namespace, leases=leases)
    standby: Candidates | None = None
    try:
        before = leader.lead_all()
        for _ in range(rounds):
            standby = Candidates(kubeconfig, namespace=namespace, leases=leases)
            threading.Event().wait(SETTLE_SECONDS)
            ended_at = leader.end(by)
            after = standby.lead_all()
            leader.gone()
            _check_epochs(before, after)
            seconds += [at - ended_at for at, _ in after.values()]
            leader, standby, before = standby, None, after
    finally:
        for one in (leader, standby):
            if one is not None:
                one.gone()
    return seconds


def _check_epochs(before: dict[int, tuple[float, int]], after: dict[int, tuple[float, int]]) -> None:
    wrong = [lease for lease, (_, epoch) in after.items() if epoch != before[lease][1] + 1]
    if wrong:
        raise NotMeasuredError(
            f"{len(wrong)} takeovers did not raise the epoch by one, such as that of lease-{wrong[0]}"
        )
