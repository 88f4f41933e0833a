"""Where spend is heading: hourly forecasts of what rules cost, as sampled paths until a budget's period ends.

Fitted once an hour for each budget and each rule that an action is about, in a worker process. Why there is none, or
why nothing may be done on it, is a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from cost.budgets import CostInterval, by_hour
from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import sums
from forecaster.fit import LONGEST_HORIZON, FitRequest

Fit = Callable[[FitRequest], Forecast]
HOUR: Final = timedelta(hours=1)
WEEK: Final = timedelta(days=7)
LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_SEEN: Final = 0.5
"""Of an hour, for its cost to count as known."""
_OFF_BY: Final = 0.1
"""10 percentage points: an 80 % interval that held 68 % of the sums is too sure of itself to act on. One that held 95 %
pulls every probability towards 0.5: what is asked to be likelier than that is seen later, not wrongly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Whole hours of what one rule, or several together, cost.

    Attributes:
        start: Of the first hour.
        cost: NaN where nobody saw enough of the hour, shape ``(hours,)``.
        newest: When the last of it was seen; None where nothing was.
        known: Share of the hours since the first known one that are known (ratio).
    """

    start: datetime
    cost: FloatArray
    newest: datetime | None
    known: float

    @property
    def end(self) -> datetime:
        """Of the last whole hour."""
        return self.start + len(self.cost) * HOUR

    @property
    def length(self) -> timedelta:
        """From the first known hour on."""
        there = np.flatnonzero(np.isfinite(self.cost))
        return timedelta() if not len(there) else (len(self.cost) - int(there[0])) * HOUR


def history_of(rules: Mapping[str, Sequence[CostInterval]], *, now: datetime) -> History:
    """Of all the rules together; an hour is known when all were seen that had been seen before it."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [one.start for intervals in rules.values() for one in intervals]
    ends = [min(one.end or now, now) for intervals in rules.values() for one in intervals]
    if not starts:
        return History(start=end, cost=np.zeros(0), newest=None, known=0.0)
    start = min(starts).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    total = np.zeros(int((end - start) / HOUR))
    for intervals in rules.values():
        cost, seen = by_hour(intervals, start=start, end=end)
        there = np.flatnonzero(seen >= _SEEN)
        if not len(there):
            continue
        part = np.where(seen >= _SEEN, cost / np.maximum(seen, _SEEN), np.nan)
        part[: there[0]] = 0.0  # before it was there it cost nothing
        total = total + part
    known = float(np.isfinite(total).mean()) if len(total) else 0.0
    return History(start=start, cost=total, newest=max(ends), known=known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Of one budget or rule at one time.

    Attributes:
        forecast: Cost per hour; None where there is none.
        why: Why there is none.
        fitted_at: When.
        coverage80: Share of the back-test's sums inside the 80 % interval of the paths' sums; None where it had none.
        judged_hours: That such a sum is of.
        was_asked: False where nobody wanted to know.
    """

    forecast: Forecast | None
    fitted_at: datetime
    why: str = ""
    coverage80: float | None = None
    judged_hours: int = 0
    was_asked: bool = True

    def doubt(self) -> str:
        """Why nothing may be done on it; empty: it may."""
        if self.forecast is None:
            return self.why
        if self.coverage80 is None:
            return "the forecast of spend has no back-test yet"
        return self._held() if self.coverage80 < 0.8 - _OFF_BY - 1e-9 else ""

    def width(self) -> str:
        """That its band is too wide, no doubt where more than an even chance is asked for; empty: it is not."""
        if self.forecast is None or self.coverage80 is None or self.coverage80 <= 0.8 + _OFF_BY + 1e-9:
            return ""
        return f"{self._held()}: it is too wide, and speaks late"

    def _held(self) -> str:
        of = "hours" if self.judged_hours == 1 else f"sums of {self.judged_hours} h"
        return f"its 80% interval held {100 * (self.coverage80 or 0.0):.0f}% of the back-test's {of}"


class Outlooks:
    """Kept for an hour."""

    def __init__(self, fit: Fit) -> None:
        """``fit`` runs a fit wherever there is room for two seconds of CPU."""
        self._fit = fit
        self._kept: dict[str, Outlook] = {}

    def of(self, name: str, history: History, *, until: datetime, now: datetime) -> Outlook:
        """The outlook of ``name`` (a budget's or a rule's key), at least as far as ``until``."""
        kept = self._kept.get(name)
        if kept is not None and now - kept.fitted_at < HOUR and (kept.forecast is None or kept.forecast.end >= until):
            return kept
        self._kept[name] = made = self._made(name, history, until, now)
        return made

    def _made(self, name: str, history: History, until: datetime, now: datetime) -> Outlook:
        cutoff = history.start + len(history.cost) * HOUR
        horizon = max(int(-(-(until - cutoff) // HOUR)), 1)
        if not np.isfinite(history.cost).any():
            return Outlook(forecast=None, fitted_at=now, why="no spend is known yet")
        if horizon > LONGEST_HORIZON:
            return Outlook(forecast=None, fitted_at=now, why=f"the period ends in {horizon} h, too far to forecast")
        # A step of a forecast stands for the time before it: an hour is stamped at its end.
        request = FitRequest(
            signal=name, values=history.cost, start=history.start + HOUR, step=HOUR, season=WEEK, horizon=horizon,
            quantiles=LEVELS, made_at=now, judge_sums=True,
        )  # fmt: skip
        try:
            forecast = self._fit(request)
        except ForetideError as error:
            return Outlook(forecast=None, fitted_at=now, why=str(error))
        judged = forecast.backtest
        held = {} if judged is None else judged.sum_coverage
        inside = None if 0.9 not in held or 0.1 not in held else held[0.9] - held[0.1]
        hours = 0 if judged is None else judged.sum_steps
        return Outlook(forecast=forecast, fitted_at=now, coverage80=inside, judged_hours=hours)


def total(outlook: Outlook, *, now: datetime, end: datetime, spent: float) -> sums.Total | None:
    """What will have been spent at ``end``; None without a forecast that reaches so far."""
    if outlook.forecast is None:
        return None
    found = sums.total(outlook.forecast, start=now, end=end, so_far=spent, per=HOUR)
    return found if found.complete else None
