"""How much the shop's customers want: a day of 24 minutes, a week of seven of them, and now and then a burst.

Everything follows from the time alone, anchored at the epoch, so that the edge, the history and a restart agree.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Final

import numpy as np

from domain.labels import METRIC_NAME, Labels
from domain.names import GENERATED, INSTANCE, JOB
from domain.series import FloatArray, IntArray, Series

DAY_SECONDS: Final = 1440
NIGHT_RATE: Final = 6.0
BUMPS: Final = ((10.5, 2.2, 30.0), (15.0, 2.0, 18.0), (19.5, 2.5, 35.0))
"""Hour, width in hours and requests/s of morning, afternoon and evening; 36, 26 and 41 with the night's rate."""
WEEK: Final = (0.97, 0.98, 1.0, 1.0, 1.0, 0.85, 0.8)
BURST_SHARE: Final = 0.5
"""Share of days with a burst."""
BURST_RAMP_SECONDS: Final = 10.0

EDGE_BUCKETS: Final = (0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0)
_SHARES: Final = (0.0, 0.21, 0.37, 0.19, 0.19, 0.04, 0.0, 0.0, 0.0, 0.0)
"""Share of requests in each bucket and above the last, as measured at the edge at 10 requests/s per replica."""
_MIDDLES: Final = (0.02, 0.044, 0.062, 0.088, 0.12, 0.18, 0.34, 0.7, 1.4, 2.0)
"""Seconds that a request of the bucket takes on average; for the sum."""


def rate(t: float) -> float:
    """Requests per second that customers send at ``t`` (seconds since the epoch)."""
    day, second = divmod(t, DAY_SECONDS)
    hour = second / DAY_SECONDS * 24
    bumps = sum(height * math.exp(-(((hour - at) / width) ** 2)) for at, width, height in BUMPS)
    return (NIGHT_RATE + bumps) * WEEK[int(day) % 7] * _burst_factor(int(day), second)


def burst_of(day: int) -> tuple[float, float, float] | None:
    """Start (second of the day), length in seconds and factor of a day's burst; None on days without one."""
    dice = random.Random(day)
    if dice.random() >= BURST_SHARE:
        return None
    return dice.uniform(8 / 24, 21 / 24) * DAY_SECONDS, dice.uniform(60, 90), dice.uniform(1.4, 1.8)


_burst_of_day = lru_cache(maxsize=8)(burst_of)


def _burst_factor(day: int, second: float) -> float:
    burst = _burst_of_day(day)
    if burst is None:
        return 1.0
    start, length, factor = burst
    inside = min(second - start, start + length - second)
    return 1.0 + (factor - 1.0) * min(max(inside / BURST_RAMP_SECONDS, 0.0), 1.0)


def history(end: datetime, *, days: int = 21, step_seconds: int = 5) -> Iterable[Series]:
    """Counters as the edge would have left them over the last demo days, marked as generated.

    Args:
        end: The last step is the last multiple of ``step_seconds`` that is not after it.
        days: Demo days of 24 minutes.
        step_seconds: Distance of two samples.

    Returns:
        ``edge_requests_total{code="200"}`` and the ``_bucket``, ``_sum`` and ``_count`` of
        ``edge_request_duration_seconds``, whole numbers with Poisson noise, all starting at 0.
    """
    last = int(end.timestamp()) // step_seconds
    steps = np.arange(last - days * DAY_SECONDS // step_seconds, last + 1, dtype=np.int64)
    timestamps_ms: IntArray = steps * step_seconds * 1000
    rates = np.array([rate(float(step * step_seconds)) for step in steps[1:]])
    dice = np.random.default_rng(int(steps[0]))
    # Poisson counts split by fixed shares are Poisson again: one draw gives the requests and their durations.
    requests = dice.poisson(rates[:, None] * step_seconds * np.asarray(_SHARES))
    by_bucket = np.vstack([np.zeros(len(_SHARES)), requests.cumsum(axis=0)])
    return _series(timestamps_ms, by_bucket)


def _series(timestamps_ms: IntArray, by_bucket: FloatArray) -> Iterator[Series]:
    total: FloatArray = by_bucket.sum(axis=1)
    name = "edge_request_duration_seconds"
    yield _one(timestamps_ms, total, "edge_requests_total", code="200")
    yield _one(timestamps_ms, total, f"{name}_count")
    yield _one(timestamps_ms, by_bucket @ np.asarray(_MIDDLES), f"{name}_sum")
    cumulative = by_bucket.cumsum(axis=1)
    for column, bound in enumerate((*EDGE_BUCKETS, math.inf)):
        le = "+Inf" if math.isinf(bound) else str(bound)
        yield _one(timestamps_ms, cumulative[:, column], f"{name}_bucket", le=le)


def _one(timestamps_ms: IntArray, values: FloatArray, name: str, **labels: str) -> Series:
    own = {METRIC_NAME: name, "service": "shop", JOB: "edge", INSTANCE: "history", GENERATED: "true"}
    return Series(labels=Labels.of(own, **labels), timestamps_ms=timestamps_ms, values=np.ascontiguousarray(values))
