"""Level-shift guard: a signal that left its band for another level is served naive until the fit has caught up.

The models go back to the level they know too soon; the naive path alone follows at once. Judged is always what would
be served without the guard, so that it can end: after an hour without another shift, or before, when the forecast's
highest quantile stays above the new level as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.served import doubling

BREACHES: Final = 3
"""Steps in a row above the highest served quantile that are a shift; by chance 1 in 8,000 at a quantile of 0.95."""
CLEARLY: Final = 0.01
"""A breach is more than this ratio above the quantile: the band of a clean signal is narrower than what matters to any
decision, and between two fits it errs on one side for steps in a row."""
WIDER: Final = 1.5
"""The naive band is so much wider while a shift is young."""
PAUSE: Final = timedelta(hours=1)
SHARE_OF_SEASON: Final = 4
"""Of a season shorter than four hours the guard takes a quarter and not an hour: a demo's day lasts 24 minutes."""
SEASONS_LOOKED_AT: Final = 3


class LevelShift:
    """Whether one signal's level has shifted; used by one thread at a time."""

    def __init__(self, *, season: timedelta, step: timedelta) -> None:
        """Begin with no shift.

        Args:
            season: Length of the season.
            step: Distance of two steps.
        """
        self._step = step
        self._pause = max(min(PAUSE, season / SHARE_OF_SEASON), BREACHES * step)
        self._promise: Forecast | None = None
        self._judged: datetime | None = None
        self._breaches = 0
        self._began: datetime | None = None
        self._until: datetime | None = None
        self.since: datetime | None = None

    def learn(self, values: FloatArray, start: datetime) -> None:
        """Judge the steps that came since the last look by what was promised before them.

        A step without a value is no breach and ends none.

        Args:
            values: On the grid of the forecasts, NaN where nothing was measured.
            start: Time of ``values[0]``.
        """
        end = start + (len(values) - 1) * self._step
        if self._promise is not None:
            first = max(self._promise.cutoff, self._judged or start, start - self._step) + self._step
            for ahead in range((end - first) // self._step + 1):
                at = first + ahead * self._step
                self._judge(at, float(values[(at - start) // self._step]), self._promise)
        self._judged = end
        if self._until is not None and end >= self._until:
            self._end()

    def answer(self, usual: Forecast, values: FloatArray) -> Forecast:
        """What to serve: the forecast as it is, or the naive path while the level has shifted.

        Args:
            usual: What would be served without the guard.
            values: The history that it was made from, on its grid, NaN where nothing was measured.
        """
        self._promise = usual
        known = values[np.isfinite(values)]
        if self._until is not None and self._covers(usual, float(np.median(known[-BREACHES:]))):
            self._end()
        self.since = self._began if self._until is not None else None
        return usual if self.since is None else naive(usual, values, since=self.since)

    def body(self) -> dict[str, Any]:
        """What is to be kept over a restart, as JSON; the last promise is not, one tick of judging is lost."""
        began, until = (None if one is None else one.isoformat() for one in (self._began, self._until))
        return {"began": began, "until": until, "breaches": self._breaches}

    def restore(self, body: Mapping[str, Any]) -> None:
        """Go on from a kept body; ValueError, KeyError or TypeError where it is none."""
        began, until = (
            None if body[name] is None else datetime.fromisoformat(body[name]) for name in ("began", "until")
        )
        self._breaches, self._began, self._until = int(body["breaches"]), began, until

    def _judge(self, at: datetime, value: float, promise: Forecast) -> None:
        row = (at - promise.cutoff) // self._step - 1
        if not np.isfinite(value) or row >= promise.horizon:
            return
        highest = float(promise.values[row, -1])
        if value <= highest + CLEARLY * abs(highest):
            self._breaches = 0
            return
        self._breaches += 1
        if self._breaches >= BREACHES:
            self._began = self._began or at - (BREACHES - 1) * self._step
            self._until = at + self._pause

    def _covers(self, usual: Forecast, level: float) -> bool:
        return bool(usual.values[: self._pause // self._step, -1].min() >= level)

    def _end(self) -> None:
        self._began, self._until, self._breaches = None, None, 0


def naive(usual: Forecast, values: FloatArray, *, since: datetime) -> Forecast:
    """The last value held flat, in the band of what it erred by in the last seasons, made wider.

    Args:
        usual: The forecast whose place it takes.
        values: The history that it was made from, on its grid, NaN where nothing was measured.
        since: First step of the new level, for the reason.
    """
    known = np.flatnonzero(np.isfinite(values))
    values = values[: known[-1] + 1]
    last, floor = float(values[-1]), -np.inf if np.nanmin(values) < 0 else 0.0
    season = round(usual.season / usual.step) if usual.season else len(values)
    offsets = _offsets(values[-SEASONS_LOOKED_AT * season :], usual)
    backtest = usual.backtest
    if backtest is not None:
        backtest = replace(backtest, wape=backtest.wape_by_model.get("naive", backtest.wape), coverage={})
    return replace(
        usual, model="naive", mean=np.full(usual.horizon, last), values=np.maximum(last + WIDER * offsets, floor),
        backtest=backtest, fallback_reason=f"level shift at {since.isoformat()}",
    )  # fmt: skip


def _offsets(values: FloatArray, usual: Forecast) -> FloatArray:
    """Quantiles of how far the value moved in so many steps, shape ``(horizon, levels)``.

    A range of horizons takes its middle; one that the history is too short for takes that of the one before.
    """
    rows = np.zeros((usual.horizon, len(usual.quantiles)))
    offsets = rows[0]
    for first, end in doubling(usual.horizon):
        lead = (first + end) // 2
        moves = values[lead:] - values[:-lead]
        moves = moves[np.isfinite(moves)]
        if len(moves) >= 1 / (1 - usual.quantiles[-1]):
            offsets = np.quantile(moves, usual.quantiles)
        rows[first - 1 : end] = offsets
    return rows
