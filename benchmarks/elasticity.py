"""What it costs to keep an objective, beside HPA, KEDA and a fully backtested reactive rule, on recorded workloads.

``python -m benchmarks.elasticity --data DIR -o json``. DIR holds ``traces/`` or series itself (``timestamp,value``, any
names, an hour or finer). Needs the extra ``compiled`` and Debian's Prometheus, whose guest Foretide is for six minutes;
twenty minutes on two cores. Protocol: docs/elasticity.md.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is loaded, below

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import command, elasticity_assess, elasticity_guest
from benchmarks import elasticity_play as play
from benchmarks import elasticity_speed as speed
from benchmarks.elasticity_play import SERVICE, SLOW_START, USUAL_START, Case, Judged, Setting
from benchmarks.elasticity_traces import Workload, surging, workloads
from benchmarks.report import Row
from controller.simulate import envelope, loop, peers, plans, protocol, replay
from controller.simulate.nodes import Pools

TARGETS: Final = (0.3, 0.34, 0.38, 0.42, 0.46, 0.5, 0.54, 0.57, 0.6, 0.63, 0.66, 0.69, 0.73, 0.77, 0.81)
MISSED: Final = tuple(12 * 1.6**k for k in range(15))
"""Prices of a missed tick, in idle replicas: as many settings as HPA and KEDA have targets."""
TOLERANCES: Final = (0.0, 0.02, 0.05, 0.1)
WINDOWS_SECONDS: Final = (15, 30, 60, 120, 300)
DOWN_SECONDS: Final = (0, 60, 300, 600)
"""With the 15 targets: 1,200 reactive rules."""
LEVELS: Final = tuple(8.0 * 2**k for k in range(12))
BUDGETS: Final = (0.0015, 0.002, 0.0024, 0.0028)
"""For the class of 0.3 % violated time, with a margin for the last miss."""
RELEASE_SHARES: Final = (0.25, 0.5, 1.0)
DEFAULT_LEVELS: Final = tuple(10.0 * 2**k for k in range(9))
DEFAULT_BUDGET: Final = 0.007
DEFAULT_KEEP_SECONDS: Final = 120
SLOTS: Final = 8
BOOT_SECONDS: Final = 90
EMPTY_SECONDS: Final = 600
"""Nodes: of eight pods, there after 90 s, given back when a node's worth of slots was free for ten minutes."""


def hpa(targets: Sequence[float] = TARGETS) -> list[Setting]:
    """HPA on CPU by target."""
    return [(peers.hpa_cpu(target), plans.no_plan()) for target in targets]


def keda(targets: Sequence[float] = TARGETS) -> list[Setting]:
    """KEDA on requests by target."""
    return [(peers.keda(target, capacity_rps=SERVICE.capacity_rps), plans.no_plan()) for target in targets]


def reactive() -> list[Setting]:
    """1,200 reactive rules."""
    return [
        (peers.reactive(metric=loop.RPS, target=target * SERVICE.capacity_rps, window_seconds=window,
                        tolerance=tolerance, down_seconds=down), plans.no_plan())
        for target, tolerance, window, down in product(TARGETS, TOLERANCES, WINDOWS_SECONDS, DOWN_SECONDS)
    ]  # fmt: skip


def guard(down_seconds: int = 15) -> loop.Reactive:
    """What stands under the forecast: never below the need of the last 30 s."""
    return peers.reactive(
        metric=loop.RPS, target=0.83 * SERVICE.capacity_rps, window_seconds=30, tolerance=0.0, down_seconds=down_seconds
    )


def ours(on: Case) -> list[Setting]:
    """The policy by the price of a missed tick; moves cost nothing."""
    whole = play.plan(on, MISSED)
    return [(guard(), play.one_level(whole, level)) for level in range(len(MISSED))]


def steered(on: Case) -> list[Setting]:
    """The policy by its error budget, which steers the price, and by how readily it gives back."""
    whole = [play.plan(on, LEVELS, budget=BUDGETS[0], release_share=share) for share in RELEASE_SHARES]
    return [(guard(), each._replace(violated_budget=budget)) for each in whole for budget in BUDGETS]


