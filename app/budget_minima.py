"""Action ``lowerMinReplicas``: a lower ``min`` for rules that are not critical, never below what they will need.

What they need is forecast from what they needed, below their ``min`` too. Nothing is written: the decision takes the
lower ``min`` in place of the rule's, and not while the rule's SLO burns or its data are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from app.budget_outlook import Outlook
from app.budget_seen import Sight, doubt_of, replica_paths
from app.budget_world import NEED, World, by_itself, expected, selects, slo_objection
from controller.budgets import levers, minima
from controller.budgets.deeds import Change, Plan
from domain.errors import KubeError
from domain.series import FloatArray
from domain.units import format_duration
from rules.schema import BudgetAction, BudgetThreshold, ScalingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lowered:
    change: Change
    said: str
    saving: Decimal | None
    cost_paths: FloatArray | None


def plan(threshold: BudgetThreshold, action: BudgetAction, seen: Sight, world: World, *, now: datetime) -> Plan:
    """Of the selected rules that count against the budget."""
    targets = [rule for rule in world.rules if rule.key in seen.rules and selects(action.select, rule)]
    others = _of_hpas(action, world, now)
    if not targets and not others.changes:
        return Plan(said=others.said or "selects no rule that counts against this budget")
    objection = doubt_of(threshold, seen)
    lowered = []
    for rule in targets:
        objection = objection or slo_objection(rule, world.burn(rule))
        found = _lowered(rule, action, seen, world, now)
        if isinstance(found, str):
            objection = objection or found
        elif found is not None:
            lowered.append(found)
    if not lowered and not others.changes:
        return Plan(blocked_for_all=objection, said=objection or "every min is as low as the need allows")
    savings = [one.saving for one in lowered if one.saving is not None]
    return Plan(
        changes=(*(one.change for one in lowered), *others.changes), blocked_for_all=objection,
        blocked=next(filter(None, (by_itself(rule) for rule in targets)), "") or others.blocked,
        said="; ".join(filter(None, [*(one.said for one in lowered), others.said])),
        saving=sum(savings, Decimal(0)) if savings else None,
        expected=expected([one.cost_paths for one in lowered if one.cost_paths is not None]) if savings else (),
    )  # fmt: skip


def needed(rule: str, seen: Sight, world: World, *, now: datetime) -> float | None:
    """The 95th percentile of what a rule will need until the period ends, ``min`` apart; None where nobody knows."""
    _, paths = _paths(rule, seen, world, now)
    return None if paths is None or not paths.size else float(np.quantile(paths, NEED))


def _of_hpas(action: BudgetAction, world: World, now: datetime) -> Plan:
    """HPAs without a rule, of the selected namespaces: no SLO of ours shows the harm, so a person says yes."""
    select = action.select
    if world.cluster is None or select is None or select.namespaces is None:
        return Plan()
    ruled = {(rule.target.namespace, rule.target.kind, rule.target.name) for rule in world.rules}
    try:
        found = world.cluster.minima.allowed(select.namespaces, select.labels)
    except KubeError as error:
        return Plan(said=f"HPAs cannot be listed: {error}")
    changes, said = list[Change](), list[str]()
    for one in found:
        if (one.namespace, one.kind, one.workload) in ruled:
            continue
        place, need = f"{one.namespace}/{one.name}", world.hpa_need(one.namespace, one.name, now)
        if need is None:
            said.append(f"HPA {place} is left out: what it needs is not known")
            continue
        assert isinstance(action.to, int), "validated"
        limit = levers.never_below(max(action.to, 1), needed=need)
        if limit < one.least:
            changes.append(Change(target=f"{minima.ON_HPA}{place}", field=minima.FIELD, before=one.least, after=limit))
            said.append(f"HPA {place} at least {limit} instead of {one.least}")
    blocked = f"{changes[0].target} has no rule: no SLO would show the harm" if changes else ""
    return Plan(changes=tuple(changes), blocked=blocked, said="; ".join(said))


def _lowered(
    rule: ScalingRule, action: BudgetAction, seen: Sight, world: World, now: datetime
) -> _Lowered | str | None:
    """Of one rule; why there must be none, or None where it would change nothing."""
    assert isinstance(action.to, int), "validated"
    outlook, paths = _paths(rule.key, seen, world, now)
    if paths is None or not paths.size:
        return f"what {rule.key} will need is not known: {outlook.why or 'its forecast is too short'}"
    low, most = rule.spec.replicas.min, rule.spec.replicas.max
    limit = levers.never_below(max(action.to, 1), needed=float(np.quantile(paths, NEED)))
    if limit >= low:
        return None
    each = world.price(rule.key)
    with_it, without = np.clip(paths, limit, most), np.clip(paths, low, most)
    fewer = float((without - with_it).sum(axis=1).mean())
    saving = None if each is None else Decimal(repr(round(fewer * float(each), 4)))
    held = " (95th percentile of the need and a tenth)" if limit > action.to else ""
    saves = "" if saving is None else f", saves {saving:.2f}"
    return _Lowered(
        change=Change(target=levers.ON_RULE + rule.key, field=levers.MIN, before=low, after=limit),
        said=f"{rule.key} at least {limit} instead of {low}{held}{saves}", saving=saving,
        cost_paths=None if each is None else without * float(each),
    )  # fmt: skip


def _paths(rule: str, seen: Sight, world: World, now: datetime) -> tuple[Outlook, FloatArray | None]:
    history = world.needs.history(rule, now=now)
    if history.length < timedelta(days=7):
        known = format_duration(history.length) if history.length else "nothing"
        return Outlook(forecast=None, fitted_at=now, why=f"{known} is known of its need, 1w is needed"), None
    outlook = world.outlooks.of(f"need of {rule}", history, until=seen.span.end, now=now)
    return outlook, replica_paths(outlook, 1.0, now=now, end=seen.span.end)
