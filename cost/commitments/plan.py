"""A plan to buy commitments: what is missing after right-sizing and beside what is owned, in parts, with its regret.

Nothing is ever bought by Foretide: a plan is advice with its figures. Commitments are on whole units.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

import numpy as np

from cost.commitments.newsvendor import Rates, hourly_cost, quantity
from domain.series import FloatArray

MOST_DOUBT: Final = Fraction(1, 10)
"""Share of paths on which a commitment may end up used less than it must be to pay."""
LEVELS: Final = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A commitment that runs; ``quantity`` units until ``ends``."""

    id: str
    quantity: float
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """How much more an hour costs with the plan than with the best quantity, had one known the demand.

    Attributes:
        level: Of demand: 0.1 is a path that nine of ten exceed in the mean.
        best: Quantity that would have been right on that path.
        hourly: Mean cost of an hour with the plan, less that with ``best``; ≥ 0.
    """

    level: float
    best: float
    hourly: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One part of a plan."""

    on: date
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to buy for one pool.

    Attributes:
        quantity: Units to buy in all.
        unconstrained: What the newsvendor alone says; more than ``quantity`` where too many paths would not use it.
        break_even: Share of the time in which a unit must be used.
        hourly_now: Mean cost of an hour without the plan, of what owned commitments do not cover.
        hourly_then: The same with it.
        purchases: The ladder.
        regrets: At low, middle and high demand.
    """

    quantity: int
    unconstrained: int
    break_even: float
    hourly_now: Decimal
    hourly_then: Decimal
    purchases: tuple[Purchase, ...]
    regrets: tuple[Regret, ...]

    @property
    def hourly_saving(self) -> Decimal:
        """Mean saving of an hour; ≥ 0."""
        return self.hourly_now - self.hourly_then


def plan(
    paths: FloatArray, *, rates: Rates, start: datetime, step: timedelta = timedelta(hours=1),
    owned: Sequence[Owned] = (), kept: float = 1.0, parts: int = 4,
) -> Plan:  # fmt: skip
    """What to commit to.

    Args:
        paths: Sampled demand in units over the term, shape ``(paths, steps)``, earliest step first.
        rates: What a unit costs.
        start: Of the first step, aware.
        step: Of the paths.
        owned: What runs already; a step sees those that have not ended.
        kept: Share of demand that is left once workloads are right-sized, 0–1: first size, then commit, or the
            commitment is to waste.
        parts: Purchases a month apart that the quantity is bought in.

    Raises:
        ValueError: No path or step, ``kept`` outside 0–1, or no part.
    """
    if paths.ndim != 2 or not paths.size or not 0 <= kept <= 1 or parts < 1:
        raise ValueError("a plan needs paths of one term, a share of 0 to 1 that is kept, and at least one part")
    left = residual(paths * kept, owned, start=start, step=step)
    best = int(quantity(left, rates))
    count = _used_enough(left, best, rates)
    return Plan(
        quantity=count, unconstrained=best, break_even=float(rates.break_even),
        hourly_now=hourly_cost(left, 0.0, rates), hourly_then=hourly_cost(left, float(count), rates),
        purchases=ladder(count, start=start.date(), parts=parts), regrets=regrets(left, count, rates),
    )  # fmt: skip


def residual(paths: FloatArray, owned: Sequence[Owned], *, start: datetime, step: timedelta) -> FloatArray:
    """Demand that no commitment covers yet, step by step, for commitments end within the term; ≥ 0."""
    covered = np.zeros(paths.shape[1])
    for one in owned:
        runs = int(np.ceil((one.ends - start) / step))
        covered[: max(runs, 0)] += one.quantity
    return np.maximum(np.nan_to_num(paths, nan=0.0) - covered, 0.0)


def _used_enough(left: FloatArray, most: int, rates: Rates) -> int:
    """The largest quantity up to ``most`` that at most a tenth of the paths would use too little.

    Use of the last unit only falls with the quantity, so that bisection finds it.
    """
    allowed = int(MOST_DOUBT * left.shape[0])
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        used = np.minimum(left, middle).mean(axis=1) / middle
        if int((used < float(rates.break_even)).sum()) <= allowed:
            low = middle
        else:
            high = middle - 1
    return low


def ladder(count: int, *, start: date, parts: int) -> tuple[Purchase, ...]:
    """Parts a month apart, as equal as whole units allow; they end apart, too, so that each is decided anew."""
    bought = [-(-count * (i + 1) // parts) + (-count * i // parts) for i in range(parts)]
    return tuple(Purchase(on=_months_after(start, i), quantity=one) for i, one in enumerate(bought) if one)


def _months_after(start: date, count: int) -> date:
    """The same day of a later month, or its last day."""
    year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def regrets(left: FloatArray, count: int, rates: Rates) -> tuple[Regret, ...]:
    """Of the paths whose mean demand stands at each level."""
    order = np.argsort(left.mean(axis=1), kind="stable")
    found: list[Regret] = []
    for level in LEVELS:
        path = left[order[min(int(level * len(order)), len(order) - 1)]]
        best = float(int(quantity(path, rates)))
        # Whole units lie on either side of the least cost.
        best = min((best, best + 1.0), key=lambda units: (hourly_cost(path, units, rates), units))
        hourly = hourly_cost(path, float(count), rates) - hourly_cost(path, best, rates)
        found.append(Regret(level=level, best=best, hourly=max(hourly, Decimal(0))))
    return tuple(found)
