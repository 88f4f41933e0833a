"""What a replay comes to: cost in replicas and nodes, missed objective, elasticity, moves.

θ, τ and υ are those of SPEC's elasticity metrics, on minutes: at 15 s they would measure the jitter of the load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.simulate.loop import FloatArray, World
from controller.simulate.pods import IntArray
from controller.simulate.rule_loop import Record

MINUTE: Final = 60.0
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """How closely the ready replicas followed the fewest that would have done, in percent.

    Attributes:
        theta_under: Mean share of the needed replicas that was missing.
        theta_over: Mean surplus over the needed replicas.
        tau_under: Share of time with too few.
        tau_over: Share of time with too many.
        upsilon: Share of time in which supply and demand moved differently.
    """

    theta_under: float
    theta_over: float
    tau_under: float
    tau_over: float
    upsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One controller over one stretch.

    Attributes:
        days: Length of the stretch.
        replica_hours: Billed: starting, ready and ending ones.
        mean_replicas: The same over time.
        node_hours: None where nodes were not simulated.
        node_cost: By the price of the pools; None likewise.
        violated_minutes: Time that missed the objective.
        violated_pct: The same of all time.
        violated_load: Load that arrived meanwhile: requests, where the load is a rate per second.
        violated_load_pct: The same of all load.
        elasticity: θ, τ, υ; None for an oracle.
        events_per_day: Moves of the number of replicas; None likewise.
        utilization: Mean of what the ready replicas were busy, weighted by their number; None likewise.
        peak_replicas: The most that were asked for.
    """

    days: float
    replica_hours: float
    mean_replicas: float
    violated_minutes: float
    violated_pct: float
    violated_load: float
    violated_load_pct: float
    elasticity: Elasticity | None = None
    events_per_day: float | None = None
    utilization: float | None = None
    peak_replicas: int | None = None
    node_hours: float | None = None
    node_cost: float | None = None


def of(world: World, record: Record, stretch: slice, *, min_replicas: int, with_nodes: bool = False) -> Figures:
    """The figures of a replay over ``stretch``."""
    seconds, load = world.tick_seconds, world.load_rps[stretch]
    late, ready = record.late[stretch].astype(bool), record.ready[stretch]
    hours = len(late) * seconds / 3600
    busy = float((record.busy[stretch] * ready).sum() / max(int(ready.sum()), 1))
    moves = int(np.count_nonzero(np.diff(record.desired[stretch])))
    return Figures(
        days=hours / 24,
        replica_hours=float(record.billed[stretch].sum()) * seconds / 3600,
        mean_replicas=float(record.billed[stretch].mean()),
        violated_minutes=int(late.sum()) * seconds / MINUTE,
        violated_pct=100 * float(late.mean()),
        violated_load=float(load[late].sum()) * seconds,
        violated_load_pct=100 * float(load[late].sum() / max(load.sum(), 1e-300)),
        elasticity=elasticity(world, ready, stretch, min_replicas=min_replicas),
        events_per_day=moves * 24 / hours,
        utilization=busy,
        peak_replicas=int(record.desired[stretch].max()),
        node_hours=float(record.nodes[stretch].sum()) * seconds / 3600 if with_nodes else None,
        node_cost=float(record.node_cost_per_hour[stretch].sum()) * seconds / 3600 if with_nodes else None,
    )


def of_oracle(world: World, bill: FloatArray, stretch: slice) -> Figures:
    """Those of perfect foresight: ``bill`` by tick, nothing missed."""
    hours = (stretch.stop - stretch.start) * world.tick_seconds / 3600
    billed = float(bill[stretch].sum()) * world.tick_seconds / 3600
    return Figures(
        days=hours / 24, replica_hours=billed, mean_replicas=billed / hours, violated_minutes=0.0, violated_pct=0.0,
        violated_load=0.0, violated_load_pct=0.0,
    )  # fmt: skip


def elasticity(world: World, ready: IntArray, stretch: slice, *, min_replicas: int) -> Elasticity:
    """θ, τ and υ on minutes: the mean load of each, and the mean of the replicas that were ready.

    Source:
        Herbst et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics" (SPEC RG 2016).
    """
    cells = max(round(MINUTE / world.tick_seconds), 1)
    safe = world.capacity_rps * world.largest_utilization_ratio
    demand = np.maximum(np.ceil(_by(world.load_rps[stretch], cells) / safe - 1e-9), min_replicas)
    supply = np.round(_by(ready.astype(np.float64), cells))
    short, over = np.maximum(demand - supply, 0), np.maximum(supply - demand, 0)
    apart = np.abs(np.sign(np.diff(supply)) - np.sign(np.diff(demand)))
    return Elasticity(
        theta_under=100 * float((short / np.maximum(demand, 1)).mean()),
        theta_over=100 * float((over / np.maximum(demand, 1)).mean()),
        tau_under=100 * float((short > 0).mean()),
        tau_over=100 * float((over > 0).mean()),
        upsilon=100 * float(np.minimum(apart, 1).mean()) if len(apart) else 0.0,
    )


def _by(values: FloatArray, cells: int) -> FloatArray:
    """Means of so many values each; what is left over at the end is left out."""
    if len(values) < cells:
        return np.array([values.mean()])
    return np.asarray(values[: len(values) // cells * cells].reshape(-1, cells).mean(axis=1))
