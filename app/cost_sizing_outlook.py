"""The days ahead of a container's busiest pod, for the engine ``forecast``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from cost.sizing.forecast import Outlook, Policy, without_startup
from cost.sizing.observed import Observed, Resource
from domain.errors import FitFailedError, HistoryTooShortError, NoDataError
from forecaster import paths
from forecaster.fit import FitRequest, fit

STEP: Final = timedelta(hours=1)
HORIZON: Final = timedelta(days=7)
_LEAST: Final = timedelta(days=1)
"""Of history: with less, a forecast of a week says nothing."""


def outlook(observed: Observed, resource: Resource, *, now: datetime) -> Outlook:
    """Sampled paths of the next week by hour; empty with less than a day of history.

    Each hour is the highest five minutes of any pod, so that pods that come and go are one history. The seasonal naive
    model alone: 20 ms a container, where the competition of all takes 120, and a request needs a peak, not a curve.
    """
    seen = without_startup(observed, Policy().startup) if resource is Resource.CPU else observed
    tracks = seen.tracks(resource)
    if not tracks:
        return Outlook()
    times = np.concatenate([one.times for one in tracks])
    hours = np.floor(times / STEP.total_seconds()).astype(np.int64)
    first, count = int(hours.min()), int(hours.max() - hours.min()) + 1
    if count * STEP < _LEAST:
        return Outlook()
    values = np.full(count, -np.inf)
    np.maximum.at(values, hours - first, np.concatenate([one.values for one in tracks]))
    request = FitRequest(
        signal=f"{observed.target}/{observed.container}/{resource}", values=np.where(np.isinf(values), np.nan, values),
        start=datetime.fromtimestamp(first * STEP.total_seconds(), UTC), step=STEP, season=timedelta(days=1),
        horizon=HORIZON // STEP, model="seasonal_naive", made_at=now,
    )  # fmt: skip
    try:
        return Outlook(paths=paths.sample(fit(request)))
    except (NoDataError, HistoryTooShortError, FitFailedError):
        return Outlook()
