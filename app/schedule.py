"""Runs the loops: each is a ``tick(now)``, never twice at once, and a tick that was missed is not made up for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Counter

from domain.clock import Clock

log = logging.getLogger(__name__)

Tick = Callable[[datetime], object]


class Schedule:
    """Every loop of this process, on a few threads."""

    def __init__(self, *, clock: Clock, registry: CollectorRegistry, tracer: Tracer) -> None:
        """Nothing runs before ``start``; every tick is a root span of ``tracer``."""
        self._clock, self._tracer = clock, tracer
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
        told = ""

        def run() -> None:
            # A loop that dies in silence is the worst that can happen here: said, counted, tried again. The same
            # failure again is not news: a database that is away must not fill the log.
            nonlocal told
            failure = ""
            try:
                with self._tracer.start_as_current_span(name):
                    tick(self._clock.now())
            except Exception as error:
                failure = repr(error)
                self._failed.labels(name).inc()
                if failure != told:
                    log.exception("a tick failed; the loop goes on", extra={"loop": name})
            if told and not failure:
                log.info("the loop works again", extra={"loop": name})
            told = failure

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
