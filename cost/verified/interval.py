"""How sure a difference is: days are drawn with replacement, for the hours of a day are not independent of each other.

Few days make the plain interval too narrow: of ten weeks it would miss three, not two. The levels that are read off are
moved outwards as Student's t asks for (Hesterberg, "What Teachers Should Know about the Bootstrap", 2014, §4.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from statistics import NormalDist
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

SEED: Final = 20_260_601
"""Fixed: the same days give the same interval, on every machine and after every restart. Any number would do."""
DRAWS: Final = 2_000
DAY: Final = timedelta(days=1)
LEAST_DAYS: Final = 7
"""Each day of the week once."""
LEVEL: Final = 0.1
_DIGITS: Final = Decimal("0.000001")
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was saved in an hour.

    Attributes:
        saving: The estimate; below 0 where it cost more.
        p10: Nine in ten that it is more.
        p90: One in ten that it is more.
        days: That it stands on: those after the change, or of either kind.
        scaled: Whether it is held against the demand that there was.
    """

    saving: Decimal
    p10: Decimal
    p90: Decimal
    days: int
    scaled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """Why there is no figure."""

    why: str


def of_draws(saving: float, draws: FloatArray, *, days: int, fewest: int, scaled: bool = False) -> Measured:
    """The estimate with the interval of its draws; ``fewest`` days decide how far the levels go outwards."""
    low, high = np.quantile(draws, levels(fewest))
    return Measured(saving=money(saving), p10=money(min(low, saving)), p90=money(max(high, saving)), days=days,
                    scaled=scaled)  # fmt: skip


def of_days(differences: Sequence[float]) -> Measured | NotYet:
    """The mean of a difference that each day has by itself, such as a rule's."""
    if len(differences) < LEAST_DAYS:
        return too_few(len(differences))
    each = np.asarray(differences, dtype=np.float64)
    draws = each[drawn(len(each))].mean(axis=1)
    return of_draws(float(each.mean()), draws, days=len(each), fewest=len(each))


def too_few(days: int) -> NotYet:
    """Said the same way by every method."""
    return NotYet(why=f"not yet: {days} of {LEAST_DAYS} days")


def drawn(days: int, stream: int = 0) -> IntArray:
    """Places of days, shape ``(DRAWS, days)``; another ``stream`` for what is independent of the first."""
    return np.random.default_rng((SEED, stream)).integers(0, days, size=(DRAWS, days))


def levels(days: int) -> tuple[float, float]:
    """At which draws are read for p10 and p90: 0.06 and 0.94 for seven days, 0.1 and 0.9 for very many."""
    low = _NORMAL.cdf(-math.sqrt(days / (days - 1)) * _student(1 - LEVEL, days - 1))
    return low, 1 - low


def money(amount: float) -> Decimal:
    """To a millionth: a cent of an hour is 7 a month."""
    return Decimal(repr(float(amount))).quantize(_DIGITS)


def _student(level: float, freedom: int) -> float:
    """Quantile of Student's t; 0.001 off at six degrees (Abramowitz and Stegun, 26.7.5)."""
    z = _NORMAL.inv_cdf(level)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2
