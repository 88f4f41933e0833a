"""The newest steps of one signal: what a fitted model reads of the past between two fits.

Memory is bounded, adding a step is O(1). Gaps are bridged as ``history.prepare`` does it, as far as that can be done
without looking ahead: short ones by a line, longer ones by the same phase of the season before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray
from forecaster.history import SHORT_GAP, History

BoolArray = NDArray[np.bool_]

SLACK: Final = 64
"""Steps that may be added before the rest is moved to the front."""
REWOUND: Final = 8
"""Steps that can be taken back: what was read too early is read again."""
LEAST: Final = 32
"""Steps kept of the shortest seasons: an echo is 12 steps long."""


@dataclass(slots=True, kw_only=True)
class Recent:
    """The last steps without gaps, and which of them were measured.

    Attributes:
        season_length: Steps per season.
        steps: Known since the history's first.
        measured_steps: How many of them were measured.
        lowest: Smallest value of the history and since.
        highest: Largest.
    """

    season_length: int
    steps: int
    measured_steps: int
    lowest: float
    highest: float
    _size: int
    _values: FloatArray
    _measured: BoolArray
    _end: int

    @classmethod
    def of(cls, history: History, seasons: int) -> Recent:
        """The end of a history: so many seasons of it, or all."""
        size = min(len(history.values), max(seasons * history.season_length, LEAST))
        kept = min(len(history.values), size + REWOUND)
        return cls(
            season_length=history.season_length, steps=len(history.values),
            measured_steps=int(history.measured.sum()), lowest=float(history.values.min()),
            highest=float(history.values.max()), _size=size, _end=kept,
            _values=np.concatenate([history.values[-kept:], np.zeros(SLACK)]),
            _measured=np.concatenate([history.measured[-kept:], np.zeros(SLACK, dtype=np.bool_)]),
        )  # fmt: skip

    @property
    def values(self) -> FloatArray:
        """Oldest first, gaps filled."""
        return self._values[max(self._end - self._size, 0) : self._end]

    @property
    def known(self) -> FloatArray:
        """The same, NaN where nothing was measured."""
        inside = slice(max(self._end - self._size, 0), self._end)
        return np.where(self._measured[inside], self._values[inside], np.nan)

    @property
    def last(self) -> float:
        """The newest measured value."""
        return float(self._values[self._end - 1])

    @property
    def floor(self) -> float | None:
        """No forecast goes below this: 0 where the signal never did, None where negative values are known."""
        return 0.0 if self.lowest >= 0 else None

    def measured_of(self, count: int) -> FloatArray:
        """The last ``count`` steps as they were measured, NaN elsewhere."""
        inside = slice(self._end - count, self._end)
        return np.where(self._measured[inside], self._values[inside], np.nan)

    def rewind(self, steps: int) -> None:
        """Take back the last steps, at most ``REWOUND``."""
        self.measured_steps -= int(self._measured[self._end - steps : self._end].sum())
        self._end -= steps
        self.steps -= steps

    def bridged(self, values: FloatArray) -> FloatArray:
        """The steps that follow, with the gaps among and before them filled; the last of them must be measured."""
        if not np.isnan(values).any():
            return values
        line, size = np.concatenate([self.values, values]), len(self.values)
        missing = np.flatnonzero(np.isnan(line))
        for gap in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1) if len(missing) else ():
            first, end = int(gap[0]), int(gap[-1]) + 1
            if end - first > SHORT_GAP and first >= self.season_length:
                for at in gap:
                    line[at] = line[at - self.season_length]
            else:
                line[gap] = np.interp(gap, [first - 1, end], line[[first - 1, end]])
        return line[size:]

    def append(self, value: float, *, measured: bool) -> None:
        """One more step."""
        if self._end == len(self._values):
            kept = min(self._size + REWOUND, self._end)
            self._values[:kept] = self._values[self._end - kept :].copy()
            self._measured[:kept] = self._measured[self._end - kept :].copy()
            self._end = kept
        self._values[self._end], self._measured[self._end] = value, measured
        self._end += 1
        self.steps += 1
        self.measured_steps += measured
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
