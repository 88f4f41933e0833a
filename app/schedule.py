"""Runs the loops: each is a ``tick(now)``, never twice at once, and a tick that was missed is not made up for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from prometheus_client import CollectorRegistry, Counter

from domain.clock import Clock

log = logging.getLogger(__name__)

Tick = Callable[[datetime], object]


class Schedule:
    """Every loop of this process, on a few threads."""

    def __init__(self, *, clock: Clock, registry: CollectorRegistry) -> None:
        """Nothing runs before ``start``."""
        self._clock = clock
        # Seven loops, of which one or two are ever busy at a time.
        executors = {"default": ThreadPoolExecutor(max_workers=6)}
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(executors=executors, job_defaults=defaults, timezone="UTC")
        self._failed = Counter(
            "foretide_loop_failures_total", "Ticks of a loop that ended in an exception.", ["loop"], registry=registry
        )

    def every(self, interval: timedelta, name: str, tick: Tick, *, first_after: timedelta = timedelta()) -> None:
        """Call ``tick(now)`` each ``interval``, for the first time ``first_after`` from now."""
        self._failed.labels(name)
        first = self._clock.now() + first_after

        def run() -> None:
            try:
                tick(self._clock.now())
            except Exception:
                # A loop that dies in silence is the worst that can happen here: said, counted, tried again.
                self._failed.labels(name).inc()
                log.exception("a tick failed; the loop goes on", extra={"loop": name})

        trigger = IntervalTrigger(seconds=interval.total_seconds(), start_date=first)
        self._scheduler.add_job(run, trigger, id=name, next_run_time=first)

    @property
    def running(self) -> bool:
        """Whether the loops run."""
        return bool(self._scheduler.running)

    def start(self) -> None:
        """Start every loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop: nothing new begins, and the ticks under way are waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
