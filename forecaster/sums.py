"""Totals over a stretch: what was measured so far plus sampled paths of the rest, and when the total passes a limit.

Never a sum of quantiles: that of a month's hours would be right only if all of them erred alike. All numbers are
floats in the signal's unit; who speaks of money converts the finished figures to ``Decimal`` (``domain.money``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import paths
from forecaster.capacity import Reach, reach

LEVELS: Final = (0.1, 0.5, 0.9)
Over = Literal["hour", "day", "week", "month"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum over a stretch, as far as the forecast reaches.

    Attributes:
        start: First instant of the stretch.
        end: Its end, as asked.
        until: How far the forecast covers it; what lies between ``until`` and ``end`` is not in the sum.
        so_far: Measured part of the sum.
        mean: Of the sampled totals.
        quantiles: Of the sampled totals, by level.
        samples: The totals themselves, rising, shape ``(paths,)``.
    """

    start: datetime
    end: datetime
    until: datetime
    so_far: float
    mean: float
    quantiles: dict[float, float]
    samples: FloatArray

    @property
    def complete(self) -> bool:
        """Whether the forecast covers the whole stretch."""
        return self.until >= self.end

    def probability_above(self, limit: float) -> float:
        """Share of the sampled totals above ``limit``; of an incomplete one it speaks of what is covered alone."""
        return float((self.samples > limit).mean())


def total(
    forecast: Forecast, *, start: datetime, end: datetime, so_far: float = 0.0, per: timedelta | None = None,
    levels: Sequence[float] = LEVELS, count: int = paths.PATHS,
) -> Total:  # fmt: skip
    """The total from ``start`` to ``end``: ``so_far`` up to the forecast's cutoff, sampled from there on.

    Args:
        forecast: Step ``i`` stands for the time since the step before it.
        start: Where ``so_far`` begins; a cutoff before it leaves out the steps between.
        end: Exclusive; a step that ends after it counts by the part that lies before.
        so_far: Sum over ``start`` … cutoff, in the total's unit.
        per: What the signal's value is per: an hour for cost per hour. None where each step's value is an amount.
        levels: Quantiles asked for.
        count: Number of paths.
    """
    weights = _weights(forecast, start, end, per)
    totals = np.sort(so_far + paths.sample(forecast, count=count) @ weights)
    return Total(
        start=start, end=end, until=min(end, forecast.end), so_far=so_far, mean=float(totals.mean()), samples=totals,
        quantiles={level: float(np.quantile(totals, level)) for level in levels},
    )  # fmt: skip


def exhausted(
    forecast: Forecast, limit: float, *, start: datetime, end: datetime, so_far: float = 0.0,
    per: timedelta | None = None, levels: Sequence[float] = LEVELS, count: int = paths.PATHS,
) -> Reach:  # fmt: skip
    """When the total first reaches ``limit``: the dates of the quantiles and the probability until ``end``.

    The arguments are those of ``total``. A signal below 0 makes a total fall again; the first date counts.
    """
    weights = _weights(forecast, start, end, per)
    running = so_far + np.cumsum(paths.sample(forecast, count=count) * weights, axis=1)
    inside = running[:, weights > 0]
    if not inside.shape[1]:  # nothing of the stretch is ahead: what is known is all there is
        over = so_far >= limit
        return Reach(already=over, probability=float(over), dates=dict.fromkeys(levels), until=end)
    times = [time for time, weight in zip(step_times(forecast), weights, strict=True) if weight > 0]
    return reach(inside, times, limit, now=so_far, levels=levels)


def window(over: Over, instant: datetime, timezone: str = "UTC") -> tuple[datetime, datetime]:
    """The calendar hour, day, week (from Monday) or month around ``instant`` in a time zone, as instants in UTC.

    A day may have 23 or 25 hours, a month an hour more or less than its days.
    """
    zone = ZoneInfo(timezone)
    first = instant.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if over == "hour":
        hour = first.astimezone(UTC)
        return hour, hour + timedelta(hours=1)
    first = first.replace(hour=0, fold=0)
    if over == "day":
        after = first + timedelta(days=1)
    elif over == "week":
        first -= timedelta(days=first.weekday())
        after = first + timedelta(days=7)
    else:
        first = first.replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
    return first.astimezone(UTC), after.astimezone(UTC)


def step_times(forecast: Forecast) -> list[datetime]:
    """The instant of each step."""
    return [forecast.cutoff + (i + 1) * forecast.step for i in range(forecast.horizon)]


def _weights(forecast: Forecast, start: datetime, end: datetime, per: timedelta | None) -> FloatArray:
    """What a step's value adds to the total: the part of the step inside the stretch, in steps or in ``per``."""
    unit = (forecast.step / per) if per is not None else 1.0
    from_start = np.array([(time - start) / forecast.step for time in step_times(forecast)])
    to_end = np.array([(end - time) / forecast.step for time in step_times(forecast)])
    inside: FloatArray = np.clip(np.minimum(from_start, 1.0 + to_end), 0.0, 1.0) * unit
    return inside
