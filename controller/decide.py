"""The decision: a plain function of rule, signals, forecasts, workload, memory and time.

Nothing here reads a clock, a store or a cluster, so that the live loop, ``observe`` and later the simulator are one
code and a replay decides the same, down to the id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from controller import guardrails, hpa, triggers
from controller.guardrails import Candidate, Situation
from controller.memory import Memory
from controller.triggers import Reading, Want
from domain.forecasts import Forecast
from domain.money import Money
from domain.scaling import Decision, Outcome, Reason, TraceLine, Workload
from rules.schema import ScalingRule

CostOf = Callable[[Workload, int], Money | None]
"""Cost per hour of a workload with so many replicas; None without a price sheet or requests."""

_NAMESPACE: Final = UUID("5f0e6d0c-6d2b-5c0e-9d6e-0f6a3d1c7b21")
_STOOD_ON_NOTHING: Final = frozenset(
    {Reason.NO_DATA, Reason.MISSING_METRIC, Reason.NO_REPLICA_COUNT, Reason.SCALING_DISABLED}
)


def decide(
    rule: ScalingRule,
    *,
    signals: Mapping[str, Reading],
    forecasts: Mapping[str, Forecast | None],
    workload: Workload,
    memory: Memory,
    now: datetime,
    cost_of: CostOf,
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
    """
    wants = triggers.propose(rule, signals=signals, forecasts=forecasts, workload=workload, memory=memory, now=now)
    return conclude(rule, wants=wants, workload=workload, memory=memory, now=now, cost_of=cost_of)


def conclude(
    rule: ScalingRule, *, wants: tuple[Want, ...], workload: Workload, memory: Memory, now: datetime, cost_of: CostOf
) -> Decision:
    """The second half of ``decide``: from proposals through the guardrails."""
    current, bounds = workload.current_replicas, rule.spec.replicas
    if current is None:
        message = f"nobody knows how many replicas {workload.ref} has (source: {workload.source})"
        return _decision(rule, wants, workload, now, cost_of, None, Reason.NO_REPLICA_COUNT, message)
    if current == 0:
        message = f"{workload.ref} is scaled to 0 by hand, so scaling is disabled"
        return _decision(rule, wants, workload, now, cost_of, 0, Reason.SCALING_DISABLED, message)
    situation = Situation(
        current_replicas=current, min_replicas=bounds.min, max_replicas=bounds.max, behavior=rule.spec.behavior,
        wants=wants, memory=memory, now=now,
    )  # fmt: skip
    candidate = _out_of_bounds(current, situation) or guardrails.apply(situation)
    return _decision(
        rule, wants, workload, now, cost_of, candidate.replicas, candidate.reason, candidate.message,
        limited_by=candidate.limited_by, trace=candidate.trace,
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
    memory = memory.with_missing(silent, at=decision.at)
    asked = [line.replicas for line in decision.trace if line.stage == guardrails.FORECAST_STAGE]
    if decision.reason in _STOOD_ON_NOTHING or not asked or asked[0] is None:
        return memory
    return memory.with_recommendation(asked[0], at=decision.at, keep=hpa.longest_window(rule.spec.behavior))


def _out_of_bounds(current: int, situation: Situation) -> Candidate | None:
    """HPA's shortcut: outside [min, max] the bound is the answer, at once, without metrics, windows or policies."""
    if situation.min_replicas <= current <= situation.max_replicas:
        return None
    high = current > situation.max_replicas
    bound = situation.bounded(current)
    why = f"{current} replicas are {'more than max' if high else 'fewer than min'} {bound}, which applies at once"
    word = Reason.TOO_MANY_REPLICAS if high else Reason.TOO_FEW_REPLICAS
    limit = "bounds.max" if high else "bounds.min"
    return Candidate(replicas=current).moved("bounds", bound, word, why, message=why, limit=limit)


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
        forecast_replicas=_most(guardrails.largest(wants, forecast=True)),
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
    asked, bounds = _most(guardrails.largest(wants)), rule.spec.replicas
    return None if asked is None else min(max(asked, bounds.min), bounds.max)


def _most(want: Want | None) -> int | None:
    return None if want is None else want.replicas


def _outcome(current: int | None, desired: int | None) -> Outcome:
    if current is None or desired is None or current == desired:
        return Outcome.HOLD
    return Outcome.SCALE_UP if desired > current else Outcome.SCALE_DOWN
