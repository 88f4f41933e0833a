"""The forecasts of a replay, walk-forward: at each tick only what was known then.

The lead model stands in for the forecasts that a running Foretide would have made: the same history, the same lead,
calibrated on its own errors. A report says so.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.triggers import lead_of
from domain.load_ahead import TICK, LoadAhead, Outlook, longest, windows
from domain.series import FloatArray
from forecaster import lead, lead_outlook
from rules.schema import ForecastTrigger

LEAST_SEASON_TICKS: Final = 24
SEASONS: Final = 7
DAY: Final = timedelta(days=1)
LEADS_OF_A_DAY: Final = 10
"""A season shorter than so many leads is none to look ahead by, as live."""


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


def outlook_of(wanted: ForecastTrigger, series: FloatArray, *, unit: float) -> tuple[Outlook | None, int]:
    """What a price trigger decides on at every tick, as live; and the first tick at which it speaks.

    None, where the record is too short for any.
    """
    lead_time = lead_of(wanted)
    ahead_of = windows(lead_time)
    short = LEADS_OF_A_DAY * longest(lead_time) * TICK <= wanted.season < DAY
    clock = lead.Clock(day=(wanted.season if short else DAY) // TICK, minute=4, delay=0)
    load = lead_outlook.filled(series, clock)
    missing, least = len(series) - len(load), lead_outlook.fewest(ahead_of, clock)
    if len(load) < max(least, (SEASONS + 1) * clock.day):
        return None, 0
    found = lead_outlook.over(load, windows=ahead_of, surge_last=longest(lead_time), clock=clock, unit=unit)
    return _padded(found, missing), missing + least


def _padded(outlook: Outlook, before: int) -> Outlook:
    """For the whole record, also where nothing was seen yet."""
    if not before:
        return outlook

    def late(values: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([np.repeat(values[:1], before), values])

    add, keep = (
        replace(one, centre=late(one.centre), scale=late(one.scale), row=late(one.row))
        for one in (outlook.add, outlook.keep)
    )
    return Outlook(
        add=add, keep=keep, surge=late(outlook.surge), peak=late(outlook.peak), widened=late(outlook.widened)
    )
