"""The forecasts of a replay, walk-forward: at each tick only what was known then.

The lead model stands in for the forecasts that a running Foretide would have made: the same history, the same lead,
calibrated on its own errors. A report says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from controller.triggers import lead_of
from domain.load_ahead import LoadAhead
from domain.series import FloatArray
from forecaster import lead
from rules.schema import ForecastTrigger

LEAST_SEASON_TICKS: Final = 24
SEASONS: Final = 7


def known(series: FloatArray) -> FloatArray:
    """Without gaps: the last value that was seen; 0 before the first one."""
    place = np.where(np.isfinite(series), np.arange(len(series)), -1)
    last = np.maximum.accumulate(place)
    return np.asarray(np.where(last >= 0, series[np.maximum(last, 0)], 0.0))


def within_lead(wanted: ForecastTrigger, series: FloatArray, *, tick_seconds: float, unit: float) -> LoadAhead:
    """The largest value between now and one lead ahead, as a distribution at every tick.

    Args:
        wanted: The trigger's forecast.
        series: What its source saw, by tick.
        tick_seconds: Length of a tick.
        unit: What one replica carries.
    """
    ticks = max(round(lead_of(wanted).total_seconds() / tick_seconds), 1)
    return window(wanted, series, ((1, ticks),), tick_seconds=tick_seconds, unit=unit)[0]


def window(
    wanted: ForecastTrigger, series: FloatArray, windows: tuple[tuple[int, int], ...], *, tick_seconds: float,
    unit: float,
) -> tuple[LoadAhead, ...]:  # fmt: skip
    """The same for windows of ticks ahead."""
    day = max(round(wanted.season.total_seconds() / tick_seconds), LEAST_SEASON_TICKS)
    clock = lead.Clock(day=day, minute=max(round(60 / tick_seconds), 1), delay=0)
    load = known(series)
    # The model looks back seven seasons and more; before the record the load is taken to have stood still.
    before = max((SEASONS + 1) * day + max(last for _, last in windows) - len(load), 0)
    padded = np.concatenate([np.repeat(load[:1], before), load])
    return tuple(_from(one, before) for one in lead.forecast(padded, windows=windows, clock=clock, unit=unit))


def _from(ahead: LoadAhead, first: int) -> LoadAhead:
    return replace(ahead, centre=ahead.centre[first:], scale=ahead.scale[first:], row=ahead.row[first:])
