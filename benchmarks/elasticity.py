"""How much it costs to keep an objective, beside HPA, KEDA and a fully backtested reactive rule, on recorded workloads.

``python -m benchmarks.elasticity --data DIR -o json``. DIR holds ``traces/`` or time series itself (``timestamp,value``,
any names, an hour or finer). Needs the extra ``compiled``; a few minutes on two cores. Protocol: docs/elasticity.md.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is loaded, below

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import elasticity_play as play
from benchmarks.elasticity_play import SERVICE, SLOW_START, USUAL_START, Case, Judged, Setting
from benchmarks.elasticity_traces import Workload, surging, workloads
from benchmarks.forecast_traces import NoTracesError
from benchmarks.report import NotMeasuredError, Row, environment, print_report
from controller.simulate import loop, peers, plans, protocol

TARGETS: Final = (0.3, 0.34, 0.38, 0.42, 0.46, 0.5, 0.54, 0.57, 0.6, 0.63, 0.66, 0.69, 0.73, 0.77, 0.81)
MISSED: Final = (1.0, 5.0, 12.0, 18.0, 25.0, 35.0, 50.0, 70.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 10000.0)
REACTIVE_TARGETS: Final = tuple(np.round(np.linspace(0.3, 0.84, 20), 3).tolist())
TOLERANCES: Final = (0.0, 0.02, 0.1)
WINDOWS_SECONDS: Final = (15, 30, 60, 120)
DOWN_SECONDS: Final = (60, 120, 300, 600, 900)
DEFAULT_LEVELS: Final = tuple(10.0 * 2**k for k in range(9))
DEFAULT_BUDGET: Final = 0.005
DEFAULT_GAIN: Final = 0.05


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
        for target, tolerance, window, down in product(REACTIVE_TARGETS, TOLERANCES, WINDOWS_SECONDS, DOWN_SECONDS)
    ]  # fmt: skip


def guard(down_seconds: int = 15) -> loop.Reactive:
    """What stands under the forecast: never below the need of the last 30 s."""
    return peers.reactive(
        metric=loop.RPS, target=0.83 * SERVICE.capacity_rps, window_seconds=30, tolerance=0.0, down_seconds=down_seconds
    )


def ours(on: Case) -> list[Setting]:
    """The policy by the price of a missed tick."""
    add, keep = play.outlook(on)
    return [
        (guard(), plans.following(add, keep, safe_rps=SERVICE.safe_rps, missed=[missed], by=play.FAST_PRICE))
        for missed in MISSED
    ]


def default(on: Case) -> Setting:
    """The one preset for all workloads: caution steered by an error budget of 0.5 % of the time."""
    add, keep = play.outlook(on)
    plan = plans.following(
        add, keep, safe_rps=SERVICE.safe_rps, missed=DEFAULT_LEVELS, violated_budget=DEFAULT_BUDGET, gain=DEFAULT_GAIN,
        by=play.FAST_PRICE,
    )  # fmt: skip
    return guard(), plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All families on one workload."""

    name: str
    ours: list[Judged]
    default: Judged
    hpa: list[Judged]
    keda: list[Judged]
    reactive: list[Judged]
    perfect: Judged

    @property
    def hpa_60(self) -> Judged:
        """HPA out of the box, at 60 %."""
        return self.hpa[TARGETS.index(0.6)]


def played(of: Workload) -> Played:
    """Replay everything on one workload with usual starts."""
    on = play.case(of, USUAL_START)
    print(f"benchmarks.elasticity: {of.name}", file=sys.stderr)
    seen = plans.perfect(on.world.load_rps, lead_ticks=on.lead_ticks[1] + 1, safe_rps=SERVICE.safe_rps)
    nothing = peers.reactive(metric=loop.NOTHING, target=1.0, window_seconds=30, down_seconds=15)
    return Played(
        name=of.name, ours=play.play(on, ours(on)), default=play.play(on, [default(on)])[0], hpa=play.play(on, hpa()),
        keda=play.play(on, keda()), reactive=play.play(on, reactive()), perfect=play.play(on, [(nothing, seen)])[0],
    )  # fmt: skip


