"""What is known at one moment about a later one: the features of the quantile regression, for many series at once.

A window ends before step ``t`` and asks about step ``t + ahead − 1``. Everything is said relative to the last value and
in units of the last season's spread, so that one set of coefficients fits calm and busy hours, small and large series.
``Windows`` answers for thousands of moments of a history (running sums); ``Newest`` for its end only, from a few reads.
A test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from domain.series import FloatArray, IntArray

SMOOTH: Final = 2
"""Yesterday's value is read ± this many steps: its own noise is not repeated, its exact minute is a feature apart."""
AROUND: Final = 6
"""The largest value near the same time yesterday is looked for ± this many steps: peaks come half an hour off."""
DAYS: Final = 7
"""Seasons in a profile."""
FARTHEST: Final = 8.0
"""A feature beyond so many spreads counts as that many: a spike of 1,000 spreads would own the fit."""
FLOOR: Final = 0.02
"""Least spread of a window, in spreads of the whole history: a flat night must not divide by nothing."""


_AROUND_SMOOTH: Final = np.arange(-SMOOTH, SMOOTH + 1)[:, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Window lengths in steps for one season length, from a few steps up to the season."""

    season: int

    @property
    def hour(self) -> int:
        """A 24th of the season: jobs that start each hour are the commonest second rhythm of a day."""
        return max(2, round(self.season / 24))

    @property
    def means(self) -> tuple[int, ...]:
        """Trailing means."""
        return 3, 6, 12, self.season // 8, self.season // 2, self.season

    @property
    def peaks(self) -> tuple[int, ...]:
        """Trailing maxima."""
        return 6, 12, self.season // 8, self.season // 2

    @property
    def volatilities(self) -> tuple[int, ...]:
        """Mean absolute steps."""
        return 12, self.season // 8, self.season

    def needed(self, ahead: int) -> int:
        """Steps that must lie before ``t``: as many whole seasons as the horizon begins, and the smoothing."""
        return self.back(ahead) + SMOOTH + AROUND

    def lookback(self, ahead: int) -> int:
        """Steps before ``t`` that any feature reads: the profile of the oldest like, smoothed."""
        return self.back(ahead) + (DAYS - 1) * self.season + SMOOTH + AROUND

    def back(self, ahead: int) -> int:
        """The whole seasons between the step asked about and its newest known like."""
        return -(-ahead // self.season) * self.season


class Reads(Protocol):
    """What the features are made of, at windows ``t`` or steps ``at``, shape ``(series, n)``."""

    lengths: Lengths
    spread: FloatArray

    def value(self, at: IntArray) -> FloatArray:
        """The steps themselves."""
        ...

    def smooth(self, at: IntArray) -> FloatArray:
        """Means of the steps around ``at``."""
        ...

    def nearby_peak(self, at: IntArray) -> FloatArray:
        """Largest step around ``at``."""
        ...

    def profile(self, at: IntArray) -> FloatArray:
        """Mean of the smoothed steps a season apart, back from ``at``."""
        ...

    def exact_profile(self, at: IntArray) -> FloatArray:
        """The same of the steps themselves."""
        ...

    def hours(self, at: IntArray, count: int) -> FloatArray:
        """Mean of ``count`` steps an hour apart, back from ``at``."""
        ...

    def mean(self, t: IntArray, length: int) -> FloatArray:
        """Mean of the last ``length`` steps before ``t``."""
        ...

    def peak(self, t: IntArray, length: int) -> FloatArray:
        """Their maximum."""
        ...

    def trough(self, t: IntArray, length: int) -> FloatArray:
        """Their minimum."""
        ...

    def step_size(self, t: IntArray, length: int) -> FloatArray:
        """Their mean absolute change."""
        ...

    def deviation(self, t: IntArray, length: int) -> FloatArray:
        """Their standard deviation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One row per window.

    Attributes:
        rows: Shape ``(series, n, columns)``, the last column 1.
        centre: What the rows are relative to, the last value, shape ``(series, n)``.
        scale: What they are divided by, > 0, same shape.
    """

    rows: FloatArray
    centre: FloatArray
    scale: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The part of the features that depends on the window alone, for reuse by every horizon."""

    t: IntArray
    centre: FloatArray
    scale: FloatArray
    columns: FloatArray


def moments(reads: Reads, t: IntArray) -> Moments:
    """Levels, peaks and volatility of the windows that end before ``t``; rising or falling ``t``, each ≥ 1 season."""
    lengths = reads.lengths
    last = reads.value(t - 1)
    scale = (
        reads.deviation(t, lengths.season) + 0.5 * reads.step_size(t, lengths.season) + FLOOR * reads.spread[:, None]
    )
    recent = reads.mean(t, lengths.season // 8)
    levels = [reads.mean(t, length) - last for length in lengths.means]
    levels += [reads.peak(t, length) - last for length in lengths.peaks]
    levels += [reads.trough(t, lengths.season // 8) - last]
    levels += [reads.smooth(t - 1 - lengths.season) - last, reads.profile(t - 1 - lengths.season) - last]
    sizes = [reads.step_size(t, length) for length in lengths.volatilities]
    columns = np.stack([*levels, *sizes, np.abs(last - recent)], axis=-1) / scale[..., None]
    return Moments(t=t, centre=last, scale=scale, columns=np.clip(columns, -FARTHEST, FARTHEST))


def features(reads: Reads, known: Moments, ahead: IntArray) -> Features:
    """Rows for windows ``known.t`` and steps ``ahead``, elementwise; one window for all steps is spread over them."""
    lengths, t = reads.lengths, np.broadcast_to(known.t, ahead.shape)
    season, target = lengths.season, t + ahead - 1
    back = -(-ahead // season) * season
    like = target - back
    smooth_like = np.minimum(like, t - 1 - SMOOTH)
    before = np.where(like >= season, like - season, like)
    smooth_before = np.minimum(before, t - 1 - SMOOTH)
    week = target - -(-ahead // (DAYS * season)) * DAYS * season
    weekly = np.where(week >= SMOOTH, reads.smooth(np.clip(week, SMOOTH, t - 1 - SMOOTH)), reads.profile(smooth_like))
    hour = target - -(-ahead // lengths.hour) * lengths.hour
    asked = [
        reads.smooth(smooth_like), reads.smooth(smooth_before), reads.profile(smooth_like), weekly,
        reads.value(like), reads.value(before), reads.exact_profile(like),
        reads.nearby_peak(np.minimum(like, t - 1 - AROUND)), reads.value(hour), reads.hours(hour, 4),
        reads.hours(hour, 24),
    ]  # fmt: skip
    size = (*asked[0].shape[:2],)
    centre, scale = np.broadcast_to(known.centre, size), np.broadcast_to(known.scale, size)
    rows = np.empty((*size, known.columns.shape[-1] + len(asked) + 1))
    count = known.columns.shape[-1]
    rows[..., :count] = known.columns
    for column, read in enumerate(asked, start=count):
        np.subtract(read, centre, out=rows[..., column])
        rows[..., column] /= scale
    np.clip(rows[..., count:-1], -FARTHEST, FARTHEST, out=rows[..., count:-1])
    rows[..., -1] = 1
    return Features(rows=rows, centre=centre, scale=scale)


class Windows:
    """Any window of a history, by sums that are made once."""

    def __init__(self, values: FloatArray, season_length: int) -> None:
        """Take histories without gaps, shape ``(series, steps)``."""
        self.lengths = Lengths(season=season_length)
        self._values = values
        self._middle = values.mean(axis=1, keepdims=True)
        self._sum = _summed(values)
        self._squares = _summed((values - self._middle) ** 2)
        self._steps = _summed(np.abs(np.diff(values, axis=1, prepend=values[:, :1])))
        self.spread = np.sqrt(self._squares[:, -1] / values.shape[1]) + 1e-12
        self._peaks: dict[int, FloatArray] = {}

    def value(self, at: IntArray) -> FloatArray:
        """The steps themselves."""
        return self._values[:, at]

    def smooth(self, at: IntArray) -> FloatArray:
        """Means of the steps around ``at``."""
        return self._smooth[:, at]

    def nearby_peak(self, at: IntArray) -> FloatArray:
        """Largest step around ``at``."""
        return self._nearby[:, at]

    def profile(self, at: IntArray) -> FloatArray:
        """Mean of the smoothed steps a season apart, back from ``at``."""
        return self._profile[:, at]

    def exact_profile(self, at: IntArray) -> FloatArray:
        """The same of the steps themselves."""
        return self._exact_profile[:, at]

    def hours(self, at: IntArray, count: int) -> FloatArray:
        """Mean of ``count`` steps an hour apart, back from ``at``."""
        return (self._hours4 if count == 4 else self._hours24)[:, at]

    def mean(self, t: IntArray, length: int) -> FloatArray:
        """Mean of the last ``length`` steps before ``t``."""
        return self._between(self._sum, t, length)

    def step_size(self, t: IntArray, length: int) -> FloatArray:
        """Their mean absolute change."""
        return self._between(self._steps, t, length)

    def deviation(self, t: IntArray, length: int) -> FloatArray:
        """Their standard deviation."""
        centred = self.mean(t, length) - self._middle
        variance = self._between(self._squares, t, length) - centred**2
        deviation: FloatArray = np.sqrt(np.maximum(variance, 0.0))
        return deviation

    def peak(self, t: IntArray, length: int) -> FloatArray:
        """Their maximum."""
        if length not in self._peaks:
            self._peaks[length] = running_peak(self._values, length)
        return self._peaks[length][:, t - 1]

    def trough(self, t: IntArray, length: int) -> FloatArray:
        """Their minimum."""
        if -length not in self._peaks:
            self._peaks[-length] = -running_peak(-self._values, length)
        return self._peaks[-length][:, t - 1]

    @staticmethod
    def _between(sums: FloatArray, t: IntArray, length: int) -> FloatArray:
        first = np.maximum(t - length, 0)
        found: FloatArray = (sums[:, t] - sums[:, first]) / (t - first)
        return found

    @cached_property
    def _smooth(self) -> FloatArray:
        size = self._values.shape[1]
        padded = np.pad(self._values, ((0, 0), (SMOOTH, SMOOTH)), mode="edge")
        total: FloatArray = padded[:, :size].copy()
        for shift in range(1, 2 * SMOOTH + 1):
            total += padded[:, shift : shift + size]
        total /= 2 * SMOOTH + 1
        return total

    @cached_property
    def _nearby(self) -> FloatArray:
        padded = np.pad(self._values, ((0, 0), (0, AROUND)), mode="edge")
        return running_peak(padded, 2 * AROUND + 1)[:, AROUND:]

    @cached_property
    def _profile(self) -> FloatArray:
        return lag_means(self._smooth, self.lengths.season, DAYS)

    @cached_property
    def _exact_profile(self) -> FloatArray:
        return lag_means(self._values, self.lengths.season, DAYS)

    @cached_property
    def _hours4(self) -> FloatArray:
        return lag_means(self._values, self.lengths.hour, 4)

    @cached_property
    def _hours24(self) -> FloatArray:
        return lag_means(self._values, self.lengths.hour, 24)


class Newest:
    """The windows at the end of a history only: reads what they need and no more, for the tick."""

    def __init__(self, values: FloatArray, season_length: int, spread: FloatArray) -> None:
        """Take histories without gaps, shape ``(series, steps)``, and their spread as ``Windows`` told it."""
        self.lengths = Lengths(season=season_length)
        self._values, self.spread = values, spread

    def value(self, at: IntArray) -> FloatArray:
        """The steps themselves."""
        return self._values[:, at]

    def smooth(self, at: IntArray) -> FloatArray:
        """Means of the steps around ``at``."""
        found: FloatArray = np.add.reduce(self._values[:, at + _AROUND_SMOOTH], axis=1) / (2 * SMOOTH + 1)
        return found

    def nearby_peak(self, at: IntArray) -> FloatArray:
        """Largest step around ``at``."""
        first = int(at.min()) - AROUND
        peaks = running_peak(self._values[:, first : int(at.max()) + AROUND + 1], 2 * AROUND + 1)
        return peaks[:, at + AROUND - first]

    def profile(self, at: IntArray) -> FloatArray:
        """Mean of the smoothed steps a season apart, back from ``at``."""
        return self._lagged(at, self.lengths.season, DAYS, smooth=True)

    def exact_profile(self, at: IntArray) -> FloatArray:
        """The same of the steps themselves."""
        return self._lagged(at, self.lengths.season, DAYS)

    def hours(self, at: IntArray, count: int) -> FloatArray:
        """Mean of ``count`` steps an hour apart, back from ``at``."""
        return self._lagged(at, self.lengths.hour, count)

    def mean(self, t: IntArray, length: int) -> FloatArray:
        """Mean of the last ``length`` steps before ``t``."""
        window = self._last(t, length)
        found: FloatArray = np.add.reduce(window, axis=1, keepdims=True) / window.shape[1]
        return found

    def step_size(self, t: IntArray, length: int) -> FloatArray:
        """Their mean absolute change."""
        window = self._last(t, length + 1)
        moves = np.abs(window[:, 1:] - window[:, :-1])
        found: FloatArray = np.add.reduce(moves, axis=1, keepdims=True) / moves.shape[1]
        return found

    def deviation(self, t: IntArray, length: int) -> FloatArray:
        """Their standard deviation."""
        found: FloatArray = self._last(t, length).std(axis=1, keepdims=True)
        return found

    def peak(self, t: IntArray, length: int) -> FloatArray:
        """Their maximum."""
        found: FloatArray = self._last(t, length).max(axis=1, keepdims=True)
        return found

    def trough(self, t: IntArray, length: int) -> FloatArray:
        """Their minimum."""
        found: FloatArray = self._last(t, length).min(axis=1, keepdims=True)
        return found

    def _last(self, t: IntArray, length: int) -> FloatArray:
        return self._values[:, max(int(t[0]) - length, 0) : int(t[0])]

    def _lagged(self, at: IntArray, lag: int, count: int, *, smooth: bool = False) -> FloatArray:
        there = at - lag * np.arange(count)[:, None]
        here = there >= 0
        known = np.add.reduce(here, axis=0)
        if smooth:
            every = np.maximum(there, SMOOTH) + _AROUND_SMOOTH[..., None]
            read = np.add.reduce(self._values[:, every], axis=1) / (2 * SMOOTH + 1)
        else:
            read = self._values[:, np.maximum(there, 0)]
        if not here.all():
            read = np.where(here, read, 0.0)
        found: FloatArray = np.add.reduce(read, axis=1) / known
        return found


def running_peak(values: FloatArray, length: int) -> FloatArray:
    """Maximum of the last ``length`` values at each step, by doubling: log₂ passes."""
    peaks, span = values.copy(), 1
    while span < length:
        shift = min(span, length - span)
        longer = peaks.copy()
        np.maximum(peaks[:, shift:], peaks[:, :-shift], out=longer[:, shift:])
        peaks, span = longer, span + shift
    return peaks


def lag_means(values: FloatArray, lag: int, count: int) -> FloatArray:
    """Mean of each value and those 1, 2 … ``count − 1`` lags before it, as far as there are any."""
    size = values.shape[1]
    blocks = -(-size // lag)
    padded = np.zeros((len(values), blocks * lag))
    padded[:, :size] = values
    sums = np.cumsum(padded.reshape(len(values), blocks, lag), axis=1)
    if blocks > count:
        sums[:, count:] -= sums[:, :-count].copy()
    sums /= np.minimum(np.arange(1, blocks + 1), count)[None, :, None]
    return sums.reshape(len(values), -1)[:, :size]


def _summed(values: FloatArray) -> FloatArray:
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums
