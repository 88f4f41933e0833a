"""When a level first reaches a limit (disk full, quota, address range, ``maxReplicas``): a distribution of dates.

Each sampled path is looked at by itself; the dates of the quantiles are those by which so many of the paths have
arrived. The first of many steps past a limit is a matter of dependence: read off the steps' own quantiles it would be
wrong in either direction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from domain.errors import NoDataError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import paths

LEVELS: Final = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """When a limit is first reached.

    Attributes:
        already: It is reached now; every date is then the cutoff's or unknown, the probability 1.
        probability: That it is reached within the horizon (ratio).
        dates: By level, the first step by which such a share of the paths has arrived; None where that lies beyond the
            horizon, or the limit is reached already.
        until: The last step looked at.
    """

    already: bool
    probability: float
    dates: Mapping[float, datetime | None]
    until: datetime


def reached(
    forecast: Forecast, limits: Mapping[str, float | FloatArray], *, now: float | None = None,
    levels: Sequence[float] = LEVELS, count: int = paths.PATHS,
) -> dict[str, Reach]:  # fmt: skip
    """When a forecast level reaches each limit; all limits are asked of the same paths.

    Args:
        forecast: Of the level.
        limits: By name: a constant, or one value per step; NaN is taken from the step before.
        now: The last measured level; None or NaN where nobody knows, then nothing is reached already.
        levels: Quantiles of the date.
        count: Number of paths.

    Raises:
        NoDataError: A limit is NaN throughout.
    """
    made = paths.sample(forecast, count=count)
    times = [forecast.cutoff + (i + 1) * forecast.step for i in range(forecast.horizon)]
    try:
        return {name: reach(made, times, limit, now=now, levels=levels) for name, limit in limits.items()}
    except NoDataError as error:
        raise NoDataError(f"{forecast.signal}: {error}") from error


def reach(
    made: FloatArray, times: Sequence[datetime], limit: float | FloatArray, *, now: float | None = None,
    levels: Sequence[float] = LEVELS,
) -> Reach:  # fmt: skip
    """When paths of shape ``(count, steps)`` first stand at a limit or above it.

    Args:
        made: The paths.
        times: Of the steps, at least one.
        limit: A constant, or one value per step.
        now: The level before the first step.
        levels: Quantiles of the date.

    Raises:
        NoDataError: The limit is NaN throughout.
    """
    limits = _known(limit, len(times))
    if now is not None and now >= limits[0]:
        return Reach(already=True, probability=1.0, dates=dict.fromkeys(levels), until=times[-1])
    above = made >= limits
    arrived = above.any(axis=1)
    first = np.sort(np.where(arrived, np.argmax(above, axis=1), len(times)))
    dates = {level: _date(first, level, times) for level in levels}
    return Reach(already=False, probability=float(arrived.mean()), dates=dates, until=times[-1])


def demand_at_most(max_replicas: int, per_replica: float) -> float:
    """The demand that ``maxReplicas`` can just carry; with a forecast above it, demand goes unmet.

    Args:
        max_replicas: Of the rule or the HorizontalPodAutoscaler.
        per_replica: Demand that one replica carries, > 0, in the signal's unit.

    Source:
        Kubernetes HPA, "Algorithm details": replicas = ceil(demand ÷ target).
    """
    return max_replicas * per_replica


def _date(first: FloatArray, level: float, times: Sequence[datetime]) -> datetime | None:
    """Of sorted first steps, that by which a share of at least ``level`` has arrived."""
    at = int(first[max(int(np.ceil(level * len(first) - 1e-9)) - 1, 0)])
    return times[at] if at < len(times) else None


def _known(limit: float | FloatArray, steps: int) -> FloatArray:
    """One limit per step; an unknown one (NaN) takes the step before, at the beginning the first that is known."""
    limits = np.broadcast_to(np.asarray(limit, dtype=np.float64), (steps,))
    known = np.flatnonzero(~np.isnan(limits))
    if not len(known):
        raise NoDataError("the limit has no value")
    at = known[np.maximum(np.searchsorted(known, np.arange(steps), side="right") - 1, 0)]
    filled: FloatArray = limits[at]
    return filled
