"""Alerts as series: 1 from the moment one fires until it is resolved, written again every minute in between.

A delivery is acknowledged when its samples are on the disk. What is open is read back from there after a restart.
"""

from __future__ import annotations

import threading
from collections import Counter as Counts
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.alerts_in.message import RECEIVED, Key, Message
from domain.clock import Clock, to_ms
from domain.errors import OverloadedError
from domain.labels import METRIC_NAME, Labels
from domain.series import STALE_NAN, is_stale
from store.metrics import Matcher, MetricsStore

WRITE_EVERY: Final = timedelta(minutes=1)
"""A query looks back five."""
LOOKED_BACK: Final = timedelta(minutes=5)
FORGOTTEN_AFTER: Final = timedelta(hours=12)
"""An open alert that nobody told of for so long is over: Alertmanager repeats every 4 h by default, and may be gone."""
MOST_OPEN: Final = 50_000
MOST_ENDED: Final = 100_000
"""Ends that are remembered, so that a late repetition opens nothing again: ten minutes of 10,000 a minute."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """One alert that fires."""

    series: Labels
    heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a delivery; ``done`` when it is on the disk."""

    new: int
    ended: int
    known: int
    done: Future[int]


class AlertIntake:
    """What is open now; thread-safe."""

    def __init__(
        self, store: MetricsStore, *, clock: Clock, registry: CollectorRegistry, most_open: int = MOST_OPEN
    ) -> None:
        """Read back what was open before a restart."""
        self._store, self._clock, self._most_open = store, clock, most_open
        self._lock = threading.Lock()
        self._open: dict[Key, _Open] = {}
        self._of = Counts[Labels]()
        self._ended: OrderedDict[Key, None] = OrderedDict()
        self._before: dict[Labels, datetime] = {}
        self._written_ms = 0
        self._counted = Counter(
            "foretide_collector_alerts", "Alerts received, by what became of them.", ["result"], registry=registry
        )
        self._truncated = Counter(
            "foretide_collector_alerts_truncated", "Alerts that the sender left out (truncatedAlerts).",
            registry=registry,
        )  # fmt: skip
        gauge = Gauge("foretide_collector_alerts_open", "Received alerts that fire.", registry=registry)
        gauge.set_function(lambda: len(self._open) + len(self._before))
        self._read_back()

    def take(self, message: Message) -> Taken:
        """Take a delivery; the same again changes nothing, and is acknowledged like the first.

        Raises:
            OverloadedError: Too many are open, or the store's queue is full; nothing was taken, it is to be sent again.
        """
        with self._lock:
            now = self._clock.now()
            firing, resolved = self._sorted(message)
            new, ended = firing.keys() - self._open.keys(), resolved.keys() - self._ended.keys()
            if len(self._open) + len(new) > self._most_open:
                raise OverloadedError(f"{len(self._open)} received alerts fire already, {self._most_open} may")
            done = self._write(self._rows(firing, resolved), now)
            self._remember(firing, resolved, now)
        known = len(message.alerts) - len(new) - len(ended)
        for result, count in (("firing", len(new)), ("resolved", len(ended)), ("known", known)):
            self._counted.labels(result).inc(count)
        self._truncated.inc(message.truncated_alerts)
        return Taken(new=len(new), ended=len(ended), known=known, done=done)

    def _sorted(self, message: Message) -> tuple[dict[Key, Labels], dict[Key, Labels]]:
        """What fires and what is resolved; who has ended once, also before we knew that it fired, fires no more."""
        firing: dict[Key, Labels] = {}
        resolved: dict[Key, Labels] = {}
        for alert in message.alerts:
            key = message.key_of(alert)
            if alert.status == "resolved":
                resolved[key] = alert.series
            elif key not in self._ended:
                firing[key] = alert.series
        return {key: series for key, series in firing.items() if key not in resolved}, resolved

    def _rows(self, firing: dict[Key, Labels], resolved: dict[Key, Labels]) -> dict[Labels, float]:
        """The samples: two groups may hold one alert, and it is over when it is in both."""
        less = Counts(self._open[key].series for key in resolved if key in self._open)
        over = {series for series in resolved.values() if self._of[series] <= less[series]}
        return {**dict.fromkeys(over, STALE_NAN), **dict.fromkeys(firing.values(), 1.0)}

    def _remember(self, firing: dict[Key, Labels], resolved: dict[Key, Labels], now: datetime) -> None:
        for key, series in firing.items():
            self._of[series] += key not in self._open
            self._open[key] = _Open(series=series, heard_at=now)
            self._before.pop(series, None)
        for key, series in resolved.items():
            self._close(key)
            self._before.pop(series, None)
            self._ended[key] = None
        while len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)

    def _close(self, key: Key) -> None:
        one = self._open.pop(key, None)
        if one is not None:
            self._of[one.series] -= 1
            if not self._of[one.series]:
                del self._of[one.series]

    def tick(self, now: datetime) -> None:
        """Write what is open again, and end what nobody has told of for long."""
        with self._lock:
            silent = {key: one.series for key, one in self._open.items() if now - one.heard_at > FORGOTTEN_AFTER}
            for key in silent:
                self._close(key)
            old = {series for series, since in self._before.items() if now - since > FORGOTTEN_AFTER}
            self._before = {series: since for series, since in self._before.items() if series not in old}
            open_, ended = {*self._of, *self._before}, {*silent.values(), *old}
            rows = dict.fromkeys(open_, 1.0) | dict.fromkeys(ended - open_, STALE_NAN)
            if rows:
                self._store.append(list(rows), self._next_ms(now), np.array(list(rows.values())))

    def _write(self, rows: dict[Labels, float], now: datetime) -> Future[int]:
        row = (list(rows), self._next_ms(now), np.array(list(rows.values())))
        return self._store.append_durably([row])

    def _next_ms(self, now: datetime) -> int:
        """Two deliveries within a millisecond must not stand at the same one: the store would keep the first."""
        self._written_ms = max(to_ms(now), self._written_ms + 1)
        return self._written_ms

    def _read_back(self) -> None:
        """What the last five minutes left open; its keys are not known, its labels are."""
        now = self._clock.now()
        matcher = Matcher(name=METRIC_NAME, op="=", value=RECEIVED)
        for series in self._store.select([matcher], to_ms(now - LOOKED_BACK), to_ms(now)):
            if len(series.values) and not bool(is_stale(series.values[-1:])[0]):
                self._before[series.labels] = now
