"""How many units to commit to: as many as pay for themselves in the hour-by-hour mixture of demand.

Committed units cost ``r`` in every hour, used or not; demand above them costs ``p``. Cost is least at
``Q* = F⁻¹(1 − r/p)`` over all hours of all paths: unit ``k`` pays if and only if demand reaches it in more than ``r/p``
of the time. Neither the mean nor the minimum of demand says that.

Source: the newsvendor problem; facts and vectors are checked by ``tests/conformance/commitments.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from math import erf, exp, pi, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from domain.series import FloatArray

_DIGITS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one unit costs in an hour.

    Attributes:
        on_demand: ``p``, > 0.
        committed: ``r``, upfront payments spread over the term; ≥ 0.
        useless: Probability that the capacity becomes useless before the term ends (a migration, another machine type);
            ``r`` counts as ``r ÷ (1 − useless)`` when the quantity is chosen. 0 ≤ useless < 1.
    """

    on_demand: Decimal
    committed: Decimal
    useless: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """Refuse rates that no quantity follows from."""
        if self.on_demand <= 0 or self.committed < 0 or not 0 <= self.useless < 1:
            raise ValueError(f"no rates to commit with: {self}")

    @property
    def break_even(self) -> Fraction:
        """Share of the time in which a committed unit must be used to pay; at 1 or above nothing does."""
        return Fraction(self.committed) / Fraction(self.on_demand) / (1 - Fraction(self.useless))


def quantity(demand: FloatArray, rates: Rates) -> float:
    """The smallest quantity of least cost.

    Args:
        demand: Units in each hour, of any shape: paths and hours are one mixture. Not a number counts as no demand: an
            unknown hour may hold off a purchase, never make one.
        rates: What a unit costs.

    Returns:
        One of the values of ``demand``, or 0: never below it.

    Raises:
        ValueError: There is no hour.
    """
    hours = np.sort(np.nan_to_num(np.asarray(demand, dtype=np.float64).ravel(), nan=0.0))
    if not hours.size:
        raise ValueError("no hour of demand")
    # Hours that may lie above the quantity: exact, for r/p is often a third or a half and a float would miss it.
    above = int(rates.break_even * hours.size)
    if above >= hours.size:
        return 0.0
    return max(float(hours[hours.size - 1 - above]), 0.0)


def hourly_cost(demand: FloatArray, committed: float, rates: Rates) -> Decimal:
    """Mean cost of an hour with ``committed`` units: ``r·Q + p·E[(D − Q)⁺]``; exact in the prices."""
    hours = np.nan_to_num(np.asarray(demand, dtype=np.float64).ravel(), nan=0.0)
    over = float(np.maximum(hours - committed, 0.0).mean())
    with localcontext() as context:
        context.prec = _DIGITS
        return rates.committed * Decimal(repr(committed)) + rates.on_demand * Decimal(repr(over))


def of_normal(mean: float, deviation: float, rates: Rates) -> tuple[float, Decimal]:
    """Quantity and mean hourly cost where demand is normal: the closed form that the sampled one is checked against."""
    share = float(1 - rates.break_even)
    if share <= 0:
        return 0.0, rates.on_demand * Decimal(repr(mean))
    if share >= 1:
        raise ValueError("a commitment that costs nothing has no least quantity")
    score = NormalDist().inv_cdf(share)
    best = max(mean + deviation * score, 0.0)
    score = (best - mean) / deviation
    density, below = exp(-score * score / 2) / sqrt(2 * pi), (1 + erf(score / sqrt(2))) / 2
    over = deviation * (density - score * (1 - below))
    return best, rates.committed * Decimal(repr(best)) + rates.on_demand * Decimal(repr(over))
