"""When a fitted signal is to be fitted again, and how it is noticed that its history is another one by now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from domain.series import FloatArray

LONGEST: Final = timedelta(days=1)
SHORTEST: Final = timedelta(minutes=15)
"""Between two fits for age: once a season, as a fit learns nothing of its shape sooner, but at least once a day, and at
most four times an hour: a fit takes 60 ms."""
EARLY: Final = 24
"""Fits for another reason are at least so many parts of that apart: an hour for a daily season, a minute of 24."""
LOOKS: Final = 24
"""Steps of the history that are looked at again to see whether it was backfilled."""
CHANGED: Final = 0.01
"""A step that differs by more than this ratio of the history's width was rewritten and not merely rounded."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def fit_every(season: timedelta) -> timedelta:
    """How often a signal is fitted for no other reason than its age."""
    return max(SHORTEST, min(LONGEST, season))


def early_every(season: timedelta) -> timedelta:
    """How far apart fits for another reason are."""
    return fit_every(season) / EARLY


def next_fit(signal: str, season: timedelta, fitted_at: datetime) -> datetime:
    """When a signal that was fitted then is due for its age: at a moment of the day (or season) of its own.

    The moment is a hash of the signal's name, so that thousands of signals do not ask at once, today as tomorrow. The
    first one after half an interval is taken.
    """
    every = fit_every(season)
    share = int.from_bytes(hashlib.sha256(signal.encode()).digest()[:8], "big") / 2**64
    moment, earliest = _EPOCH + share * every, fitted_at + every / 2
    return moment + -(-(earliest - moment) // every) * every


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A few steps of the history that a fit saw, evenly spread.

    Attributes:
        start: Time of the first.
        step: Distance of two of them.
        values: NaN where nothing was measured.
        width: Of the history's values.
    """

    start: datetime
    step: timedelta
    values: FloatArray
    width: float

    @classmethod
    def of(cls, values: FloatArray, start: datetime, step: timedelta) -> Glance:
        """Of a history as it was read."""
        stride = max(1, len(values) // LOOKS)
        known = values[~np.isnan(values)]
        width = float(np.ptp(known)) if len(known) else 0.0
        return cls(start=start, step=stride * step, values=values[::stride].copy(), width=width)

    @property
    def end(self) -> datetime:
        """Time of the last."""
        return self.start + (len(self.values) - 1) * self.step

    def is_another(self, values: FloatArray) -> bool:
        """Whether the same steps, read again, have values that were missing or others than before.

        Steps that have none any more do not count: retention took them.
        """
        known = ~np.isnan(values)
        late = np.isnan(self.values) & known
        rewritten = np.abs(np.where(known, values - self.values, 0.0)) > CHANGED * self.width
        return bool((late | rewritten).any())
