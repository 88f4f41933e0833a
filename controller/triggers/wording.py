"""Numbers as a decision's sentences write them."""

from __future__ import annotations

from datetime import timedelta

from domain.scaling import Workload
from domain.units import format_duration
from rules.schema import Trigger


def per_replica(trigger: Trigger) -> float:
    """What one replica should carry, of whatever the trigger measures."""
    if trigger.queue is not None:
        return float(trigger.queue.per_replica_rate)
    if trigger.as_replicas:
        return 1.0
    if trigger.per_replica is None:  # the schema demands it; this is for the type checker
        raise ValueError(f"trigger {trigger.name} has no perReplica")
    return float(trigger.per_replica)


def carried(trigger: Trigger, workload: Workload) -> float:
    """The same, as it was learned where the trigger learns it."""
    found = workload.carried.get(trigger.name)
    return per_replica(trigger) if found is None else found.value


def unlearned(source: Trigger, workload: Workload) -> str:
    """Why a forecast of ``source`` has no say; empty where it has: what a replica carries is known."""
    found = workload.carried.get(source.name)
    if found is None or found.learned:
        return ""
    return f"what a replica carries of {source.name} is not learned ({found.said}): reactive until it is"


def unit_of(trigger: Trigger) -> str:
    """``/s`` where the query is plainly a rate. A guess from its text, for the reader only."""
    if trigger.trace is not None:
        return " s" if trigger.trace.is_latency else "/s" if trigger.trace.measure == "rate" else ""
    if trigger.queue is not None:
        return "/s"
    expr = trigger.query.expr if trigger.query is not None else ""
    return "/s" if "rate(" in expr and ")/" not in expr.replace(" ", "") else ""


def number(value: float) -> str:
    """One digit after the point from 10 on, three below."""
    digits = 1 if abs(value) >= 10 else 3
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def percent(ratio: float) -> str:
    """A ratio in percent."""
    return f"{number(ratio * 100)} %"


def span(duration: timedelta) -> str:
    """Up to five minutes in seconds, as people say it for reactions; longer ones as Prometheus writes them."""
    seconds = duration.total_seconds()
    return f"{seconds:.0f} s" if seconds <= 300 else format_duration(timedelta(seconds=round(seconds)))
