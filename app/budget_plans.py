"""What an action of a budget would do now: the exact patch, what it saves, and why it must not be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np

from app.budget_outlook import Outlook, Outlooks, history_of
from app.budget_seen import Sight, doubt_of, replica_paths
from controller.budgets import afford, levers
from controller.budgets.afford import Affordable
from controller.budgets.cron_jobs import CronJobs
from controller.budgets.deeds import Change, Plan
from controller.guardrails import SloState
from controller.slo import Burn
from domain.errors import KubeError
from domain.series import FloatArray
from rules.schema import Budget, BudgetAction, BudgetThreshold, ScalingRule, Selection

CRITICAL: Final = "critical"
TIER: Final = "tier"
_NEED: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a plan is made of besides the budget.

    Attributes:
        rules: All that run, those of policies too.
        price: Of one replica and hour of a rule; None where nobody knows.
        burn: Of the SLO that guards a rule; None without a guard.
        outlooks: Forecasts of what rules cost.
        cron_jobs: Of the cluster; None without one.
    """

    rules: Sequence[ScalingRule]
    price: Callable[[str], Decimal | None]
    burn: Callable[[ScalingRule], Burn | None]
    outlooks: Outlooks
    cron_jobs: CronJobs | None = None


def plan_of(
    budget: Budget, threshold: BudgetThreshold, action: BudgetAction, seen: Sight, world: World, *, now: datetime
) -> Plan:
    """Of an action; ``notify`` has none."""
    if action.type == "suspendCronJobs":
        return _suspension(threshold, action, seen, world)
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
    whys = filter(None, (_by_itself(rule) for rule in targets))
    return Plan(
        changes=changes, blocked=next(whys, ""), blocked_for_all=blocked_for_all, said="; ".join(c.said for c in cuts),
        saving=Decimal(repr(round(sum(cut.found.saving for cut in cuts), 4))),
        expected=_expected([cut.cost_paths for cut in cuts]),
    )  # fmt: skip


def _suspension(threshold: BudgetThreshold, action: BudgetAction, seen: Sight, world: World) -> Plan:
    """CronJobs have no SLO and no price of ours; one of tier critical is left to a person."""
    doubt = doubt_of(threshold, seen)
    if world.cron_jobs is None or action.select is None:
        return Plan(said="there is no cluster to write to")
    try:
        found = world.cron_jobs.running(action.select.namespaces or (), action.select.labels)
    except KubeError as error:
        return Plan(said=f"CronJobs cannot be listed: {error}")
    critical = [change.target for change, labels in found if labels.get(TIER) == CRITICAL]
    return Plan(
        changes=tuple(change for change, _ in found), blocked_for_all=doubt,
        blocked=f"{critical[0]} is of tier critical" if critical else "",
        said=f"suspends {len(found)} CronJobs; jobs that run go on" if found else "every CronJob is suspended already",
    )  # fmt: skip


def needed(seen: Sight, rules: Sequence[str], world: World, *, now: datetime) -> dict[str, float]:
    """The 95th percentile of what rules need until the period ends, where that is known."""
    found = {}
    for key in rules:
        each = world.price(key)
        paths = None if not each or key not in seen.costs else _paths(key, float(each), seen, world, now)[1]
        if paths is not None and paths.size:
            found[key] = float(np.quantile(paths, _NEED))
    return found


def selects(select: Selection | None, rule: ScalingRule) -> bool:
    """Whether an action is about the rule."""
    if select is None:
        return False
    if select.rule is not None:
        return rule.key == select.rule
    if select.namespaces is not None and rule.metadata.namespace not in select.namespaces:
        return False
    return select.labels.items() <= rule.metadata.labels.items()


def slo_objection(rule: ScalingRule, burn: Burn | None) -> str:
    """The SLO beats the budget: while it burns, or its data are missing, nothing is cut."""
    if rule.spec.guard is None or (burn is not None and burn.state is SloState.OK):
        return ""
    state = "is not known" if burn is None or burn.state is SloState.UNKNOWN else "burns"
    return f"SLO {rule.guarding_slo} of {rule.key} {state}"


def _by_itself(rule: ScalingRule) -> str:
    """Why nobody but a person may cut the rule."""
    if rule.metadata.labels.get(TIER) == CRITICAL:
        return f"{rule.key} is of tier critical"
    return "" if rule.spec.guard is not None else f"{rule.key} has no guard: no SLO would show the harm"


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
    outlook, paths = _paths(rule.key, float(each), seen, world, now)
    if paths is None:
        return f"what {rule.key} will need is not known: {outlook.why or 'its price is new'}"
    most = rule.spec.replicas.max
    wanted = _wanted(rule, action, seen, world, paths, each=float(each), now=now)
    lowest = max(wanted, action.floor.replicas, rule.spec.replicas.min)
    limit = levers.never_below(lowest, needed=float(np.quantile(paths, _NEED)))
    if limit >= most:
        return None
    found = afford.of(paths, limit, each=float(each))
    held = " (affordable would be fewer: 95th percentile of the need and a tenth)" if limit > wanted else ""
    hours = f"expected saturated hours {found.saturated_hours:.1f}"
    said = f"{rule.key} at most {limit}{held}: {hours}, saves {found.saving:.2f}"
    change = Change(target=levers.ON_RULE + rule.key, field=levers.MAX, before=most, after=limit)
    return _Cut(change=change, found=found, said=said, cost_paths=paths * float(each))


def _paths(
    key: str, each: float, seen: Sight, world: World, now: datetime
) -> tuple[Outlook, FloatArray | None]:  # fmt: skip
    history = history_of({key: seen.costs[key]}, now=now)
    outlook = world.outlooks.of(key, history, until=seen.span.end, now=now)
    return outlook, replica_paths(outlook, each, now=now, end=seen.span.end)


def _wanted(
    rule: ScalingRule, action: BudgetAction, seen: Sight, world: World, paths: FloatArray, *, each: float, now: datetime
) -> int:
    if action.type == "reduceNonCritical":
        return action.floor.replicas
    if isinstance(action.to, int):
        return action.to
    others = {key: costs for key, costs in seen.costs.items() if key != rule.key}
    rest = np.zeros(len(paths))
    if others and any(others.values()):
        name = f"{rule.key} besides"
        outlook = world.outlooks.of(name, history_of(others, now=now), until=seen.span.end, now=now)
        beside = replica_paths(outlook, 1.0, now=now, end=seen.span.end)
        rest = rest if beside is None else beside.sum(axis=1)
    left = float(seen.status.limit.amount - seen.status.spent.amount)
    return afford.affordable(paths, each=each, others=rest, left=left, most=rule.spec.replicas.max).replicas


def _expected(paths: Sequence[FloatArray]) -> tuple[tuple[float, float, float], ...]:
    """By hour the mean, p10 and p90 of what would be spent without the cut, summed up."""
    running = np.cumsum(sum(paths), axis=1)
    low, high = np.quantile(running, [0.1, 0.9], axis=0)
    triples = zip(running.mean(axis=0), low, high, strict=True)
    return tuple((round(float(mean), 4), round(float(p10), 4), round(float(p90), 4)) for mean, p10, p90 in triples)
