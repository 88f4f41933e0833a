"""``guards.pauseWhile``: while an SLO of what counts against a budget burns, the budget begins nothing at all.

That the SLO of a rule that is to be cut must not burn holds in any case, and for missing data, too; this is about the
other rules, where data that are missing are no reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from controller.budgets.deeds import Plan
from controller.guardrails import SloState
from controller.slo import Burn
from rules.schema import Budget, ScalingRule


def paused(
    plan: Plan, budget: Budget, counts: Collection[str], rules: Sequence[ScalingRule],
    burn: Callable[[ScalingRule], Burn | None],
) -> Plan:  # fmt: skip
    """The plan, blocked for everybody while one of the rules that count burns as the guard says."""
    guard = budget.spec.guards.pause_while
    if guard is None or plan.blocked_for_all or not plan.changes:
        return plan
    for rule in rules:
        if rule.spec.guard is None or rule.key not in counts:
            continue
        found = burn(rule)
        if found is not None and found.state is SloState.BURNING and (found.fast or guard.slo_burn == "any"):
            how = "burns fast" if found.fast else "burns"
            why = f"SLO {rule.guarding_slo} of {rule.key} {how}, and guards.pauseWhile waits for that"
            return replace(plan, blocked_for_all=why)
    return plan
