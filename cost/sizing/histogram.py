"""A histogram that forgets: each sample weighs twice as much as one that is a half-life older.

Old weights are not made smaller, new ones are made larger; once they would be 2^100 times too large, all weights are
scaled back. What then weighs less than the buckets' epsilon counts as gone, exactly as in the original.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cost.sizing.buckets import Buckets

Floats = NDArray[np.float64]
_MOST_EXPONENT: Final = 100
_YEAR_ONE: Final = 62_135_596_800
"""Seconds from the year 1 to 1970: the original rounds instants to multiples of the half-life since then."""


class Histogram:
    """Weights per bucket.

    Args:
        buckets: Where they begin.
        half_life_seconds: After which a sample weighs half; None forgets nothing.

    Source:
        kubernetes/autoscaler, vertical-pod-autoscaler, recommender/util/histogram.go and decaying_histogram.go.
    """

    __slots__ = ("_buckets", "_half_life", "_highest", "_lowest", "_reference", "_total", "_weights")

    def __init__(self, buckets: Buckets, *, half_life_seconds: float | None = None) -> None:
        self._buckets = buckets
        self._half_life = half_life_seconds
        self._reference: float | None = None
        self._weights = np.zeros(buckets.count)
        self._total = 0.0
        self._lowest, self._highest = buckets.count - 1, 0

    def add(self, values: Floats, weights: Floats, times: Floats) -> None:
        """Add samples in this order; ``times`` in seconds since 1970, shape of all three ``(samples,)``."""
        if self._half_life is None:
            self._added(values, weights)
            return
        begin = 0
        while begin < len(times):
            if self._reference is None or times[begin] > self._reference + _MOST_EXPONENT * self._half_life:
                self._shift(float(times[begin]))
            late = times[begin:] > self._latest()
            end = begin + int(late.argmax()) if late.any() else len(times)
            end = max(end, begin + 1)
            scaled = weights[begin:end] * np.exp2((times[begin:end] - self._since()) / self._half_life)
            self._added(values[begin:end], scaled)
            begin = end

    def subtract(self, value: float, weight: float, time: float) -> None:
        """Take one sample out again; what is left below epsilon is nothing."""
        if self._half_life is not None:
            if self._reference is None or time > self._latest():
                self._shift(time)
            weight *= math.exp2((time - self._since()) / self._half_life)
        bucket = int(self._buckets.find(np.array([value]))[0])
        self._total = self._less(self._total, weight)
        self._weights[bucket] = self._less(float(self._weights[bucket]), weight)
        self._narrowed()

    def percentile(self, level: float) -> float:
        """The end of the bucket below which ``level`` of the weight lies (0–1); of the last its start; empty 0."""
        if self.empty:
            return 0.0
        sums = np.cumsum(self._weights[self._lowest : self._highest])
        reached = sums >= level * self._total
        bucket = self._lowest + int(reached.argmax()) if reached.any() else self._highest
        return self._buckets.start(min(bucket + 1, self._buckets.count - 1))

    @property
    def empty(self) -> bool:
        """Whether nothing in it weighs anything."""
        return bool(self._weights[self._lowest] < self._buckets.epsilon)

    def _added(self, values: Floats, weights: Floats) -> None:
        found = self._buckets.find(values)
        np.add.at(self._weights, found, weights)
        self._total = float(np.cumsum(np.concatenate(([self._total], weights)))[-1])
        heavy = found[self._weights[found] >= self._buckets.epsilon]
        if len(heavy):
            self._lowest = min(self._lowest, int(heavy.min()))
            self._highest = max(self._highest, int(heavy.max()))

    def _since(self) -> float:
        return self._reference or 0.0

    def _latest(self) -> float:
        return self._since() + _MOST_EXPONENT * (self._half_life or 0.0)

    def _shift(self, time: float) -> None:
        half_life = self._half_life or 1.0
        rounded = math.floor((time + _YEAR_ONE) / half_life + 0.5) * half_life - _YEAR_ONE
        if self._reference is not None:
            factor = math.ldexp(1.0, round((self._reference - rounded) / half_life))
            self._weights *= factor
            self._total *= factor
            self._narrowed()
        self._reference = rounded

    def _less(self, value: float, weight: float) -> float:
        left = value - weight
        return 0.0 if left < self._buckets.epsilon else left

    def _narrowed(self) -> None:
        heavy = np.flatnonzero(self._weights >= self._buckets.epsilon)
        self._lowest = int(heavy[0]) if len(heavy) else self._buckets.count - 1
        self._highest = int(heavy[-1]) if len(heavy) else 0
