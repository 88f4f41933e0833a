"""What ``actuate`` with ``bounds`` or ``hpa`` would write to an HPA: minReplicas and maxReplicas.

The lower bound is the result of the whole chain without the triggers that the HPA measures itself, from its last one on
instead of the replicas that are there, so that it moves by the same windows, policies and steps. The upper bound is the
lowest ceiling. In ``combine`` the HPA's own triggers count as missing: what it says of them, the HPA decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller import core, guardrails, need
from controller.guardrails import Numbers, Situation, SloState


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The two, and the need that the lower one began with."""

    lower: int
    upper: int
    need: int


def bounds_of(situation: Situation, measured: frozenset[str]) -> Bounds:
    """At one tick; the memory tells the last lower bound, and without one it begins at ``min``.

    ``measured`` are the triggers that the HPA measures itself.
    """
    around, memory = situation.circumstances, situation.memory
    wants = tuple(want for want in situation.wants if want.proposal.trigger not in measured)
    last = situation.min_replicas if memory.lower_bound is None else memory.lower_bound
    current = min(max(last, situation.min_replicas), situation.max_replicas)
    ours = replace(situation, current_replicas=current, wants=wants, circumstances=around)
    measuring = any(not want.is_forecast for want in wants)
    needs = need.of(wants, program=around.combine, current=current if measuring else 0)
    given = guardrails.inputs(ours, wanted=needs.replicas, floor=needs.floor)
    numbers = replace(Numbers.of(ours), event_at=[], changes=[])
    lower, _ = numbers.decide(given, memory.bound_needs)
    upper = _upper(situation)
    return Bounds(lower=min(lower, upper), upper=upper, need=max(needs.replicas, needs.floor or 0))


def _upper(situation: Situation) -> int:
    around, low, high = situation.circumstances, situation.min_replicas, situation.max_replicas
    money = guardrails.lowest_ceiling(around, "budget") if around.slo is SloState.OK else core.MAX_INT32
    ceiling = guardrails.lowest_ceiling(around, "downstream", "cluster")
    scheduled = core.MAX_INT32 if around.schedule_max is None else around.schedule_max
    return min(max(min(money, ceiling, scheduled), low), high)
