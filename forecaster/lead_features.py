"""What the load was lately, and what it did at this time of earlier days: the inputs of ``lead``, all from the past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DAYS: Final = 7
MINUTES_BACK: Final = (2, 3, 5, 8)
LONGEST_MINUTES: Final = 61
"""How far back ``recent`` looks: an hour's mean, and half an hour's of half an hour ago."""
SEASONS: Final = 12
"""Of two hours, which make a day: what comes by the hour or every other hour, as jobs and collectors do."""
SAMPLED_MINUTES: Final = 5
"""Usual errors by the hour of day are kept this far apart: with half an hour's half-life they need no finer grid."""


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


def seasonal(recent: Recent, target: FloatArray, known: int, day: int, minute: int) -> FloatArray:
    """What the window ahead would be if the load grew as at this time of the last days and two hours: five analogs."""
    grown, grown_fast = target - recent.half_hour, target - recent.five_minutes
    yesterday = late(grown, day)
    week = np.where(np.arange(len(target)) >= DAYS * day, late(grown, DAYS * day), yesterday)
    hours = mean_of_hours(grown_fast, known, day, minute)
    made = analogs(mean_of_days(grown, day), mean_of_days(grown_fast, day), yesterday, week, hours, recent)
    made[: day + known] = 0.0
    return made


def analogs(
    days: FloatArray, days_fast: FloatArray, yesterday: FloatArray, week: FloatArray, hours: FloatArray, recent: Recent
) -> FloatArray:
    """Growths of earlier days and hours on today's level, relative to the last minute.

    Args:
        days: Mean growth over the half hour's mean, of the last days.
        days_fast: The same over the five minutes' mean.
        yesterday: Growth over the half hour's mean a day ago.
        week: The same a week ago.
        hours: Mean growth over the five minutes' mean two, four, … hours ago.
        recent: The recent past.
    """
    level, level_fast = recent.half_hour - recent.base, recent.five_minutes - recent.base
    return np.stack([days + level, days_fast + level_fast, yesterday + level, week + level, hours + level_fast], axis=1)


class Means(NamedTuple):
    """Means that forget, as known at every tick: of the error's size, and in the end of the log load.

    Attributes:
        minutes: With a half-life of five minutes.
        half_hour: Of half an hour.
        two_hours: Of two hours.
        six_hours: Of six hours.
        days: Of five days.
        minute: Of one minute.
        level: Of the log load, of two days.
    """

    minutes: FloatArray
    half_hour: FloatArray
    two_hours: FloatArray
    six_hours: FloatArray
    days: FloatArray
    minute: FloatArray
    level: FloatArray


def half_lives(day: int, minute: int) -> tuple[int, ...]:
    """Those of ``Means``, in ticks and in its order."""
    return (5 * minute, 30 * minute, 120 * minute, 360 * minute, 5 * day, minute, 2 * day)


def error_sizes(means: Means, hour: FloatArray, season: FloatArray, recent: Recent) -> FloatArray:
    """Sizes of the error so far: half hour, hour of day, days, with the level, minutes, 2 h, 6 h, peaks, by two hours.

    Args:
        means: Of the sizes that are known.
        hour: At this hour of earlier days.
        season: In this minute two, four, … hours ago.
        recent: The recent past.
    """
    # Counts vary with the square root of their mean, so their logarithm varies the more the lower the level.
    level = np.exp(0.5 * (means.level - recent.base))
    sizes = [
        means.half_hour, hour, means.days, means.days * level, means.minutes, means.two_hours, means.six_hours,
        recent.peakedness * 0.3, np.abs(recent.base - recent.five_minutes) * 0.3, season,
    ]  # fmt: skip
    return np.stack(sizes, axis=1)


def hour_of_day(half_hour: FloatArray, day: int, minute: int) -> FloatArray:
    """What the error's mean over half an hour came to at this time of earlier days, looked at every five minutes."""
    step = SAMPLED_MINUTES * minute
    sampled = half_hour[np.arange(len(half_hour)) // step * step]
    return mean_of_days(lead_shifted(sampled, looked_ahead(day, minute)), day)


def looked_ahead(day: int, minute: int) -> int:
    """Ticks by which an earlier day's half hour is looked at ahead of this time; less where a day is shorter."""
    return min(30 * minute, day // 48)


def season_of_hours(minute_mean: FloatArray, known: int, day: int, minute: int) -> FloatArray:
    """What the error's mean over a minute came to in this minute two, four, … hours ago."""
    sampled = minute_mean[np.arange(len(minute_mean)) // minute * minute]
    return mean_of_hours(lead_shifted(sampled, minute), known, day, minute)


def largest_ahead(load: FloatArray, first: int, last: int) -> FloatArray:
    """Largest load in ticks ``t + first … t + last``; near the end, of what is there."""
    padded = np.concatenate([load, np.full(last + 1, load[-1])])
    return trailing_max(padded, last - first + 1)[last : last + len(load)]


def trailing_max(load: FloatArray, ticks: int) -> FloatArray:
    """Largest of the last ``ticks`` values, of those that there are, by doubling the width."""
    made, width = load.copy(), 1
    while width < ticks:
        step = min(width, ticks - width)
        np.maximum(made[step:], made[:-step].copy(), out=made[step:])
        width += step
    return made


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
    made[ticks:] = values[: max(len(values) - ticks, 0)]
    return made


def lead_shifted(values: FloatArray, ticks: int) -> FloatArray:
    """The values ``ticks`` earlier; only for what is looked at a day later."""
    return np.concatenate([values[ticks:], np.repeat(values[-1:], min(ticks, len(values)))])


def mean_of_days(values: FloatArray, day: int) -> FloatArray:
    """Mean of the values one, two, … seven days ago, of those that there are; 0 on the first day."""
    return _mean_of(values, day, range(1, DAYS + 1))


def mean_of_hours(values: FloatArray, known: int, day: int, minute: int) -> FloatArray:
    """Mean of the values two, four, … hours ago, of those that there are; 0 before."""
    return _mean_of(values, day // SEASONS, backs(known, day, minute))


def backs(known: int, day: int, minute: int) -> range:
    """How many times two hours are looked back: from where outcomes, and those of a minute more, are known."""
    first = -(-(known + minute) // (day // SEASONS))
    return range(first, first + SEASONS)


def _mean_of(values: FloatArray, period: int, backs: range) -> FloatArray:
    total = np.zeros_like(values)
    for back in backs:
        if back * period < len(values):
            total[back * period :] += values[: len(values) - back * period]
    return total / np.clip(np.arange(len(values)) // period - backs.start + 1, 1, len(backs))
