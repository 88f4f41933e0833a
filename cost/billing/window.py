"""The time that a bill and a model both speak of, and the share of an amount that falls into it.

An amount is spread evenly over its own period. A share without an end is cut at 1e-12 of the currency; the parts of
an amount always add up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from cost.billing.charges import Charge, hours
from cost.billing.exact import share
from cost.billing.model import Modelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From ``start`` until before ``end``; empty where ``end`` is not later."""

    start: datetime
    end: datetime

    @property
    def is_empty(self) -> bool:
        """Whether the two speak of no common time."""
        return self.end <= self.start

    def clipped(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """The part of a stretch inside; None where there is none."""
        inside = max(start, self.start), min(end, self.end)
        return inside if inside[0] < inside[1] else None

    def part(self, amount: Decimal, start: datetime, end: datetime) -> Decimal:
        """The share of an amount of ``[start, end)`` that falls inside."""
        inside = self.clipped(start, end)
        if inside is None:
            return Decimal(0)
        if inside == (start, end):
            return amount
        return share(amount, hours(inside[1] - inside[0]), hours(end - start))


def common(charges: Iterable[Charge], modelled: Sequence[Modelled], *, as_of: datetime) -> Window | None:
    """What both cover: a bill its billing periods, the open one only as far as its usage goes; None without either.

    Args:
        charges: Those that count.
        modelled: The model.
        as_of: Billing periods that end later are open.
    """
    spans: list[tuple[datetime, datetime]] = []
    for one in charges:
        period = one.period
        if period is None or not one.is_usage:
            continue
        start, end = one.billing_period_start or period[0], one.billing_period_end
        spans.append((min(start, period[0]), period[1] if end is None or end > as_of else end))
    if not spans or not modelled:
        return None
    return Window(
        start=max(min(start for start, _ in spans), min(one.start for one in modelled)),
        end=min(max(end for _, end in spans), max(one.end for one in modelled)),
    )


def by_day(amount: Decimal, start: datetime, end: datetime) -> Iterator[tuple[date, Decimal]]:
    """An amount over the UTC days of its stretch; the last day takes what is left."""
    whole, left, begin = hours(end - start), amount, start
    while begin < end:
        midnight = datetime.combine(begin.date() + timedelta(days=1), time(), tzinfo=UTC)
        until = min(midnight, end)
        part = left if until == end else share(amount, hours(until - begin), whole)
        yield begin.date(), part
        left, begin = left - part, until
