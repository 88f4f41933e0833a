"""Series in memory that become visible as time goes: what a story wrote down, and what its rules wrote."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np

from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray, Series
from store.metrics.matchers import Matcher


class MemorySeries:
    """Answers ``select``; nothing after ``until_ms`` is there yet."""

    def __init__(self, given: Iterable[tuple[Labels, Sequence[int], Sequence[float]]]) -> None:
        """Begin with what was given; of two histories of one series the later one is put behind."""
        self.until_ms = 0
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}
        self._by_name: dict[str, list[Labels]] = {}
        for labels, times, values in given:
            for time_ms, value in zip(times, values, strict=True):
                self._add(labels, time_ms, value)

    def _add(self, labels: Labels, time_ms: int, value: float) -> None:
        if labels not in self._series:
            self._series[labels] = ([], [])
            self._by_name.setdefault(labels.metric_name, []).append(labels)
        times, values = self._series[labels]
        at = bisect_left(times, time_ms)
        if at == len(times) or times[at] != time_ms:  # of two at the same time the first stays
            times.insert(at, time_ms)
            values.insert(at, value)

    def append(self, series: list[Labels], timestamp_ms: int, values: FloatArray) -> None:
        """Take what a rule writes."""
        for labels, value in zip(series, values, strict=True):
            self._add(labels, timestamp_ms, float(value))

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        """Histories from start to end, both included, sorted by labels."""
        end_ms = min(end_ms, self.until_ms)
        found = []
        for labels in self._candidates(matchers):
            times, values = self._series[labels]
            first, last = bisect_left(times, start_ms), bisect_right(times, end_ms)
            if first < last and all(matcher.matches(labels.value_of(matcher.name)) for matcher in matchers):
                found.append(_series(labels, times[first:last], values[first:last]))
        return sorted(found, key=lambda series: series.labels)

    def _candidates(self, matchers: Sequence[Matcher]) -> Iterable[Labels]:
        names = [matcher.value for matcher in matchers if matcher.name == METRIC_NAME and matcher.op == "="]
        return self._by_name.get(names[0], []) if names else list(self._series)


def _series(labels: Labels, times: list[int], values: list[float]) -> Series:
    return Series(
        labels=labels, timestamps_ms=np.array(times, dtype=np.int64), values=np.array(values, dtype=np.float64)
    )
