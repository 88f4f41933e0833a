"""From what was measured to what a model can take: no gaps, no leading or trailing silence, nothing absurd.

Short gaps are bridged, long ones take the same phase of the season beside them; what cannot be filled honestly raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import FitFailedError, HistoryTooShortError, NoDataError
from domain.series import FloatArray

BoolArray = NDArray[np.bool_]

SHORT_GAP: Final = 3
"""Steps bridged by a straight line; longer gaps would lose the season's shape."""
LARGEST: Final = 1e100
"""Beyond this the squares of the fit overflow, and no demand is meant."""
NOTHING: Final = 1e-150
"""Of the largest value, which one broken sample may be: what is less counts as 0, or ratios of both overflow."""
FEWEST_STEPS: Final = 10
"""Below this not even the band of a flat line can be told: nothing is forecast."""
MOST_STEPS: Final = 20_000
"""Older steps are left out (unless three seasons need them): the fit's time and memory stay bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A history that a model can take.

    Attributes:
        values: Finite, shape ``(n,)``, ``n ≥ FEWEST_STEPS``.
        start: Time of ``values[0]``, the first step that was measured.
        step: Distance of two steps.
        season_length: Steps per season, ≥ 2.
        measured: Which of ``values`` were measured and not filled; errors are counted on these alone.
    """

    values: FloatArray
    start: datetime
    step: timedelta
    season_length: int
    measured: BoolArray

    @property
    def cutoff(self) -> datetime:
        """Time of the last measured step."""
        return self.start + (len(self.values) - 1) * self.step

    @property
    def lowest(self) -> float | None:
        """No forecast goes below this: 0 where the history never did, None where negative values are known."""
        return 0.0 if float(self.values.min()) >= 0 else None

    @property
    def spread(self) -> float:
        """Largest minus smallest value."""
        return float(np.ptp(self.values))


def prepare(signal: str, values: FloatArray, *, start: datetime, step: timedelta, season: timedelta) -> History:
    """The measured part of ``values`` with its gaps filled.

    Args:
        signal: Named in errors.
        values: Measured values on a regular grid, NaN where nothing was measured.
        start: Time of ``values[0]``.
        step: Distance of two steps, > 0.
        season: Length of the season; rounded to whole steps, at least two.

    Raises:
        NoDataError: Nothing was measured. The caller keeps what it has.
        HistoryTooShortError: Fewer than ``FEWEST_STEPS`` steps from the first measured to the last, or fewer measured.
        FitFailedError: A value is infinite or absurdly large; the message names the first one and its time.
    """
    refuse_absurd(signal, values, start, step)
    season_length = max(2, round(season / step))
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise NoDataError(f"{signal} has no value since {start.isoformat()}")
    if len(known) < FEWEST_STEPS:
        raise HistoryTooShortError(needed=FEWEST_STEPS * step, got=len(known) * step)
    first = max(int(known[0]), int(known[-1]) + 1 - most_steps(season_length))
    measured = values[first : known[-1] + 1]
    measured = np.where(np.abs(measured) < NOTHING * np.nanmax(np.abs(measured)), 0.0, measured)
    return History(
        values=_filled(measured, season_length), start=start + first * step, step=step,
        season_length=season_length, measured=~np.isnan(measured),
    )  # fmt: skip


def prepare_batch(values: FloatArray | NDArray[np.float32], season_length: int) -> tuple[FloatArray, BoolArray]:
    """Many histories of one length, filled, and which of their values were measured.

    Gaps are filled as in ``prepare``. A series that begins late has its first season tiled back over the time before;
    one without any value is 0 throughout.

    Args:
        values: NaN where nothing was measured, shape ``(series, steps)``.
        season_length: Steps per season.
    """
    measured = np.isfinite(values)
    filled = np.where(measured, values, np.nan).astype(np.float64)
    for row in np.flatnonzero(~measured.all(axis=1)):
        known = np.flatnonzero(measured[row])
        if len(known) == 0:
            filled[row] = 0.0
            continue
        first = int(known[0])
        filled[row, first:] = _filled(filled[row, first:], season_length)
        begin = filled[row, first : first + season_length]
        filled[row, :first] = begin[(np.arange(first) - first) % len(begin)]
    return filled, measured


def most_steps(season_length: int) -> int:
    """How far back a fit looks."""
    return max(MOST_STEPS, 3 * season_length)


def refuse_absurd(signal: str, values: FloatArray, start: datetime, step: timedelta) -> None:
    """Raise FitFailedError for a value that is infinite or absurdly large, naming the first one and its time."""
    absurd = np.flatnonzero(np.abs(values) > LARGEST)
    if len(absurd):
        at = (start + int(absurd[0]) * step).isoformat()
        raise FitFailedError(f"{signal} has {len(absurd)} absurd values, the first {values[absurd[0]]:g} at {at}")


def _filled(values: FloatArray, season_length: int) -> FloatArray:
    missing = np.isnan(values)
    if not missing.any():
        return values.astype(np.float64, copy=True)
    filled = values.copy()
    for first, end in _gaps(missing):
        if end - first > SHORT_GAP:
            _fill_from_season(filled, values, first, end, season_length)
    left = np.isnan(filled)
    filled[left] = np.interp(np.flatnonzero(left), np.flatnonzero(~left), filled[~left])
    return filled


def _gaps(missing: BoolArray) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive missing steps."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _fill_from_season(filled: FloatArray, values: FloatArray, first: int, end: int, season_length: int) -> None:
    """The same phase one season before (filled already, where it too was a gap), else one season after."""
    for at in range(first, end):
        before, after = at - season_length, at + season_length
        if before >= 0 and not np.isnan(filled[before]):
            filled[at] = filled[before]
        elif after < len(values) and not np.isnan(values[after]):
            filled[at] = values[after]