def scores(of: Sequence[Played]) -> dict[str, float]:
    """Hypervolume x 100 by family, mean over the workloads."""
    families: Mapping[str, list[list[Judged]]] = {
        "score": [one.ours for one in of], "score_hpa": [one.hpa for one in of], "score_keda": [one.keda for one in of],
        "score_reactive": [one.reactive for one in of], "score_perfect": [[one.perfect] for one in of],
    }  # fmt: skip
    return {
        name: 100 * float(np.mean([protocol.hypervolume(play.points(judged)) for judged in each]))
        for name, each in families.items()
    }


def score_rows(of: Sequence[Played]) -> list[Row]:
    """How near to perfect the best trade of cost and misses is; the peers' scores without a goal."""
    found = scores(of)
    rows = [Row(metric="score", ours=found["score"], unit="% of the plane", direction=">=", must=66, goal=72)]
    return rows + [
        Row(metric=name, ours=value, unit="% of the plane", direction=">=", must=None, goal=None)
        for name, value in found.items()
        if name != "score"
    ]


def walk_forward_rows(of: Sequence[Played]) -> list[Row]:
    """Chosen on the first half at 0.3 % violated, judged on the second."""
    mine = [play.chosen(one.ours).second for one in of]
    cost = play.geometric_mean([one.cost_ratio for one in mine])
    rows = []
    for name, peer, theirs, must, goal in (
        ("wf_cost_vs_hpa", "HPA, backtested target", [one.hpa for one in of], 0.84, 0.79),
        ("wf_cost_vs_reactive", "reactive rule, fully backtested", [one.reactive for one in of], 0.95, 0.91),
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
    ]


def slow_row(of: Sequence[Workload]) -> Row:
    """Start-up of 3 to 7 minutes, walk-forward."""
    mine, theirs = [], []
    for one in of:
        on = play.case(one, SLOW_START)
        mine.append(play.chosen(play.play(on, ours(on))).second.cost_ratio)
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
    """Every row."""
    of = workloads(data, service=SERVICE)
    each = [played(one) for one in of]
    return [*score_rows(each), *walk_forward_rows(each), *default_rows(each), slow_row(of), surge_row(of)]


def _row(metric: str, ours: float, unit: str, must: float, goal: float) -> Row:
    return Row(metric=metric, ours=ours, unit=unit, direction="<=", must=must, goal=goal)


def _against(metric: str, ours: float, theirs: float, peer: str, unit: str, must: float, goal: float) -> Row:
    return Row(
        metric=metric, ours=ours, unit=unit, direction="<=", must=must, goal=goal, peer=peer, peer_value=theirs,
        ratio=ours / theirs,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.elasticity", description=__doc__)
    parser.add_argument("--data", default=os.environ.get("FORETIDE_BENCH_DATA"), help="folder of recorded workloads")
    parser.add_argument("-o", choices=["json", "table"], default="table")
    asked = parser.parse_args(arguments)
    if asked.data is None or not Path(asked.data).is_dir():
        parser.error(f"--data: {asked.data} is not a folder; give the one with traces/")
    try:
        where = environment()
        where["versions"]["numba"] = metadata.version("numba")
        rows = measured_rows(Path(asked.data))
    except metadata.PackageNotFoundError:
        print("benchmarks.elasticity: numba is missing; install the extra `compiled`", file=sys.stderr)
        return 1
    except (NotMeasuredError, NoTracesError) as error:
        print(f"benchmarks.elasticity: {error}", file=sys.stderr)
        return 1
    print_report("elasticity", where, rows, form=asked.o)
    return 0


if __name__ == "__main__":
    sys.exit(main())
