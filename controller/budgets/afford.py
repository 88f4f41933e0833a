"""How many replicas the rest of a budget is good for, on sampled paths: ``to: affordable``.

The largest R with ``P(spent + others + price x sum(min(R, replicas)) > limit) <= 20 %``: it falls with R, so bisection
finds it. Paths of the others are put beside those of the rule by rank: a month that is dear for one is dear for all,
which errs on the side of the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.series import FloatArray

RISK: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Affordable:
    """The answer.

    Attributes:
        replicas: At most; 0 where not even none is affordable.
        saving: Mean of what is not spent, in the unit of ``each``.
        saturated_hours: Mean hours in which more were wanted than there would be.
    """

    replicas: int
    saving: float
    saturated_hours: float


def affordable(
    paths: FloatArray, *, each: float, others: FloatArray, left: float, most: int, hours: float = 1.0,
    risk: float = RISK,
) -> Affordable:  # fmt: skip
    """The largest number of replicas that the money is good for.

    Args:
        paths: Replicas that are wanted, shape ``(paths, steps)``.
        each: Price of a replica and hour.
        others: What everything else of the budget costs until the period ends, shape ``(paths,)``.
        left: Of the limit, after what is spent.
        most: The rule's ``max``.
        hours: Of a step.
        risk: Share of the paths that may end above.
    """
    order = np.argsort(paths.sum(axis=1), kind="stable")
    wanted, beside = paths[order], np.sort(others)

    def fits(replicas: int) -> bool:
        cost = beside + each * hours * np.minimum(wanted, replicas).sum(axis=1)
        return bool((cost > left).mean() <= risk)

    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return of(wanted, low, each=each, hours=hours)


def of(paths: FloatArray, replicas: int, *, each: float, hours: float = 1.0) -> Affordable:
    """What a given number comes to."""
    cut = np.maximum(paths - replicas, 0.0)
    return Affordable(
        replicas=replicas, saving=float(cut.sum(axis=1).mean()) * each * hours,
        saturated_hours=float((cut > 1e-9).sum(axis=1).mean()) * hours,
    )  # fmt: skip
