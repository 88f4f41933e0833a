"""What may run on spot, and how much of it: by cost against what it would really replace, and never more than can go.

Spot is held against the marginal price of the alternative. Where paid-for committed capacity stands idle that price is
zero, so that nothing is ever moved off a commitment; and a pool (type, zone) may vanish as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from domain.series import FloatArray

ASSUMED_INTERRUPTIONS_PER_HOUR: Final = Decimal("0.02")
"""Where nobody tells: an assumption, and said as one."""
SPREAD_POOLS: Final = 5
MOST_PDB: Final = 0.5
MOST_ROLLING: Final = 0.9
NOTICE: Final = timedelta(minutes=2)
"""AWS' notice; Google's and Azure's are 30 s: pass theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is known about one; None is not known."""

    kind: str
    replicas: int
    has_empty_dir: bool | None = None
    has_local_volume: bool | None = None
    pdb_min_available_ratio: float | None = None
    rolling_min_available_ratio: float | None = None
    termination_grace: timedelta | None = None
    is_spread: bool | None = None
    is_single_leader: bool | None = None
    override: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the checklist; ``passed`` is None where nobody can tell."""

    name: str
    passed: bool | None
    told: str


def readiness(one: Workload, *, notice: timedelta = NOTICE) -> tuple[Check, ...]:
    """Whether a workload stands an interruption, line by line.

    Source: Kubecost's spot readiness checklist, and from grace period on our own lines.
    """
    grace = None if one.termination_grace is None else one.termination_grace <= notice
    return (
        Check(
            name="kind", passed=one.kind == "Deployment", told=f"{one.kind}: only a Deployment's pods may move freely"
        ),
        Check(name="replicas", passed=one.replicas > 1, told=f"replicas: {one.replicas}, and more than one is needed"),
        Check(name="emptyDir", passed=_not(one.has_empty_dir), told="what is in an emptyDir is lost"),
        _at_most("disruptionBudget", "a disruption budget", one.pdb_min_available_ratio, MOST_PDB),
        _at_most("rollingUpdate", "a rollout", one.rolling_min_available_ratio, MOST_ROLLING),
        Check(
            name="gracePeriod", passed=grace, told=f"terminationGracePeriod must fit into {notice.total_seconds():g} s"
        ),
        Check(name="spread", passed=one.is_spread, told="one pool may go as a whole: topologySpreadConstraints"),
        Check(name="singleLeader", passed=_not(one.is_single_leader), told="a single leader stops everything"),
        Check(name="localVolume", passed=_not(one.has_local_volume), told="a local volume stays behind"),
    )


def is_ready(one: Workload, *, notice: timedelta = NOTICE) -> bool:
    """What the override says, else whether no check fails; what nobody can tell does not pass."""
    if one.override is not None:
        return one.override
    return all(check.passed is True for check in readiness(one, notice=notice))


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _at_most(name: str, who: str, ratio: float | None, most: float) -> Check:
    passed = None if ratio is None else ratio <= most
    kept = "some" if ratio is None else f"{100 * ratio:.0f} %"
    return Check(name=name, passed=passed, told=f"{who} keeps {kept} of the replicas: at most {100 * most:.0f} % may")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotRates:
    """What a unit on spot costs in an hour.

    Attributes:
        spot: Price.
        over_provision: Share that is run on top, to stand a loss.
        restart: Cost of one interruption: lost work, start-up, SLO.
        interruptions_per_hour: Of one unit.
    """

    spot: Decimal
    over_provision: Decimal = Decimal(0)
    restart: Decimal = Decimal(0)
    interruptions_per_hour: Decimal = ASSUMED_INTERRUPTIONS_PER_HOUR

    @property
    def expected(self) -> Decimal:
        """``s·(1 + o) + λ·c``."""
        return self.spot * (1 + self.over_provision) + self.interruptions_per_hour * self.restart


def is_cheaper(rates: SpotRates, *, on_demand: Decimal, idle_committed: float) -> bool:
    """Whether a unit should run on spot; never while a paid-for unit stands idle."""
    marginal = on_demand if idle_committed <= 0 else Decimal(0)
    return rates.expected < marginal


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Mean units in an hour by how they are paid for; the three add up to demand, ``idle`` is paid for beside them."""

    committed: float
    idle: float
    spot: float
    on_demand: float
    spot_capacity: float
    hourly_cost: Decimal


def mix(
    paths: FloatArray, *, committed: float, committed_rate: Decimal, on_demand: Decimal, spot: SpotRates,
    eligible: float, pools: int, headroom: float,
) -> Mix:  # fmt: skip
    """Demand by the load-duration recipe: commitments first, then spot for what may run there, the rest on demand.

    Args:
        paths: Demand in units, any shape.
        committed: Units that are committed to, owned and planned.
        committed_rate: What one costs in an hour, used or not.
        on_demand: What a unit on demand costs.
        spot: What a unit on spot costs.
        eligible: Share of demand whose workloads are ready for spot, 0–1.
        pools: Pools (type, zone) that spot is spread over.
        headroom: Units that may be missing without harm: below five pools no pool may hold more.
    """
    demand = np.nan_to_num(np.asarray(paths, dtype=np.float64).ravel(), nan=0.0)
    used = np.minimum(demand, committed)
    over = demand - used
    may = np.minimum(demand * eligible, over)
    capacity = float(np.quantile(may, 0.95)) if is_cheaper(spot, on_demand=on_demand, idle_committed=0.0) else 0.0
    if pools < SPREAD_POOLS:
        capacity = min(capacity, pools * headroom)
    on_spot = np.minimum(may, capacity)
    means = [float(part.mean()) for part in (used, on_spot, over - on_spot)]
    cost = (
        committed_rate * Decimal(repr(committed)) + spot.expected * Decimal(repr(means[1]))
        + on_demand * Decimal(repr(means[2]))
    )  # fmt: skip
    return Mix(
        committed=means[0], idle=committed - means[0], spot=means[1], on_demand=means[2], spot_capacity=capacity,
        hourly_cost=cost,
    )  # fmt: skip
