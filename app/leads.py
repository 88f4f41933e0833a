"""The past that a lead forecast begins from: of the embedded store by ticks, of a guest's server by minutes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np

from app.guests import LEAD_STEP
from app.queries import Queries
from domain.load_ahead import TICK
from domain.series import FloatArray
from forecaster import leads

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LoadPast:
    """Reads a query's past on the grid of the decisions."""

    def __init__(self, queries: Queries) -> None:
        """Ask ``queries``."""
        self._queries = queries

    def __call__(self, expr: str, start: datetime, end: datetime, *, source: str | None = None) -> FloatArray:
        """One value for each tick, both ends included, NaN where there is none; errors as of ``Queries.history``."""
        step = LEAD_STEP if self._queries.is_guest(source) else TICK
        first, last = _EPOCH + (start - _EPOCH) // step * step, _EPOCH + (end - _EPOCH) // step * step
        values, _ = self._queries.history(expr, first, last, step, source=source)
        spread = leads.spread(values, step)
        skipped, wanted = (start - first) // TICK, (end - start) // TICK + 1
        made = np.full(wanted, np.nan)
        known = spread[skipped : skipped + wanted]
        made[: len(known)] = known
        return made
