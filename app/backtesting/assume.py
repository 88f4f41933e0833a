"""What a rule's document does not say and a replay must know: given, measured from what was recorded, or assumed.

Each value comes with its origin and its reason, so that a report can tell what it stands on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from controller.simulate.nodes import Pools
from controller.simulate.rule import Assumptions
from domain.series import FloatArray
from rules.schema import ScalingRule, Trigger

Origin = Literal["given", "measured", "assumed"]
STARTUP_SECONDS: Final = (60.0, 180.0)
METRIC_DELAY_SECONDS: Final = 30.0
HEADROOM: Final = 1.2
"""What a replica carries within its objective, over the rule's target. A guess: targets of 70 % of what a replica can
do at all are usual, and an M/M/5 server keeps p95 ≤ 5 × its service time up to 85 %."""
LEAST_MISSED_TICKS: Final = 20
"""Fewer tell too little about where the objective breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the operator gave; None and empty: not given.

    Attributes:
        capacity: Load that one replica carries within the objective.
        startup_seconds: Shortest and longest start-up.
        metric_delay_seconds: From the load to the decision that sees it.
        slo_seconds: Latency objective, for a column ``latency``.
        requests: Of one replica, in base units.
        limits: The same of its limits.
        usage_per_load: Of a resource, for one unit of load.
        pools: Nodes.
        violated_minute: What a missed minute is worth, in minutes of a replica.
    """

    capacity: float | None = None
    startup_seconds: tuple[float, float] | None = None
    metric_delay_seconds: float | None = None
    slo_seconds: float | None = None
    requests: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    usage_per_load: Mapping[str, float] = field(default_factory=dict)
    pools: Pools | None = None
    violated_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """One value with its origin, for the reader."""

    name: str
    value: str
    origin: Origin
    why: str


def load_trigger(rule: ScalingRule) -> Trigger | None:
    """The first trigger that measures a demand: what it sees is the load."""
    measured = (one for one in rule.spec.triggers if one.kind in ("query", "pods", "trace"))
    return next((one for one in measured if one.per_replica is not None), None)


def assumptions(rule: ScalingRule, options: Options) -> tuple[Assumptions, list[Assumed]]:
    """Everything that the replay needs, and where it comes from; what a replica carries stands first."""
    capacity, told = _capacity(rule, options)
    startup, delay = options.startup_seconds or STARTUP_SECONDS, options.metric_delay_seconds
    low, high = startup
    told_startup = Assumed(
        name="start-up", value=f"{low:g} s" if low == high else f"{low:g} to {high:g} s",
        origin="given" if options.startup_seconds else "assumed",
        why="from started to ready, each pod its own" if options.startup_seconds
        else "a usual start on a node that is there; err long, and measure it",
    )  # fmt: skip
    told_delay = Assumed(
        name="metric delay", value=f"{METRIC_DELAY_SECONDS if delay is None else delay:g} s",
        origin="assumed" if delay is None else "given",
        why="the load that a decision sees is so old: scrape, rate window, sync",
    )  # fmt: skip
    told_nodes = Assumed(
        name="nodes", value="not simulated" if options.pools is None else f"{len(options.pools.slots)} pool(s)",
        origin="assumed" if options.pools is None else "given",
        why="pods never wait for a node" if options.pools is None else "what does not fit waits for a node to boot",
    )  # fmt: skip
    made = Assumptions(
        startup_seconds=startup, safe_per_replica=capacity, requests=options.requests,
        metric_delay_seconds=METRIC_DELAY_SECONDS if delay is None else delay,
        usage_per_load=options.usage_per_load, pools=options.pools, limits=options.limits,
    )  # fmt: skip
    return made, [told, *_unlearned(rule), told_startup, told_delay, told_nodes, *_ALWAYS]


def _unlearned(rule: ScalingRule) -> list[Assumed]:
    """A replay has no pods to learn from."""
    why = "the rule learns what a replica carries; the replay counts with where learning starts, from begin to end"
    return [
        Assumed(name=f"perReplica of {one.name}", value=_number(float(one.per_replica)), origin="assumed", why=why)
        for one in rule.spec.triggers
        if one.learn is not None and one.per_replica is not None
    ]


_ALWAYS: Final = (
    Assumed(name="queue", value="gives up after 60 s", origin="assumed",
            why="what is not served waits, at most a minute of it; any wait above 50 ms misses the objective"),
    Assumed(name="ending pods", value="30 s", origin="assumed", why="billed while they end, serving nothing"),
)  # fmt: skip


def calibrated(
    given: Assumptions, told: list[Assumed], *, load: FloatArray, ready: FloatArray, late: FloatArray | None
) -> tuple[Assumptions, list[Assumed]]:
    """With what a replica carries measured on the first half, where the recorded misses allow it.

    The load per ready replica above which as much of the time lies as was missed. The second half stays for the
    comparison of missed minutes (``fidelity``).

    Args:
        given: What is assumed so far; ``ready`` comes from a replay with it.
        told: The same for the reader, what a replica carries first.
        load: Offered, by tick.
        ready: Replicas of what runs now, replayed.
        late: 1 where the objective was missed in reality, NaN where nobody knows; None where it was not recorded.
    """
    if late is None or told[0].origin == "given":
        return given, told
    half = len(load) // 2
    known = np.isfinite(late[:half]) & (ready[:half] >= 1)
    each, missed = load[:half][known] / ready[:half][known], late[:half][known]
    if not len(each):
        return given, told
    if missed.sum() < LEAST_MISSED_TICKS:
        carried = float(np.quantile(each, 0.999))
        if carried <= given.safe_per_replica:
            return given, told
        return _measured(given, told, carried, "as much was carried without a miss; more may be possible")
    found = float(np.quantile(each, 1 - missed.mean()))
    if found <= 0:
        return given, told
    return _measured(given, told, found, "with this, what runs now misses as often as recorded, on the first half")


def _measured(given: Assumptions, told: list[Assumed], found: float, why: str) -> tuple[Assumptions, list[Assumed]]:
    line = Assumed(name=told[0].name, value=_number(found), origin="measured", why=why)
    return replace(given, safe_per_replica=found), [line, *told[1:]]


def _capacity(rule: ScalingRule, options: Options) -> tuple[float, Assumed]:
    name = "a replica carries"
    if options.capacity is not None:
        return options.capacity, Assumed(
            name=name, value=_number(options.capacity), origin="given", why="within the objective"
        )
    trigger = load_trigger(rule)
    if trigger is not None and trigger.per_replica is not None:
        guess = HEADROOM * float(trigger.per_replica)
        why = f"{HEADROOM:g} × perReplica of {trigger.name}: a guess, give --capacity or record violated minutes"
    else:
        guess = _by_resource(rule, options)
        why = "85 % of what its request holds: a guess, give --capacity"
    return guess, Assumed(name=name, value=_number(guess), origin="assumed", why=why)


def _by_resource(rule: ScalingRule, options: Options) -> float:
    for trigger in rule.spec.triggers:
        if trigger.resource is not None and (request := options.requests.get(trigger.resource.name)):
            return 0.85 * request / options.usage_per_load.get(trigger.resource.name, 1.0)
    return 1.0


def _number(value: float) -> str:
    return f"{value:.4g}"
