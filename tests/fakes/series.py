"""A metric store in memory: an honest ``select`` over a list of series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain.labels import METRIC_NAME, Labels
from domain.series import Series
from store.metrics.matchers import Matcher


class SeriesInMemory:
    """Holds series and selects from them as ``MetricsStore`` does: inclusive ends, stale markers included, sorted."""

    def __init__(self, series: Sequence[Series] = ()) -> None:
        self._series: dict[Labels, Series] = {}
        for one in series:
            self.add(one)

    def add(self, new: Series) -> None:
        """Add samples; a later sample of the same time wins."""
        old = self._series.get(new.labels)
        if old is None:
            self._series[new.labels] = new
            return
        merged = dict(zip(old.timestamps_ms.tolist(), old.values, strict=True))
        merged.update(zip(new.timestamps_ms.tolist(), new.values, strict=True))
        times = np.array(sorted(merged), dtype=np.int64)
        values = np.array([merged[time] for time in times.tolist()])
        self._series[new.labels] = Series(labels=new.labels, timestamps_ms=times, values=values)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        found = []
        for labels in sorted(self._series):
            one = self._series[labels]
            window = slice(*np.searchsorted(one.timestamps_ms, [start_ms, end_ms + 1]))
            if window.start < window.stop and all(m.matches(labels.value_of(m.name)) for m in matchers):
                found.append(Series(labels=labels, timestamps_ms=one.timestamps_ms[window], values=one.values[window]))
        return found

    def series(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[Labels]:
        sets = matcher_sets or [()]
        return sorted({one.labels for matchers in sets for one in self.select(matchers, start_ms, end_ms)})

    def label_names(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[str]:
        return sorted({name for labels in self.series(matcher_sets, start_ms, end_ms) for name, _ in labels})

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        return sorted({labels.value_of(name) for labels in self.series(matcher_sets, start_ms, end_ms)} - {""})


def series(name: str, start_ms: int, step_ms: int, values: Sequence[float], **labels: str) -> Series:
    """A series with evenly spaced samples; ``name`` is its metric name."""
    times = start_ms + step_ms * np.arange(len(values), dtype=np.int64)
    return Series(
        labels=Labels.of({METRIC_NAME: name, **labels}), timestamps_ms=times, values=np.array(values, dtype=np.float64)
    )
