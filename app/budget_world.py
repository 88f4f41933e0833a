"""What a plan of a budget is made of besides the budget itself, and whom an action is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np

from app.budget_needs import Needs
from app.budget_outlook import Outlook, Outlooks, history_of
from app.budget_seen import Sight, replica_paths
from controller.budgets.cron_jobs import CronJobs
from controller.budgets.minima import Minima
from controller.budgets.notes import Hand
from controller.budgets.quotas import Quotas
from controller.budgets.sleepers import KINDS, Sleepers
from controller.budgets.sleeping import Candidate
from controller.guardrails import SloState
from controller.slo import Burn
from domain.series import FloatArray
from rules.schema import ScalingRule, Selection

CRITICAL: Final = "critical"
TIER: Final = "tier"
NEED: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Whoever plans and writes there, one for each kind of change."""

    cron_jobs: CronJobs
    quotas: Quotas
    minima: Minima
    sleepers: Sleepers
    may_sleep: Callable[[Iterable[str], Mapping[str, str]], list[Candidate]]

    @property
    def hands(self) -> Mapping[str, Hand]:
        """By the first word of a change's target."""
        return {
            "CronJob": self.cron_jobs,
            "ResourceQuota": self.quotas,
            "HorizontalPodAutoscaler": self.minima,
            **dict.fromkeys(KINDS, self.sleepers),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All of it.

    Attributes:
        rules: All that run, those of policies too.
        price: Of one replica and hour of a rule; None where nobody knows.
        replicas: That a rule has now; None where nobody knows.
        burn: Of the SLO that guards a rule; None without a guard.
        outlooks: Forecasts of what rules cost, and of what they need.
        needs: What rules needed, below their ``min`` too.
        hpa_need: The 95th percentile of what an HPA needed; None where nobody knows.
        cluster: None without one.
    """

    rules: Sequence[ScalingRule]
    price: Callable[[str], Decimal | None]
    replicas: Callable[[str], int | None]
    burn: Callable[[ScalingRule], Burn | None]
    outlooks: Outlooks
    needs: Needs
    hpa_need: Callable[[str, str, datetime], float | None]
    cluster: Cluster | None = None


def needed(seen: Sight, rules: Sequence[str], world: World, *, now: datetime) -> dict[str, float]:
    """The 95th percentile of what rules need until the period ends, where that is known."""
    found = {}
    for key in rules:
        each = world.price(key)
        paths = None if not each or key not in seen.costs else paths_of(key, float(each), seen, world, now)[1]
        if paths is not None and paths.size:
            found[key] = float(np.quantile(paths, NEED))
    return found


def paths_of(
    key: str, each: float, seen: Sight, world: World, now: datetime
) -> tuple[Outlook, FloatArray | None]:  # fmt: skip
    """The replicas that a rule's cost comes to until the period ends."""
    history = history_of({key: seen.costs[key]}, now=now)
    outlook = world.outlooks.of(key, history, until=seen.span.end, now=now)
    return outlook, replica_paths(outlook, each, now=now, end=seen.span.end)


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


def by_itself(rule: ScalingRule) -> str:
    """Why nobody but a person may cut the rule."""
    if rule.metadata.labels.get(TIER) == CRITICAL:
        return f"{rule.key} is of tier critical"
    return "" if rule.spec.guard is not None else f"{rule.key} has no guard: no SLO would show the harm"


def expected(paths: Sequence[FloatArray]) -> tuple[tuple[float, float, float], ...]:
    """By hour the mean, p10 and p90 of what would be spent without the cut, summed up."""
    running = np.cumsum(sum(paths), axis=1)
    low, high = np.quantile(running, [0.1, 0.9], axis=0)
    triples = zip(running.mean(axis=0), low, high, strict=True)
    return tuple((round(float(mean), 4), round(float(p10), 4), round(float(p90), 4)) for mean, p10, p90 in triples)
