"""What each hour cost by workload, one compressed row for each hour: four weeks of 2,000 are read in 3 s of CPU."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.state.tables import CostHourRow

_AT_ONCE: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class CostHour:
    """One hour.

    Attributes:
        start: A whole hour, UTC.
        currency: Of the amounts.
        seen: Share of it in which anything was known (ratio).
        made_at: When it was reckoned.
        costs: Amounts as text; the keys belong to ``cost.allocation.rollup``.
    """

    start: datetime
    currency: str
    seen: float
    made_at: datetime
    costs: Mapping[str, str]


class CostHours:
    """All of them."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, hour: CostHour) -> None:
        """Keep it, in place of what was known of this hour."""
        body = zlib.compress(json.dumps(dict(hour.costs), ensure_ascii=False, separators=(",", ":")).encode())
        self._session.merge(
            CostHourRow(start=hour.start, currency=hour.currency, seen=hour.seen, made_at=hour.made_at, body=body)
        )
        self._session.flush()

    def known(self, since: datetime) -> dict[datetime, tuple[float, datetime]]:
        """Of each hour from ``since`` on how much of it was seen, and when it was reckoned."""
        rows = select(CostHourRow.start, CostHourRow.seen, CostHourRow.made_at).where(CostHourRow.start >= since)
        return {start: (seen, made_at) for start, seen, made_at in self._session.execute(rows)}

    def since(self, start: datetime) -> Iterator[CostHour]:
        """In order of time, a few in memory at once."""
        rows = select(CostHourRow).where(CostHourRow.start >= start).order_by(CostHourRow.start)
        for row in self._session.scalars(rows.execution_options(yield_per=_AT_ONCE)):
            yield _hour(row)
            self._session.expunge(row)

    def some(self, starts: Collection[datetime]) -> Iterator[CostHour]:
        """Those of certain hours, in order of time."""
        ordered = sorted(starts)
        for first in range(0, len(ordered), _AT_ONCE):
            part = ordered[first : first + _AT_ONCE]
            rows = select(CostHourRow).where(CostHourRow.start.in_(part)).order_by(CostHourRow.start)
            for row in self._session.scalars(rows).all():
                yield _hour(row)
                self._session.expunge(row)

    def forget_before(self, instant: datetime) -> None:
        """Delete older ones."""
        self._session.execute(delete(CostHourRow).where(CostHourRow.start < instant))


def _hour(row: CostHourRow) -> CostHour:
    costs = json.loads(zlib.decompress(row.body))
    return CostHour(start=row.start, currency=row.currency, seen=row.seen, made_at=row.made_at, costs=costs)
