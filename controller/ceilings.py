"""Ceilings by what stands behind a workload: as many replicas as a constant or a query leaves room for.

Where a query is missing, its last known ceiling goes on, but lowers nothing; without one, nothing is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from controller.guardrails import Ceiling
from controller.memory import Recommendation
from controller.triggers import Missing, Reading
from controller.triggers.wording import number, span
from domain.series import Signal
from rules.schema import DownstreamCeiling

Known = Mapping[str, Recommendation]


def of_limit(one: DownstreamCeiling) -> Ceiling:
    """A ceiling that stands in the document."""
    return _ceiling(one, float(one.limit or 0))


def of_reading(one: DownstreamCeiling, reading: Reading, known: Known, *, current: int, now: datetime) -> Ceiling:
    """A ceiling that is asked for."""
    if isinstance(reading, Signal) and reading.value >= 0:
        return _ceiling(one, reading.value)
    why = reading.reason if isinstance(reading, Missing) else "what it yields is no capacity"
    last = known.get(one.name)
    if last is None:
        return Ceiling(kind="downstream", name=one.name, replicas=current, said=f"unknown, {why}: nothing is added")
    said = f"{last.replicas} as known {span(now - last.at)} ago, {why}"
    return Ceiling(kind="downstream", name=one.name, replicas=max(last.replicas, current), said=said)


def remembered(ceilings: Mapping[str, Ceiling], readings: Mapping[str, Reading], known: Known, now: datetime) -> Known:
    """What is known of them for the next tick; a ceiling without data keeps its last number."""
    fresh = {
        name: Recommendation(at=now, replicas=ceilings[name].replicas)
        for name, reading in readings.items()
        if isinstance(reading, Signal) and reading.value >= 0
    }
    return {**{name: one for name, one in known.items() if name in readings}, **fresh}


def _ceiling(one: DownstreamCeiling, limit: float) -> Ceiling:
    each = float(one.per_replica)
    replicas = min(int(limit / each + 1e-9), 2**31 - 1)  # 0.3 ÷ 0.1 is 2.9999999999999996
    return Ceiling(
        kind="downstream", name=one.name, replicas=replicas, said=f"{number(limit)} ÷ {number(each)} per replica"
    )  # fmt: skip
