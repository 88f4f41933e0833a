"""A whole Foretide whose passes are made one by one, in a process of its own, so that its CPU is told apart.

``python -m benchmarks.cluster_pass_child FOLDER FLEET`` (FLEET: namespace, names and more, as JSON) prints JSON lines.
Everything in it is the program's own: settings, watches, Lease, store, PromQL, reconciler, ledger, writers. Only the
loads are put straight into its store, in place of a scrape, and its calendar is moved on by hand: what is told to last
(stamps, windows, ramps) goes by that, while Lease, watches and rates go by real seconds.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.kubernetes_parts import KubernetesParts
from app.settings import read_settings
from app.wiring import House
from domain.clock import to_ms
from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray

TICK: Final = timedelta(seconds=15)
CHANGED: Final = 200
QUIET: Final = 20
"""Passes with moving metrics and no changed decision."""
_LONGEST_SECONDS: Final = 120.0
_BASE_LOAD: Final = 15.0
"""2 replicas of 10 each, with room to move."""
_HIGH_LOAD: Final = 36.0
_POLL: Final = threading.Event()


class Calendar:
    """A clock whose dates are moved by hand and whose seconds are real."""

    def __init__(self) -> None:
        self._now = datetime.now(tz=UTC).replace(microsecond=0)

    def now(self) -> datetime:
        """As it was moved last."""
        return self._now

    def monotonic(self) -> float:
        """The machine's."""
        return time.monotonic()

    def advance(self, duration: timedelta) -> datetime:
        """Later."""
        self._now += duration
        return self._now


class Program:
    """Foretide, leading from the beginning."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=folder)
        settings.data_dir.mkdir(exist_ok=True)
        self.clock = Calendar()
        self.house = House(settings, clock=self.clock, version="9", base_url="http://127.0.0.1:1", environment={})
        assert self.house._kubernetes is not None
        self.parts: KubernetesParts = self.house._kubernetes
        self._labels = tuple(Labels.of({METRIC_NAME: "load", "rule": name}) for name in names)
        self.house.prepare()
        wait_until(self.parts.elector.leading, "it leads")
        wait_until(lambda: self.parts._view.wait_synced(0.0), "every kind is listed")
        if self.parts.objects is not None:
            wait_until(lambda: self.parts.objects is not None and self.parts.objects.known, "the documents are read")
        self.house._poll_rules(self.clock.now())
        if len(self.house.running_rules().rules) != len(names):
            raise SystemExit(f"{len(self.house.running_rules().rules)} rules run: {self.house.rules.mistakes[:1]}")

    def tick(self, loads: FloatArray) -> None:
        """A quarter of a minute later."""
        now = self.clock.advance(TICK)
        self.house.metrics.append(self._labels, to_ms(now), loads)
        self.house._poll_rules(now)
        self.house.decide(now)
        if self.house._statuses is not None:
            self.house._statuses.tick(now)

    def settle(self) -> None:
        """Until every event is told and the watches have brought back what was written."""
        wait_until(self.parts._events._waiting.empty, "events are told")
        revisions: list[int] = []
        for _ in range(50):
            revisions.append(self.parts._view._hpas.revision)
            if len(revisions) > 3 and len(set(revisions[-4:])) == 1:
                return
            _POLL.wait(0.02)


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Ends the process where it does not come true."""
    until = time.monotonic() + _LONGEST_SECONDS
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"not within {_LONGEST_SECONDS:g} s: {what}")
        _POLL.wait(0.01)


def one_pass(folder: Path, names: Sequence[str]) -> None:
    """Passes at rest, one with 200 changes, one with nothing new, and some with metrics that move for nothing."""
    program, loads = Program(folder, names), np.full(len(names), _BASE_LOAD)
    for _ in range(2):
        program.tick(loads)
    program.settle()
    loads[:CHANGED] = _HIGH_LOAD
    with Told("pass"):
        program.tick(loads)
    program.settle()
    rest(program, loads)
    program.house.close()


def rest(program: Program, loads: FloatArray) -> None:
    """A pass with nothing new, and some whose metrics move; until then what the last change began has ended."""
    for _ in range(4):
        program.tick(loads)
        program.settle()
    with Told("second"):
        program.tick(loads)
        program.settle()
    noise = np.random.default_rng(7)
    with Told("quiet"):
        for _ in range(QUIET):
            program.tick(loads + noise.uniform(-1.0, 1.0, len(loads)))
        program.settle()


class Told:
    """Prints when something began and ended, by the clock on the wall, and what it cost this process."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._since, self._began, self._cpu = datetime.now(tz=UTC), time.monotonic(), time.process_time()

    def __exit__(self, *exception: object) -> None:
        say(
            what=self._what, since=self._since.isoformat(), until=datetime.now(tz=UTC).isoformat(),
            seconds=time.monotonic() - self._began, cpu_seconds=time.process_time() - self._cpu,
        )  # fmt: skip


def say(**told: object) -> None:
    """One line for the parent."""
    print(json.dumps(told), flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run it; the exit code."""
    folder, told = arguments
    given: Mapping[str, Any] = json.loads(told)
    one_pass(Path(folder), given["names"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
