"""Demand, prices and owned commitments as a bill has them, hour by hour, for each kind of machine.

What a bill cannot say: growth, what right-sizing will free, and when a commitment ends. Demand of a bill by the day is
spread evenly over its hours, which hides the nights: a plan from it commits to more than it should.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from cost.billing.charges import CapacityType, Charge
from cost.billing.exact import ratio
from domain.series import FloatArray

_HOUR: Final = timedelta(hours=1)
_LONGEST: Final = timedelta(days=3 * 366)
"""Older hours are left out: no term is longer, and one mistyped year must not make a million of them."""
HOURS_PER_WEEK: Final = 168


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Machines that one commitment could stand for.

    Attributes:
        name: Machine type, or the bill's SKU where it names none.
        demand: Machines on demand or committed, hour by hour; spot is left out.
        owned: Machines that commitments paid for, used or not, hour by hour.
        on_demand: Mean price of an hour on demand; None where the bill has none.
        committed: Mean price of a committed hour, unused ones included; None where the bill has none.
        is_by_the_hour: Whether every charge was of one hour.
    """

    name: str
    region: str
    start: datetime
    demand: FloatArray
    owned: FloatArray
    on_demand: Decimal | None
    committed: Decimal | None
    is_by_the_hour: bool

    @property
    def missing(self) -> FloatArray:
        """Demand that no commitment covered, shape ``(weeks, 168)``; one row of all hours below two whole weeks.

        The hours before the first whole week are left out.
        """
        left: FloatArray = np.maximum(self.demand - self.owned, 0.0)
        weeks = len(left) // HOURS_PER_WEEK
        if weeks < 2:
            return left.reshape(1, -1)
        return left[len(left) - weeks * HOURS_PER_WEEK :].reshape(weeks, HOURS_PER_WEEK)


@dataclass(slots=True)
class _Sums:
    rows: list[tuple[datetime, datetime, Decimal, bool]] = field(default_factory=list)
    costs: dict[CapacityType, Decimal] = field(default_factory=dict)
    units: dict[CapacityType, Decimal] = field(default_factory=dict)


def pools(charges: Iterable[Charge]) -> tuple[Pool, ...]:
    """Of the usage that is charged in hours, the largest first.

    Only of compute, where the bill tells the category. A commitment's unused hours go to the machines that used the
    most of it; those of one that nothing used, or that is on money and not on machines, are of no pool.
    """
    rows = [one for one in charges if one.is_usage and not one.is_correction and _units(one) is not None]
    homes = _homes(rows)
    sums: dict[tuple[str, str], _Sums] = {}
    for one in rows:
        key = homes.get(one.commitment) if one.is_unused_commitment else _key(one)
        units, period = _units(one), one.period
        if key is None or units is None or period is None or one.capacity_type is CapacityType.SPOT:
            continue
        into = sums.setdefault(key, _Sums())
        into.rows.append((*period, units, one.is_unused_commitment))
        if one.effective_cost > 0:
            kind = one.capacity_type
            into.costs[kind] = into.costs.get(kind, Decimal(0)) + one.effective_cost
            into.units[kind] = into.units.get(kind, Decimal(0)) + units
        if one.capacity_type is CapacityType.RESERVED:
            into.rows.append((*period, -units, one.is_unused_commitment))
    made = [_pool(key, found) for key, found in sums.items()]
    return tuple(sorted(made, key=lambda one: (-float(one.demand.sum()), one.name, one.region)))


def _key(one: Charge) -> tuple[str, str]:
    return one.instance_type or one.sku or "(no SKU)", one.region


def _units(one: Charge) -> Decimal | None:
    """Machine-hours; None where the quantity is in something else, or takes something back."""
    if (
        one.period is None
        or one.service_category not in ("", "Compute")
        or not (one.resource or one.is_unused_commitment)
    ):
        return None
    hourly = {"hour", "hours", "hrs", "hr", "h"}
    # What was priced before what was consumed: of an hour that a commitment covers in part, both rows consumed it all.
    pairs = ((one.pricing_quantity, one.pricing_unit), (one.consumed_quantity, one.consumed_unit))
    found = next((count for count, unit in pairs if count is not None and unit.lower() in hourly), None)
    return found if found is not None and found > 0 else None


def _homes(rows: Iterable[Charge]) -> dict[str, tuple[str, str]]:
    """By commitment, the pool that used the most of it."""
    used: dict[str, dict[tuple[str, str], Decimal]] = {}
    for one in rows:
        if one.commitment and not one.is_unused_commitment:
            found = used.setdefault(one.commitment, {})
            found[_key(one)] = found.get(_key(one), Decimal(0)) + (_units(one) or Decimal(0))
    return {name: min(found, key=lambda key: (-found[key], key)) for name, found in used.items()}


def _pool(key: tuple[str, str], sums: _Sums) -> Pool:
    end = max(until for _, until, _, _ in sums.rows)
    earliest = max(min(begin for begin, _, _, _ in sums.rows), end - _LONGEST)
    start = earliest.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    demand, owned = (np.zeros(-(-(end - start) // _HOUR)) for _ in range(2))
    for begin, until, units, is_unused in sums.rows:
        first = (begin - start) // _HOUR
        last = max(-(-(until - start) // _HOUR), first + 1)
        each = abs(float(units)) / (last - first)
        first, last = max(first, 0), max(last, 0)
        if units < 0:
            owned[first:last] += each
        elif not is_unused:
            demand[first:last] += each
    return Pool(
        name=key[0], region=key[1], start=start, demand=demand, owned=owned,
        on_demand=_mean(sums, CapacityType.ON_DEMAND), committed=_mean(sums, CapacityType.RESERVED),
        is_by_the_hour=all(until - begin <= _HOUR for begin, until, _, _ in sums.rows),
    )  # fmt: skip


def _mean(sums: _Sums, kind: CapacityType) -> Decimal | None:
    return ratio(sums.costs.get(kind, Decimal(0)), sums.units.get(kind, Decimal(0)))
