"""The hours that an applied change is measured by: what its target cost, its twin's cost, and the demand it had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np

from app.queries import Queries
from cost.allocation.ledger import exact_sum
from cost.allocation.rollup import Grouping, HourCosts, Key
from cost.verified.before_after import HOUR, Hours
from domain.errors import ForetideError
from domain.recommendations import Target
from domain.series import FloatArray
from rules import RuleSet
from rules.asked import demand_query

SEEN: Final = 0.5
"""Of an hour, for it to count."""
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job", "Rollout"})
_LOOKS: Final = 4
_LOOK: Final = HOUR / _LOOKS
_GROUPING: Final = ("namespace", "owner")


@dataclass(frozen=True, slots=True)
class _Read:
    start: datetime
    sums: Mapping[Key, Decimal]
    seen: float


class CostByHour:
    """Every hour that was read, once, by workload and in all."""

    def __init__(self, hours: Iterable[HourCosts]) -> None:
        """Hours in order of time; those in another currency than the newest count as unknown."""
        grouping = Grouping(_GROUPING)
        read = [(one.currency, _Read(one.start, grouping.sums(one.costs), one.seen)) for one in hours]
        self.currency = read[-1][0] if read else ""
        self._hours = [one for currency, one in read if currency == self.currency and one.seen >= SEEN]

    def of(self, target: Target) -> Hours | None:
        """What it cost in each hour that was seen by half; None where hours do not tell it apart."""
        if not self._hours or not can_tell(target):
            return None
        first, last = self._hours[0].start, self._hours[-1].start
        cost = np.full((last - first) // HOUR + 1, np.nan)
        for one in self._hours:
            amount = exact_sum(each for key, each in one.sums.items() if _is_of(key, target))
            cost[(one.start - first) // HOUR] = float(amount) / one.seen
        return Hours(start=first, cost=cost)


def can_tell(target: Target) -> bool:
    """Whether hours of cost tell it apart: workloads, namespaces, and pools of nodes by the whole bill."""
    return target.kind in WORKLOADS or target.kind in ("Namespace", "NodePool")


def _is_of(key: Key, target: Target) -> bool:
    if target.kind == "NodePool":  # what leaves a pool may go to another: the whole bill says whether it went
        return True
    if target.kind == "Namespace":
        return len(key) == len(_GROUPING) and key[0] == target.name
    return key == (target.namespace, f"{target.kind}/{target.name}")


class Demand:
    """Of a workload that a rule scales: the first demand of its rule, by the hour."""

    def __init__(self, queries: Queries, rules: RuleSet) -> None:
        """Nothing is asked yet."""
        self._queries, self._rules = queries, rules

    def of(self, target: Target, hours: Hours) -> FloatArray | None:
        """In each of the hours; None where no rule tells, or its source does not answer."""
        for rule in self._rules.rules:
            aimed = rule.target
            if (aimed.namespace, aimed.kind, aimed.name) != (target.namespace, target.kind, target.name):
                continue
            for query in filter(None, map(demand_query, rule.spec.triggers)):
                try:
                    values, _ = self._queries.history(
                        query.expr, hours.start + _LOOK, hours.end, _LOOK, source=query.source
                    )
                except ForetideError:
                    continue
                return by_hour(values, len(hours.cost))
        return None


def by_hour(values: FloatArray, hours: int) -> FloatArray:
    """Means of four looks each; NaN where none of them found anything."""
    grid = np.full(hours * _LOOKS, np.nan)
    kept = values[: len(grid)]
    grid[: len(kept)] = kept
    looks = grid.reshape(hours, _LOOKS)
    known = np.isfinite(looks)
    count = known.sum(axis=1)
    total = np.where(known, looks, 0.0).sum(axis=1)
    means: FloatArray = np.divide(total, count, out=np.full(hours, np.nan), where=count > 0)
    return means
