"""From the store's series to instant and range vectors: lookback, staleness, left-open windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from domain.series import IntArray, Series, is_stale
from store.metrics.matchers import Matcher
from store.promql.frame import Frame
from store.promql.results import BoolArray, QueryLimits
from store.promql.windows import RangeVector, Track, blocks

Select: TypeAlias = Callable[[Sequence[Matcher], int, int], list[Series]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The store's ``select`` with the limits that each selection has to keep.

    ``subquery_step_ms`` is the resolution of ``[1h:]``: Prometheus takes its evaluation interval, a minute by default.
    """

    select: Select
    limits: QueryLimits
    lookback_ms: int
    subquery_step_ms: int = 60_000

    def _series(self, matchers: Sequence[Matcher], ends_ms: IntArray, reach_ms: int) -> list[Series]:
        series = self.select(matchers, int(ends_ms.min()) - reach_ms + 1, int(ends_ms.max()))
        self.limits.check_size(len(series), sum(len(one.timestamps_ms) for one in series))
        self.limits.check_size(len(series), len(series) * len(ends_ms))
        return series

    def instant(self, matchers: Sequence[Matcher], ends_ms: IntArray, *, as_times: bool = False) -> Frame:
        """The newest sample in ``(end − lookback, end]`` for each of ``ends_ms``; a stale marker ends a series.

        With ``as_times`` the sample's time in seconds instead of its value, as ``timestamp()`` wants it.
        """
        series = self._series(matchers, ends_ms, self.lookback_ms)
        values = np.full((len(series), len(ends_ms)), np.nan)
        present = np.zeros(values.shape, dtype=np.bool_)
        for block in blocks(series, len(ends_ms)):
            if len(block.timestamps_ms) == 0:
                continue
            newest = np.searchsorted(block.timestamps_ms, ends_ms, side="right") - 1
            index = np.maximum(newest, 0)
            recent = (newest >= 0) & (block.timestamps_ms[index] > ends_ms - self.lookback_ms)
            found = block.values[:, index]
            present[block.rows] = recent & ~is_stale(found)
            values[block.rows] = block.timestamps_ms[index] / 1000 if as_times else found
        return Frame.of([one.labels for one in series], values, present)

    def ranged(self, matchers: Sequence[Matcher], ends_ms: IntArray, steps_ms: IntArray, range_ms: int) -> RangeVector:
        """Every sample in ``(end − range, end]`` for each of ``ends_ms``, without stale markers."""
        series = self._series(matchers, ends_ms, range_ms)
        return RangeVector(
            labels=[one.labels for one in series],
            nameless=np.zeros(len(series), dtype=np.bool_),
            tracks=_without_stale(series),
            ends_ms=ends_ms,
            steps_ms=steps_ms,
            range_ms=range_ms,
        )


def _without_stale(series: Sequence[Series]) -> Sequence[Track | Series]:
    """The series themselves where no marker is in any of them: looked at all at once, 10 times faster for 10,000."""
    if not series or not is_stale(np.concatenate([one.values for one in series])).any():
        return series
    return [_track(one) for one in series]


def _track(series: Series) -> Track:
    stale = is_stale(series.values)
    if not stale.any():
        return Track(timestamps_ms=series.timestamps_ms, values=series.values)
    return Track(timestamps_ms=series.timestamps_ms[~stale], values=series.values[~stale])


def of_subquery(frame: Frame, at_ms: IntArray, ends_ms: IntArray, steps_ms: IntArray, range_ms: int) -> RangeVector:
    """A subquery's results, evaluated ``at_ms``, as samples."""
    full: BoolArray = np.all(frame.present, axis=1)
    tracks = [
        Track(timestamps_ms=at_ms, values=values)
        if complete
        else Track(timestamps_ms=at_ms[there], values=values[there])
        for complete, values, there in zip(full, frame.values, frame.present, strict=True)
    ]
    return RangeVector(
        labels=frame.labels,
        nameless=frame.nameless,
        tracks=tracks,
        ends_ms=ends_ms,
        steps_ms=steps_ms,
        range_ms=range_ms,
    )
