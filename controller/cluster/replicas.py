"""The processes of one local workload, brought towards the number that is wanted: start, restart, stop.

Replica ``<name>-<n>`` has ordinal n; the highest ordinals stop first, as in a StatefulSet. One that ends by itself is
started again after 1, 2, 4 … 30 s; a minute of running makes that count begin anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.cluster.process import Process
from domain.errors import UnavailableError

log = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS: Final = 30.0
SETTLED_SECONDS: Final = 60.0
PROBE_STARTING_SECONDS: Final = 0.5
PROBE_READY_SECONDS: Final = 5.0


@dataclass(slots=True, kw_only=True)
class Slot:
    """One ordinal: its process, if there is one, and how its earlier ones fared. Times are monotonic seconds."""

    process: Process | None = None
    started_at: float = 0.0
    restarts: int = 0
    not_before: float = 0.0
    next_probe: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """A process that was asked to end, and when patience ends."""

    process: Process
    deadline: float


class Replicas:
    """Not thread-safe by itself: the cluster calls it under its lock."""

    def __init__(
        self,
        name: str,
        *,
        desired: int,
        command: tuple[str, ...],
        env: Mapping[str, str],
        ready_path: str,
        stop_grace_seconds: float,
        folder: Path,
    ) -> None:
        self.name, self.desired = name, desired
        self._command, self._env, self._ready_path = command, env, ready_path
        self._grace, self._folder = stop_grace_seconds, folder
        self._slots: dict[int, Slot] = {}
        self._stopping: list[Stopping] = []

    def running(self) -> dict[str, Process]:
        """By pod name: the processes that are wanted and run, ready or not."""
        return {f"{self.name}-{n}": slot.process for n, slot in sorted(self._slots.items()) if slot.process}

    def ready(self) -> dict[str, Process]:
        """By pod name: those that take work."""
        return {pod: process for pod, process in self.running().items() if process.ready}

    def due_for_probe(self, now: float) -> list[Process]:
        """Every half second until ready, then every five; each is given out once."""
        due = []
        for slot in self._slots.values():
            if slot.process is not None and now >= slot.next_probe:
                slot.next_probe = now + (PROBE_READY_SECONDS if slot.process.ready else PROBE_STARTING_SECONDS)
                due.append(slot.process)
        return due

    def converge(self, now: float) -> None:
        """One step towards ``desired``; returns at once."""
        for ordinal in sorted(self._slots, reverse=True):
            if ordinal >= self.desired:
                self._stop(ordinal, now)
        for ordinal in range(self.desired):
            slot = self._slots.setdefault(ordinal, Slot())
            if slot.process is not None and slot.process.exit_code() is not None:
                self._ended(ordinal, slot, slot.process, now)
            if slot.process is None and now >= slot.not_before:
                self._start(ordinal, slot, now)
        self._press(now)

    def stop_all(self, now: float) -> None:
        """Asks every process to end; ``finish`` waits for them."""
        self.desired = 0
        self.converge(now)

    def finish(self, seconds: float) -> None:
        """Waits so long for those that were asked to end, then kills them."""
        for stopping in self._stopping:
            if not stopping.process.wait(max(seconds, 0.0)):
                stopping.process.kill()
                stopping.process.wait(1.0)
        self._stopping = []

    def _start(self, ordinal: int, slot: Slot, now: float) -> None:
        log_file = self._folder / f"{self.name}-{ordinal}.log"
        try:
            slot.process = Process(self._command, env=self._env, ready_path=self._ready_path, log_file=log_file)
        except UnavailableError as error:
            self._back_off(slot, now)
            log.warning("replica did not start", extra={"replica": log_file.stem, "error": str(error)})
            return
        slot.started_at, slot.next_probe = now, now
        log.info("replica started", extra={"replica": log_file.stem, "pid": slot.process.pid})

    def _ended(self, ordinal: int, slot: Slot, process: Process, now: float) -> None:
        """It ended although nobody asked it to."""
        if now - slot.started_at >= SETTLED_SECONDS:
            slot.restarts = 0
        slot.process = None
        process.ask_to_stop()  # closes its life-line
        self._back_off(slot, now)
        fields = {
            "replica": f"{self.name}-{ordinal}", "exit_code": process.exit_code(),
            "last_words": process.last_words(), "restart_in_seconds": slot.not_before - now,
        }  # fmt: skip
        log.warning("replica ended by itself", extra=fields)

    def _back_off(self, slot: Slot, now: float) -> None:
        slot.not_before = now + min(2.0**slot.restarts, LONGEST_BACKOFF_SECONDS)
        slot.restarts = min(slot.restarts + 1, 10)

    def _stop(self, ordinal: int, now: float) -> None:
        process = self._slots.pop(ordinal).process
        if process is None:
            return
        process.ready = False
        process.ask_to_stop()
        self._stopping.append(Stopping(process=process, deadline=now + self._grace))
        log.info("replica stopping", extra={"replica": f"{self.name}-{ordinal}", "pid": process.pid})

    def _press(self, now: float) -> None:
        """Kills those whose grace is over, forgets those that are gone."""
        for stopping in self._stopping:
            if now >= stopping.deadline:
                stopping.process.kill()
        self._stopping = [one for one in self._stopping if one.process.exit_code() is None]
