"""Action ``quota``: what a namespace may ask for until the budget's period ends, never less than it asks for now.

Nor less than its rules will need: the quota grows with the rule whose 95th percentile and a tenth is farthest from what
it has. It goes as soon as an SLO there burns, or nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from app import budget_minima
from app.budget_seen import Sight, doubt_of
from app.budget_world import World, by_itself, needed, slo_objection
from controller.budgets import levers, quota_sums, quotas
from controller.budgets.deeds import Change, Plan
from domain.errors import KubeError
from rules.schema import Budget, BudgetAction, BudgetThreshold, ScalingRule


def plan(
    budget: Budget, threshold: BudgetThreshold, action: BudgetAction, seen: Sight, world: World, *, now: datetime
) -> Plan:
    """The quota that would be made now."""
    namespace = str(action.namespace)
    if world.cluster is None:
        return Plan(said="there is no cluster to write to")
    try:
        use = world.cluster.quotas.use(namespace)
    except KubeError as error:
        return Plan(said=f"what runs in {namespace} cannot be read: {error}")
    if use.rejected or not (use.cpu or use.memory):
        why = use.rejected or f"nothing runs in {namespace}: a quota would let nothing start"
        return Plan(said=f"no quota: {why}")
    rules = _there(namespace, world)
    objection, factor = doubt_of(threshold, seen) or lifts(action, world), Decimal(repr(1 + action.headroom))
    for rule in rules:
        grows = _grows(rule, seen, world, now)
        if isinstance(grows, str):
            objection = objection or grows
        else:
            factor = max(factor, grows)
    hard = quota_sums.hard(use, factor=factor)
    change = Change(
        target=f"{quotas.ON_QUOTA}{namespace}/{quotas.NAME}{budget.metadata.name}", field=quotas.FIELD, before=None,
        after=hard,
    )  # fmt: skip
    return Plan(
        changes=(change,), blocked_for_all=objection, blocked=next(filter(None, map(by_itself, rules)), ""),
        said=f"{namespace} may ask for {hard}: {float(factor - 1):.0%} more than now; what runs stays",
    )  # fmt: skip


def lifts(action: BudgetAction, world: World) -> str:
    """Why a quota that stands must go: an SLO there burns, or nobody knows."""
    objections = (slo_objection(rule, world.burn(rule)) for rule in _there(str(action.namespace), world))
    return next(filter(None, objections), "")


def _there(namespace: str, world: World) -> Sequence[ScalingRule]:
    return [rule for rule in world.rules if rule.metadata.namespace == namespace]


def _grows(rule: ScalingRule, seen: Sight, world: World, now: datetime) -> Decimal | str:
    """By how much the rule's share may have to grow; a sentence where nobody knows."""
    known = needed(seen, [rule.key], world, now=now).get(rule.key)
    need = budget_minima.needed(rule.key, seen, world, now=now) if known is None else known
    current = world.replicas(rule.key)
    if need is None or not current:
        return f"what {rule.key} will need is not known"
    return Decimal(max(levers.never_below(rule.spec.replicas.min, needed=need), 1)) / current
