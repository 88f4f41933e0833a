"""The decision: a plain function of rule, signals, forecasts, workload, memory and time.

Nothing here reads a clock, a store or a cluster, so that the live loop, ``observe`` and later the simulator are one
code and a replay decides the same, down to the id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from controller import guardrails, hpa, idling, need, own_hpa, telling, triggers
from controller.bounds import bounds_of
from controller.guardrails import NEUTRAL, Circumstances, Numbers, Situation
from controller.memory import Memory
from controller.triggers import Missing, Reading, Want
from domain.forecasts import Forecast
from domain.load_ahead import Outlook
from domain.money import Money
from domain.scaling import Decision, Outcome, Reason, TraceLine, Workload
from rules.schema import ScalingRule

CostOf = Callable[[Workload, int], Money | None]
"""Cost per hour of a workload with so many replicas; None without a price sheet or requests."""

_NAMESPACE: Final = UUID("5f0e6d0c-6d2b-5c0e-9d6e-0f6a3d1c7b21")
STOOD_ON_NOTHING: Final = frozenset(
    {
        Reason.NO_DATA, Reason.INACTIVE, Reason.MISSING_METRIC, Reason.MISSING_OPERAND, Reason.INCOMPLETE_SIGNAL,
        Reason.NO_REPLICA_COUNT, Reason.SCALING_DISABLED,
    }
)  # fmt: skip


def decide(
    rule: ScalingRule,
    *,
    signals: Mapping[str, Reading],
    forecasts: Mapping[str, Forecast | None],
    workload: Workload,
    memory: Memory,
    now: datetime,
    cost_of: CostOf,
    circumstances: Circumstances = NEUTRAL,
    outlooks: Mapping[str, Outlook | Missing] = triggers.NO_OUTLOOKS,
) -> Decision:
    """One rule's decision at ``now``.

    Args:
        rule: The rule.
        signals: By trigger name; one that is absent or ``Missing`` can hold replicas, never release them.
        forecasts: By trigger name; None where there is none.
        workload: What the cluster says; without a replica count the decision is to hold, with no number.
        memory: What ``remember`` returned after the last decision, or ``Memory.beginning``.
        now: Time of the tick.
        cost_of: Price of a number of replicas.
        circumstances: Combine, schedule, ceilings, SLO, pause and steps, as plain values.
        outlooks: By trigger name, for forecast triggers with a price.
    """
    wants = triggers.propose(
        rule, signals=signals, forecasts=forecasts, workload=workload, memory=memory, now=now, outlooks=outlooks
    )
    return conclude(
        rule, wants=wants, workload=workload, memory=memory, now=now, cost_of=cost_of, circumstances=circumstances
    )


def conclude(
    rule: ScalingRule,
    *,
    wants: tuple[Want, ...],
    workload: Workload,
    memory: Memory,
    now: datetime,
    cost_of: CostOf,
    circumstances: Circumstances = NEUTRAL,
) -> Decision:
    """The second half of ``decide``: from proposals through the guardrails."""
    current, bounds = workload.current_replicas, rule.spec.replicas
    if current is None:
        message = f"nobody knows how many replicas {workload.ref} has (source: {workload.source})"
        return _decision(rule, wants, workload, now, cost_of, None, Reason.NO_REPLICA_COUNT, message)
    if idling.is_off(bounds, memory, current=current):
        message = f"{workload.ref} is scaled to 0 by hand, so scaling is disabled"
        return _decision(rule, wants, workload, now, cost_of, 0, Reason.SCALING_DISABLED, message)
    idle = idling.idle_for(bounds, memory, wants, current=current, now=now)
    low = 0 if idle else guardrails.least(bounds.min, circumstances)
    situation = Situation(
        current_replicas=current, min_replicas=low, max_replicas=bounds.max,
        behavior=rule.spec.behavior, wants=wants, memory=memory, now=now, circumstances=circumstances,
    )  # fmt: skip
    needs, numbers = guardrails.needed(situation), Numbers.of(situation)
    if idle:  # idleAfter is a window of its own, so that of scaleDown does not come on top of it
        needs, memory = idling.at_zero(needs, idle), replace(memory, recommendations=())
        situation = replace(situation, memory=memory)
    # To what is only held nothing is added, or it would be again at each tick; and what sleeps serves nobody badly.
    if idle or needs.word in STOOD_ON_NOTHING:
        situation = replace(situation, circumstances=replace(circumstances, slo_add=0, slo_add_millionths=0))
    given = guardrails.inputs(situation, wanted=needs.replicas, floor=needs.floor)
    _, record = numbers.decide(given, memory.recommendations)
    candidate = telling.told(situation, needs, record)
    decision = _decision(
        rule, wants, workload, now, cost_of, candidate.replicas, candidate.reason, candidate.message,
        limited_by=candidate.limited_by, trace=candidate.trace,
    )  # fmt: skip
    hpa_only, with_forecast = guardrails.counterfactuals(situation, needs, numbers)
    decision = replace(decision, hpa_only_replicas=hpa_only, with_forecast_replicas=with_forecast)
    if rule.spec.actuate.with_ not in ("bounds", "hpa"):
        return decision
    found = bounds_of(situation, own_hpa.measured(rule))
    medians = [want.median for want in wants if want.median is not None]
    return replace(
        decision, lower_bound=found.lower, upper_bound=found.upper, bound_need=found.need,
        median_need=max(medians, default=None),
    )  # fmt: skip


def held(rule: ScalingRule, *, workload: Workload, now: datetime, why: str) -> Decision:
    """The decision when the rule could not even be evaluated: hold, with the sentence that says why, unpriced."""
    current = workload.current_replicas
    word = Reason.NO_REPLICA_COUNT if current is None else Reason.NO_DATA
    return _decision(rule, (), workload, now, _unpriced, current, word, why)


def remember(memory: Memory, decision: Decision, *, rule: ScalingRule) -> Memory:
    """The memory for the next tick: who is silent, and the recommendation, where the decision stood on data.

    Like HPA's, the recommendation is the number before bounds, and none is kept from a tick without valid metrics.
    """
    silent = [one.trigger for one in decision.proposals if one.missing and one.kind != "forecast"]
    memory, keep = memory.with_missing(silent, at=decision.at), hpa.longest_window(rule.spec.behavior)
    memory = memory.with_cautions(cautions(decision))
    memory = idling.remember(memory, decision, rule=rule)
    if not decision.trace:
        return memory
    if decision.lower_bound is not None and decision.bound_need is not None:
        memory = memory.with_lower_bound(decision.lower_bound, decision.bound_need, at=decision.at, keep=keep)
    plain = _plain_need(decision)
    if plain is not None:
        memory = memory.with_plain_need(plain, at=decision.at, keep=keep)
    asked = [line.replicas for line in decision.trace if line.stage == guardrails.FORECAST_STAGE]
    if decision.reason in STOOD_ON_NOTHING or not asked or asked[0] is None:
        return memory
    return memory.with_recommendation(asked[0], at=decision.at, keep=keep)


def cautions(decision: Decision) -> dict[str, float]:
    """The error budget's level of each price trigger, as this decision left it."""
    return {one.trigger: one.caution for one in decision.proposals if one.caution is not None}


