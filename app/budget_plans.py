"""What an action of a budget would do now: the exact patch, what it saves, and why it must not be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from app import budget_minima, budget_off_hours, budget_quota
from app.budget_seen import Sight, besides, doubt_of, replica_paths
from app.budget_world import CRITICAL, NEED, TIER, World, by_itself, expected, paths_of, selects, slo_objection
from controller.budgets import afford, levers
from controller.budgets.afford import Affordable
from controller.budgets.deeds import Change, Deed, Plan
from domain.errors import KubeError
from domain.series import FloatArray
from rules.schema import Budget, BudgetAction, BudgetThreshold, ScalingRule


def plan_of(
    budget: Budget, threshold: BudgetThreshold, action: BudgetAction, seen: Sight, world: World, *, now: datetime
) -> Plan:
    """Of an action; ``notify`` has none."""
    if action.type == "suspendCronJobs":
        return _suspension(threshold, action, seen, world)
    if action.type == "lowerMinReplicas":
        return budget_minima.plan(threshold, action, seen, world, now=now)
    if action.type == "quota":
        return budget_quota.plan(budget, threshold, action, seen, world, now=now)
    if action.type == "offHours":
        return budget_off_hours.plan(threshold, action, seen, world)
    targets = [rule for rule in world.rules if rule.key in seen.rules and selects(action.select, rule)]
    if action.type == "reduceNonCritical":
        targets = [rule for rule in targets if TIER in rule.metadata.labels]
    if not targets:
        return Plan(said="selects no rule that counts against this budget")
    blocked_for_all = doubt_of(threshold, seen) or (seen.doubt if action.to == "affordable" else "")
    cuts = []
    for rule in targets:
        blocked_for_all = blocked_for_all or slo_objection(rule, world.burn(rule))
        cut = _cut(rule, action, seen, world, now)
        if isinstance(cut, str):
            blocked_for_all = blocked_for_all or cut
        elif cut is not None:
            cuts.append(cut)
    changes = tuple(cut.change for cut in cuts)
    if not changes:
        return Plan(blocked_for_all=blocked_for_all, said=blocked_for_all or "leaves every replica that is needed")
    whys = filter(None, (by_itself(rule) for rule in targets))
    return Plan(
        changes=changes, blocked=next(whys, ""), blocked_for_all=blocked_for_all, said="; ".join(c.said for c in cuts),
        saving=Decimal(repr(round(sum(cut.found.saving for cut in cuts), 4))),
        expected=expected([cut.cost_paths for cut in cuts]),
    )  # fmt: skip


def lifts_of(action: BudgetAction, deed: Deed, world: World) -> str:
    """Why what stands of an action must go now; decisions lift their own limits."""
    if action.type == "offHours":
        return budget_off_hours.lifts(deed, world)
    return budget_quota.lifts(action, world) if action.type == "quota" else ""


def _suspension(threshold: BudgetThreshold, action: BudgetAction, seen: Sight, world: World) -> Plan:
    """CronJobs have no SLO and no price of ours; one of tier critical is left to a person."""
    doubt = doubt_of(threshold, seen)
    if world.cluster is None or action.select is None:
        return Plan(said="there is no cluster to write to")
    try:
        found = world.cluster.cron_jobs.running(action.select.namespaces or (), action.select.labels)
    except KubeError as error:
        return Plan(said=f"CronJobs cannot be listed: {error}")
    critical = [change.target for change, labels in found if labels.get(TIER) == CRITICAL]
    return Plan(
        changes=tuple(change for change, _ in found), blocked_for_all=doubt,
        blocked=f"{critical[0]} is of tier critical" if critical else "",
        said=f"suspends {len(found)} CronJobs; jobs that run go on" if found else "every CronJob is suspended already",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    change: Change
    found: Affordable
    said: str
    cost_paths: FloatArray


def _cut(rule: ScalingRule, action: BudgetAction, seen: Sight, world: World, now: datetime) -> _Cut | str | None:
    """Of one rule: the cut, why there must be none, or None where it would change nothing."""
    each = world.price(rule.key)
    if each is None or each <= 0:
        return f"one replica of {rule.key} has no price"
    outlook, paths = paths_of(rule.key, float(each), seen, world, now)
    if paths is None:
        return f"what {rule.key} will need is not known: {outlook.why or 'its price is new'}"
    most = rule.spec.replicas.max
    wanted = _wanted(rule, action, seen, world, paths, each=float(each), now=now)
    lowest = max(wanted, action.floor.replicas, rule.spec.replicas.min)
    limit = levers.never_below(lowest, needed=float(np.quantile(paths, NEED)))
    if limit >= most:
        return None
    found = afford.of(paths, limit, each=float(each))
    held = " (affordable would be fewer: 95th percentile of the need and a tenth)" if limit > wanted else ""
    hours = f"expected saturated hours {found.saturated_hours:.1f}"
    said = f"{rule.key} at most {limit}{held}: {hours}, saves {found.saving:.2f}"
    change = Change(target=levers.ON_RULE + rule.key, field=levers.MAX, before=most, after=limit)
    return _Cut(change=change, found=found, said=said, cost_paths=paths * float(each))


def _wanted(
    rule: ScalingRule, action: BudgetAction, seen: Sight, world: World, paths: FloatArray, *, each: float, now: datetime
) -> int:
    if action.type == "reduceNonCritical":
        return action.floor.replicas
    if isinstance(action.to, int):
        return action.to
    rest, others = np.zeros(len(paths)), besides(rule.key, seen, now=now)
    if others is not None:
        name = f"{rule.key} besides in {seen.status.budget}"
        outlook = world.outlooks.of(name, others, until=seen.span.end, now=now)
        beside = replica_paths(outlook, 1.0, now=now, end=seen.span.end)
        rest = rest if beside is None else beside.sum(axis=1)
    left = float(seen.status.limit.amount - seen.status.spent.amount)
    return afford.affordable(paths, each=each, others=rest, left=left, most=rule.spec.replicas.max).replicas
