"""Action ``offHours``: Deployments that sleep by the clock while the threshold fires, and come back as they were.

The patch names each workload and the window; how many there are is looked at when it falls asleep. Nothing falls asleep
while the SLO of a rule about it burns or its data are missing; while it sleeps data are missing anyway, and only an SLO
that burns wakes all.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.budget_seen import Sight, doubt_of
from app.budget_world import CRITICAL, TIER, World, by_itself, slo_objection
from controller.budgets import off_hours
from controller.budgets.deeds import Change, Deed, Plan
from controller.budgets.levers import BY_CLOCK
from controller.guardrails import SloState
from domain.errors import KubeError
from rules.schema import BudgetAction, BudgetThreshold, ScalingRule


def plan(threshold: BudgetThreshold, action: BudgetAction, seen: Sight, world: World) -> Plan:
    """Who would sleep, and who would not and why."""
    select, window = action.select, action.schedule
    if world.cluster is None or select is None or window is None:
        return Plan(said="there is no cluster to write to")
    try:
        found = world.cluster.may_sleep(select.namespaces or (), select.labels)
    except KubeError as error:
        return Plan(said=f"Deployments cannot be listed: {error}")
    may = [one for one in found if not one.why_not]
    left_out = [f"{one.target} is left out: {one.why_not}" for one in found if one.why_not]
    if not may:
        return Plan(said="; ".join(left_out) or "selects no Deployment")
    changes = tuple(Change(target=one.target, field=BY_CLOCK, before=None, after=off_hours.told(window)) for one in may)
    critical = [f"{one.target} is of tier critical" for one in may if one.labels.get(TIER) == CRITICAL]
    rules = [rule for change in changes for rule in _about(change, world)]
    objections = (slo_objection(rule, world.burn(rule)) for rule in rules)
    return Plan(
        changes=changes, blocked_for_all=doubt_of(threshold, seen) or next(filter(None, objections), ""),
        blocked=next(iter(critical), "") or next(filter(None, map(by_itself, rules)), ""),
        said="; ".join([f"{len(may)} workloads sleep {off_hours.told(window).removeprefix('0 ')}", *left_out]),
    )  # fmt: skip


def objection(change: Change, world: World) -> str:
    """Why it may not fall asleep now."""
    return next(filter(None, (slo_objection(rule, world.burn(rule)) for rule in _about(change, world))), "")


def lifts(deed: Deed, world: World) -> str:
    """Why all must wake now."""
    for rule in [rule for change in deed.changes for rule in _about(change, world)]:
        burn = world.burn(rule)
        if rule.spec.guard is not None and burn is not None and burn.state is SloState.BURNING:
            return f"SLO {rule.guarding_slo} of {rule.key} burns"
    return ""


def _about(change: Change, world: World) -> Iterator[ScalingRule]:
    """Rules whose target it is; a ScaledObject is taken for that of the same name, or that they name."""
    kind, _, place = change.target.partition(" ")
    for rule in world.rules:
        target, named = rule.target, rule.spec.actuate.scaled_object
        names = {f"{target.namespace}/{target.name}"} | ({f"{target.namespace}/{named}"} if named else set())
        if place in names and target.kind == "Deployment":
            yield rule
