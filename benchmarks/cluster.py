"""What Foretide does in a cluster, on the real API server: ``python -m benchmarks.cluster [-o json] [--only ROW,…]``.

Starts etcd, the API server, the controllers and kwok of tests/cluster (built where they are missing). A first list and
its memory; takeovers of 100 Leases side by side, after kill -9 and after a graceful end; our HPA beside the real one;
writes of leaders that were cut off; a pass over 2,000 rules; all writes of hours of moving metrics; from a sample to a
floor that the real HPA keeps (``loop``), and what such floors save (``ahead``, by the recordings of ``--data DIR``). On
two idle cores about half an hour. Protocol: docs/kubernetes.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import cluster_fidelity as fidelity
from benchmarks.cluster_ahead import ahead_rows
from benchmarks.cluster_day import day_rows
from benchmarks.cluster_leases import takeovers
from benchmarks.cluster_loop import sample_rows
from benchmarks.cluster_pass import pass_rows
from benchmarks.cluster_stale import stale_rows
from benchmarks.processes import MIB
from benchmarks.program import ROOT
from benchmarks.report import NotMeasuredError, Row, environment, print_report
from tests.cluster.api import MERGE, Object, path
from tests.cluster.build import NoClusterError
from tests.cluster.control_plane import Cluster, started
from tests.cluster.objects import hpa

HPAS: Final = 5_000
LISTS: Final = 5
LEASES: Final = 100
KILLS: Final = 2
GRACEFUL_LEASES: Final = 25
GRACEFUL: Final = 4
"""Fewer side by side: each is given back by a request of its own, a hundred at once wait for each other."""
FIDELITY_SECONDS: Final = 180
_WRITERS: Final = 4
_STATUS: Final[Object] = {
    "currentReplicas": 4,
    "desiredReplicas": 4,
    "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageValue": "48m", "averageUtilization": 48}}}
    ],
    "conditions": [
        {
            "type": kind, "status": "True", "reason": "ReadyForNewScale", "lastTransitionTime": "2026-11-21T12:00:00Z",
            "message": "recommended size matches current size, and a sentence of about the usual length follows here",
        }
        for kind in ("AbleToScale", "ScalingActive", "ScalingLimited")
    ],
}  # fmt: skip
"""What the controller writes into each HPA: an object without it would be half as large."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"of {', '.join(MEASURED)}")
    parser.add_argument("--data", type=Path, help="recordings for ahead; without it curves are made")
    options = parser.parse_args(arguments)
    measured: dict[str, Callable[[Cluster], list[Row]]] = {**MEASURED, "ahead": partial(ahead_rows, data=options.data)}
    where = environment()
    rows: list[Row] = []
    try:
        with started() as cluster:
            for name in options.only or MEASURED:
                print(f"benchmarks.cluster: {name}", file=sys.stderr)
                found = measured[name](cluster)
                for row in found:
                    print(f"benchmarks.cluster: {row.metric} {row.ours:g} {row.unit}", file=sys.stderr)
                rows += found
    except (NotMeasuredError, NoClusterError) as error:
        print(f"benchmarks.cluster: {error}", file=sys.stderr)
        return 1
    print_report("cluster", where, rows, form=options.output)
    return 0


def cache_rows(cluster: Cluster) -> list[Row]:
    """The median of five first lists, each in a process of its own, and the most that one held afterwards."""
    namespace = cluster.namespace("many")
    cluster.controllers.stop()  # 5,000 HPAs without a target would keep it busy with errors
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda number: _made(cluster, namespace, number), range(HPAS)))
    kubeconfig = cluster.kubeconfig()
    found = [_child("cache", str(kubeconfig), namespace) for _ in range(LISTS)]
    if any(one["objects"] != HPAS for one in found):
        raise NotMeasuredError(f"a list of {HPAS:,} HPAs had {[one['objects'] for one in found]}")
    cluster.api.request("DELETE", path("HorizontalPodAutoscaler", None, namespace))
    cluster.controllers.start()
    seconds = float(np.median([one["seconds"] for one in found]))
    held = max(one["held_bytes"] for one in found) / MIB
    return [
        Row(metric="list_5000_s", ours=round(seconds, 3), unit="s", direction="<=", must=0.8, goal=0.5),
        Row(metric="cache_mb", ours=round(held, 1), unit="MiB", direction="<=", must=90, goal=60),
    ]


def _made(cluster: Cluster, namespace: str, number: int) -> None:
    name = f"workload-{number:05d}"
    cluster.api.create(hpa(name, namespace, low=2, annotations={"example.com/team": f"team-{number % 40}"}))
    status = path("HorizontalPodAutoscaler", name, namespace) + "/status"
    cluster.api.request("PATCH", status, {"status": _STATUS}, content_type=MERGE)


def takeover_rows(cluster: Cluster) -> list[Row]:
    """200 leaders killed with -9 and 100 ended by SIGTERM, at 15/10/2 s."""
    kubeconfig = cluster.kubeconfig()
    killed = takeovers(
        kubeconfig, namespace=cluster.namespace("leases"), leases=LEASES, rounds=KILLS, by=signal.SIGKILL
    )
    ended = takeovers(
        kubeconfig, namespace=cluster.namespace("leases"), leases=GRACEFUL_LEASES, rounds=GRACEFUL, by=signal.SIGTERM
    )
    p50, p99 = np.percentile(killed, [50, 99])
    return [
        Row(metric="takeover_p50_s", ours=round(float(p50), 2), unit="s", direction="<="),
        Row(metric="takeover_p99_s", ours=round(float(p99), 2), unit="s", direction="<=", must=24, goal=23),
        Row(metric="takeover_max_s", ours=round(max(killed), 2), unit="s", direction="<="),
        Row(metric="graceful_s", ours=round(max(ended), 2), unit="s", direction="<=", must=5, goal=3),
    ]


def fidelity_rows(cluster: Cluster) -> list[Row]:
    """Share of the seconds of eight curves in which the replay wants the recorded replicas, or one more or less."""
    recorded = fidelity.record(cluster, fidelity.RUNS, seconds=FIDELITY_SECONDS)
    real = np.array([one.replicas for one in recorded])
    ours = np.array(
        [
            fidelity.replay(run, one.passes, seconds=FIDELITY_SECONDS)
            for run, one in zip(fidelity.RUNS, recorded, strict=True)
        ]
    )
    for run, one, other in zip(fidelity.RUNS, real, ours, strict=True):
        print(f"benchmarks.cluster: {run.name}: {fidelity.within_one(one, other):.3f}", file=sys.stderr)
    share = fidelity.within_one(real, ours)
    return [
        Row(metric="replay_fidelity", ours=round(share, 4), unit="of ticks", direction=">=", must=0.95, goal=0.99)
    ]  # fmt: skip


def _child(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.cluster_child", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise NotMeasuredError(f"{' '.join(arguments[:1])}: {done.stderr[-1000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


MEASURED: Final[dict[str, Callable[[Cluster], list[Row]]]] = {
    "cache": cache_rows,
    "takeover": takeover_rows,
    "fidelity": fidelity_rows,
    "stale": stale_rows,
    "pass": pass_rows,
    "day": day_rows,
    "loop": sample_rows,
    "ahead": partial(ahead_rows, data=None),
}

if __name__ == "__main__":
    sys.exit(main())