def _plain_need(decision: Decision) -> int | None:
    """What HPA would remember: the largest proposal, unless metrics are missing and it is less than there is."""
    measuring = [one for one in decision.proposals if one.kind != "forecast"]
    having = [one.replicas for one in measuring if not one.missing and one.replicas is not None]
    silent = any(one.missing for one in measuring)
    if not having or (silent and max(having) < (decision.current_replicas or 0)):
        return None
    return max(having)


def _decision(
    rule: ScalingRule,
    wants: tuple[Want, ...],
    workload: Workload,
    now: datetime,
    cost_of: CostOf,
    desired: int | None,
    reason: Reason,
    message: str,
    *,
    limited_by: tuple[str, ...] = (),
    trace: tuple[TraceLine, ...] = (),
) -> Decision:
    current = workload.current_replicas
    cost = cost_of(workload, desired) if desired is not None else None
    before = cost_of(workload, current) if current is not None else None
    return Decision(
        id=str(uuid5(_NAMESPACE, f"{rule.key}@{now.isoformat()}")),
        rule=rule.key,
        target=workload.ref,
        mode=rule.spec.mode,
        at=now,
        current_replicas=current,
        ready_replicas=workload.ready_replicas,
        desired_replicas=desired,
        reactive_replicas=_reactive_replicas(rule, wants),
        forecast_replicas=_most(need.largest(wants, forecast=True)),
        outcome=_outcome(current, desired),
        reason=reason,
        message=message,
        limited_by=limited_by,
        proposals=tuple(want.proposal for want in wants),
        trace=trace,
        cost_per_hour=cost,
        cost_change_per_hour=cost - before if cost is not None and before is not None else None,
    )


def _unpriced(workload: Workload, replicas: int) -> Money | None:
    return None


def _reactive_replicas(rule: ScalingRule, wants: tuple[Want, ...]) -> int | None:
    asked, bounds = _most(need.largest(wants)), rule.spec.replicas
    return None if asked is None else min(max(asked, bounds.min), bounds.max)


def _most(want: Want | None) -> int | None:
    return None if want is None else want.replicas


def _outcome(current: int | None, desired: int | None) -> Outcome:
    if current is None or desired is None or current == desired:
        return Outcome.HOLD
    return Outcome.SCALE_UP if desired > current else Outcome.SCALE_DOWN
