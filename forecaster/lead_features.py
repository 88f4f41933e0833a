"""What the load was lately, and what it did at this time of earlier days: the inputs of ``lead``, all from the past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter

FloatArray = NDArray[np.float64]

DAYS: Final = 7
MINUTES_BACK: Final = (2, 3, 5, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The recent past at every tick.

    Attributes:
        base: Log of the last minute's mean; everything else is told relative to it.
        features: Shape ``(ticks, features)``, a column of ones first.
        half_hour: Log of the last half hour's mean.
        five_minutes: Log of the last five minutes' mean.
        peakedness: How far the largest tick of a quarter of an hour lies above the mean of ten minutes, a ratio.
    """

    base: FloatArray
    features: FloatArray
    half_hour: FloatArray
    five_minutes: FloatArray
    peakedness: FloatArray


def recent(load: FloatArray, minute: int, delay: int, offset: float) -> Recent:
    """Means of 30 s to an hour, peaks, trends and single minutes, all relative to the last minute's mean."""
    sums = np.concatenate([[0.0], np.cumsum(load)])

    def log_mean(ticks: int) -> FloatArray:
        return late(np.log(trailing_mean(sums, ticks) + offset), delay)

    base, five, half_hour = log_mean(minute), log_mean(5 * minute), log_mean(30 * minute)
    ten, hour = log_mean(10 * minute), log_mean(60 * minute)
    peak_5, peak_15 = (late(np.log(trailing_max(load, k * minute) + offset), delay) for k in (5, 15))
    columns = [
        np.ones(len(load)), log_mean(max(minute // 2, 1)) - base, five - base, half_hour - base, peak_5 - base,
        peak_15 - base, hour - base, ten - base, base - late(base, minute), five - late(five, 5 * minute),
        half_hour - late(half_hour, 30 * minute), *(late(base, k * minute) - base for k in MINUTES_BACK),
    ]  # fmt: skip
    return Recent(
        base=base, features=np.stack(columns, axis=1), half_hour=half_hour, five_minutes=five,
        peakedness=np.exp(peak_15 - ten) - 1,
    )  # fmt: skip


def seasonal(recent: Recent, target: FloatArray, known: int, day: int) -> FloatArray:
    """What the window ahead would be if the load grew as at this time of the last days: four analogs."""
    grown, grown_fast = target - recent.half_hour, target - recent.five_minutes
    days = mean_of_days(grown, day) + recent.half_hour - recent.base
    days_fast = mean_of_days(grown_fast, day) + recent.five_minutes - recent.base
    level = recent.half_hour - recent.base
    yesterday = late(grown, day) + level
    week = np.where(np.arange(len(target)) >= DAYS * day, late(grown, DAYS * day) + level, yesterday)
    made = np.stack([days, days_fast, yesterday, week], axis=1)
    made[: day + known] = 0.0
    return made


def error_sizes(
    size: FloatArray, seen: FloatArray, days: FloatArray, recent: Recent, known: int, day: int, minute: int
) -> FloatArray:
    """Sizes of the error so far: half hour, this hour of earlier days, days, with the level, minutes, 2 h, 6 h, peaks.

    Args:
        size: Absolute error of the forecast made at each tick.
        seen: The same, ``known`` ticks late.
        days: Its mean over days.
        recent: The recent past.
        known: Ticks until the outcome of a forecast is known.
        day: Ticks of a day.
        minute: Ticks of a minute.
    """
    half_hour = 30 * minute
    hour = mean_of_days(lead_shifted(decayed(size, half_hour), half_hour), day)
    hour[: day + known] = days[: day + known]
    # Counts vary with the square root of their mean, so their logarithm varies the more the lower the level.
    level = np.exp(0.5 * (decayed(recent.base, 2 * day) - recent.base))
    sizes = [
        decayed(seen, half_hour), hour, days, days * level, decayed(seen, 5 * minute), decayed(seen, 120 * minute),
        decayed(seen, 360 * minute), recent.peakedness * 0.3, np.abs(recent.base - recent.five_minutes) * 0.3,
    ]  # fmt: skip
    return np.stack(sizes, axis=1)


def largest_ahead(load: FloatArray, first: int, last: int) -> FloatArray:
    """Largest load in ticks ``t + first … t + last``; near the end, of what is there."""
    width = last - first + 1
    padded = np.concatenate([load, np.full(last + 1, load[-1])])
    made = maximum_filter1d(padded, width, origin=-(width // 2), mode="nearest")
    return np.asarray(made[first : first + len(load)])


def trailing_max(load: FloatArray, ticks: int) -> FloatArray:
    """Largest of the last ``ticks`` values."""
    return np.asarray(maximum_filter1d(load, ticks, origin=(ticks - 1) // 2, mode="constant", cval=0.0))


def trailing_mean(sums: FloatArray, ticks: int) -> FloatArray:
    """Mean of the last ``ticks`` values, from sums over all earlier values."""
    made = np.empty(len(sums) - 1)
    made[ticks:] = (sums[ticks + 1 :] - sums[1:-ticks]) / ticks
    start = min(ticks, len(made))
    made[:start] = sums[1 : start + 1] / np.arange(1, start + 1)
    return made


def late(values: FloatArray, ticks: int) -> FloatArray:
    """The values ``ticks`` later; the first one before."""
    made = np.empty_like(values)
    made[:ticks] = values[0]
    made[ticks:] = values[: len(values) - ticks]
    return made


def lead_shifted(values: FloatArray, ticks: int) -> FloatArray:
    """The values ``ticks`` earlier; only for what is looked at a day later."""
    return np.concatenate([values[ticks:], np.repeat(values[-1:], min(ticks, len(values)))])


def decayed(values: FloatArray, half_life: float) -> FloatArray:
    """Exponentially weighted mean of all values so far."""
    kept = 0.5 ** (1 / half_life)
    return np.asarray(lfilter([1 - kept], [1, -kept], values, zi=[kept * values[0]])[0])


def mean_of_days(values: FloatArray, day: int) -> FloatArray:
    """Mean of the values one, two, … seven days ago, of those that there are; 0 on the first day."""
    total = np.zeros_like(values)
    for back in range(1, DAYS + 1):
        if back * day < len(values):
            total[back * day :] += values[: len(values) - back * day]
    return total / np.clip(np.arange(len(values)) // day, 1, DAYS)