def default(on: Case) -> Setting:
    """The one preset: an error budget of 0.7 % of the time, replicas kept two minutes longer, fewer moves if large."""
    keep = DEFAULT_KEEP_SECONDS // protocol.TICK_SECONDS
    plan = play.plan(on, DEFAULT_LEVELS, keep_longer=keep, release_share=1.0, budget=DEFAULT_BUDGET)
    return guard(), plans.calmer(plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All families on one workload; ``written`` is the preset's floor under HPA, ``writes`` its writes by day."""

    name: str
    families: Mapping[str, list[Judged]]
    default: Judged
    written: Judged
    writes: NDArray[np.int64]

    @property
    def hpa_60(self) -> Judged:
        """HPA out of the box, at 60 %."""
        return self.families["hpa"][TARGETS.index(0.6)]


def played(of: Workload) -> Played:
    """Replay everything on one workload with usual starts."""
    on = play.case(of, USUAL_START)
    print(f"benchmarks.elasticity: {of.name}", file=sys.stderr)
    seen = plans.perfect(on.world.load_rps, lead_ticks=on.lead_ticks[1] + 1, safe_rps=SERVICE.safe_rps)
    nothing = peers.reactive(metric=loop.NOTHING, target=1.0, window_seconds=30, down_seconds=15)
    settings = {
        "ours": ours(on), "steered": steered(on), "hpa": hpa(), "keda": keda(), "reactive": reactive(),
        "perfect": [(nothing, seen)], **predictive(on),
    }  # fmt: skip
    preset = default(on)
    floor, writes = envelope_of(replay.replay(on.world, *preset).desired)
    return Played(
        name=of.name, families={name: play.play(on, each) for name, each in settings.items()},
        default=play.play(on, [preset])[0], written=play.play(on, [(peers.hpa_cpu(0.77), plans.written(floor))])[0],
        writes=writes,
    )  # fmt: skip


def predictive(on: Case) -> dict[str, list[Setting]]:
    """PHPA and AWS-like predictive scaling by target, each as a floor under KEDA."""
    world, factors = on.world, {"phpa_holt_winters": (0.9, 0.9, 0.9)}

    def under(target: float, plan: loop.Plan) -> Setting:
        return peers.keda(target, capacity_rps=SERVICE.capacity_rps), plan

    return {
        "phpa_linear": [under(one, peers.phpa_linear(world, utilization=one)) for one in TARGETS],
        **{name: [under(one, peers.phpa_holt_winters(world, utilization=one, smoothing=by)) for one in TARGETS]
           for name, by in factors.items()},
        "aws_like": [under(one, peers.aws_like(world, utilization=one)) for one in TARGETS],
    }  # fmt: skip


def envelope_of(decided: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The floor that mode `bounds` would write, and its writes on each whole day behind the warm-up."""
    floor = np.empty_like(decided)
    replay.engine().envelope.follow(
        decided, envelope.UP_SHARE, envelope.DOWN_SHARE, envelope.WINDOW_SECONDS // protocol.TICK_SECONDS, floor
    )
    moved = (np.diff(floor, prepend=floor[0]) != 0)[protocol.evaluated(len(floor))]
    days = len(moved) // protocol.DAY_TICKS
    return floor, moved[: days * protocol.DAY_TICKS].reshape(days, -1).sum(axis=1)


def scores(of: Sequence[Played]) -> dict[str, float]:
    """Hypervolume x 100 by family, mean over the workloads."""
    return {
        name: 100 * float(np.mean([protocol.hypervolume(play.points(one.families[name])) for one in of]))
        for name in of[0].families
        if name != "steered"
    }


def score_rows(of: Sequence[Played]) -> list[Row]:
    """How near to perfect the best trade of cost and misses is; the peers' scores without a goal."""
    found = scores(of)
    rows = [Row(metric="score", ours=found["ours"], unit="% of the plane", direction=">=", must=66, goal=72)]
    return rows + [
        Row(metric=f"score_{name}", ours=value, unit="% of the plane", direction=">=", must=None, goal=None)
        for name, value in found.items()
        if name != "ours"
    ]


def walk_forward_rows(of: Sequence[Played]) -> list[Row]:
    """Chosen on the first half at 0.3 % violated, judged on the second."""
    mine = [play.chosen(one.families["steered"]).second for one in of]
    cost = play.geometric_mean([one.cost_ratio for one in mine])
    rows = []
    for name, peer, theirs, must, goal in (
        ("wf_cost_vs_hpa", "HPA, backtested target", [one.families["hpa"] for one in of], 0.84, 0.79),
        (
            "wf_cost_vs_reactive",
            "reactive rule, fully backtested",
            [one.families["reactive"] for one in of],
            0.95,
            0.91,
        ),
    ):
        other = play.geometric_mean([play.chosen(each).second.cost_ratio for each in theirs])
        rows.append(_against(name, cost, other, peer, "oracle's cost", must, goal))
    violated = float(np.mean([one.violated_pct for one in mine]))
    return [*rows, _row("wf_violated_pct", violated, "%", 0.3, 0.25)]


def default_rows(of: Sequence[Played]) -> list[Row]:
    """One preset for every workload."""
    mine = [one.default.whole for one in of]
    theirs = [one.hpa_60.whole for one in of]
    costs = [play.geometric_mean([one.cost_ratio for one in each]) for each in (mine, theirs)]
    events = [float(np.mean([one.events_per_day for one in each])) for each in (mine, theirs)]
    return [
        _against("default_cost_vs_hpa60", *costs, "HPA at 60 % CPU", "oracle's cost", 0.95, 0.88),
        _row("default_worst_violated_pct", max(one.violated_pct for one in mine), "%", 1.0, 0.8),
        _against("events_vs_hpa", *events, "HPA at 60 % CPU", "events/day", 2.5, 1.5),
        _row(
            "floor_writes_per_day_p95",
            float(np.percentile(np.concatenate([one.writes for one in of]), 95)),
            "writes/day",
            48,
            24,
        ),
        _told("floor_cost_vs_hpa60", play.geometric_mean([one.written.whole.cost_ratio for one in of]), costs[1]),
        _free("floor_worst_violated_pct", max(one.written.whole.violated_pct for one in of)),
        _free("hpa60_worst_violated_pct", max(one.violated_pct for one in theirs)),
    ]


def node_rows(of: Sequence[Workload]) -> list[Row]:
    """The preset and HPA at 60 % where pods need nodes, and these take their time."""
    boot = BOOT_SECONDS // protocol.TICK_SECONDS
    pool = Pools(
        slots=np.array([SLOTS]), largest=np.array([10_000]), boot_ticks=np.array([boot]), price=np.ones(1),
        idle_ticks=EMPTY_SECONDS // protocol.TICK_SECONDS,
    )  # fmt: skip
    nodes: tuple[list[float], list[float]] = ([], [])
    violated: list[float] = []
    for one in of:
        on = play.case(one, USUAL_START)
        on = replace(on, lead_ticks=(on.lead_ticks[0], on.lead_ticks[1] + boot))
        where = protocol.evaluated(on.ticks)
        for setting, held in zip((default(on), hpa([0.6])[0]), nodes, strict=True):
            record = replay.replay(on.world, *setting, pools=pool)
            held.append(float(record.node_cost_per_hour[where].mean()))
            violated.append(100 * float(record.late[where].mean()))
    mine, theirs = (play.geometric_mean(each) for each in nodes)
    return [
        _told("default_nodes_vs_hpa60", mine, theirs, "nodes"),
        _free("default_nodes_worst_violated_pct", max(violated[::2])),
        _free("hpa60_nodes_worst_violated_pct", max(violated[1::2])),
    ]


def slow_row(of: Sequence[Workload]) -> Row:
    """Start-up of 3 to 7 minutes, walk-forward."""
    mine, theirs = [], []
    for one in of:
        on = play.case(one, SLOW_START)
        mine.append(play.chosen(play.play(on, steered(on))).second.cost_ratio)
        theirs.append(play.chosen(play.play(on, hpa())).second.cost_ratio)
    return _against("slow_cost_vs_hpa", play.geometric_mean(mine), play.geometric_mean(theirs),
                    "HPA, backtested target", "oracle's cost", 0.88, 0.83)  # fmt: skip


def surge_row(of: Sequence[Workload]) -> Row:
    """A surge at the same time every day, laid over the calmest workload, at 0.1 % violated."""
    calm = min(of, key=lambda one: one.roughness)
    on = play.case(surging(calm), USUAL_START)
    mine, theirs = (protocol.cost_at(play.points(play.play(on, each)), 0.1) for each in (ours(on), keda()))
    return _against("surge_cost_vs_keda", mine, theirs, "KEDA, best target", "oracle's cost", 0.62, 0.52)


def measured_rows(data: Path) -> list[Row]:
    """Every row of the workloads and of this machine's speed."""
    of = workloads(data, service=SERVICE)
    each = [played(one) for one in of]
    rows = [
        *score_rows(each),
        *walk_forward_rows(each),
        *default_rows(each),
        *node_rows(of),
        slow_row(of),
        surge_row(of),
    ]
    return rows + speed_rows(min(of, key=lambda one: one.roughness))


def speed_rows(of: Workload) -> list[Row]:
    """Replays, sweeps and live decisions."""
    on = speed.thirty_days(of)
    given, modelled = speed.replay_milliseconds(on, guard())
    return [
        _row("replay_ms", given, "ms", 50, 15),
        _row("replay_model_ms", modelled, "ms", 500, 250),
        _row("replay_plain_s", speed.plain_seconds(on, guard()), "s", 10, 5),
        _row("variants_1000_s", speed.sweep_seconds(on), "s", 20, 8),
        _row("decide_2000_s", speed.decide_seconds(), "s", 3, 1.5),
    ]


def program_rows(data: Path) -> list[Row]:
    """Rows of the running program: as the guest of a Prometheus, and over the recordings of a fleet."""
    return elasticity_guest.rows() + elasticity_assess.rows(data)


def _row(metric: str, ours: float, unit: str, must: float, goal: float) -> Row:
    return Row(metric=metric, ours=ours, unit=unit, direction="<=", must=must, goal=goal)


def _free(metric: str, ours: float) -> Row:
    return Row(metric=metric, ours=ours, unit="%", direction="<=")


def _told(metric: str, ours: float, theirs: float, unit: str = "oracle's cost") -> Row:
    return Row(metric=metric, ours=ours, unit=unit, direction="<=", peer="HPA at 60 % CPU",
               peer_value=theirs, ratio=ours / theirs)  # fmt: skip


def _against(metric: str, ours: float, theirs: float, peer: str, unit: str, must: float, goal: float) -> Row:
    return Row(
        metric=metric, ours=ours, unit=unit, direction="<=", must=must, goal=goal, peer=peer, peer_value=theirs,
        ratio=ours / theirs,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command.options("elasticity", __doc__)
    asked = parser.parse_args(arguments)
    data = command.data_folder(parser, asked)
    return command.run(
        "elasticity", lambda: measured_rows(data) + program_rows(data), output=asked.output, versions=["numba"]
    )


if __name__ == "__main__":
    sys.exit(main())
