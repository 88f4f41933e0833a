"""Workloads that nobody talks to and that do nothing, for a whole week of hours that were measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cost.unused.activity import HOURS, Activity, Hours
from cost.unused.belonging import Root, roots
from cost.unused.finding import Finding, Kind, Unknown
from cost.unused.prices import Prices
from cost.unused.snapshot import WEEK, Snapshot, is_system

TRAFFIC_BYTES_PER_SECOND: Final = 500.0
"""Of all pods together, received and sent, in the busiest hour: probes and a metrics scrape stay below it. The mean of
the week would let an hour's job of 80 kB/s pass for silence."""
FLAT_CORES: Final = 0.01
FLAT_RATIO: Final = 1.5
"""A guess: between the quietest and the busiest hour 10 millicores, or half as much again, are noise."""
_LOST: Final = "what was in memory or in emptyDirs does not come back"
_NEVER: Final = frozenset({"Job", "CronJob", "DaemonSet", "Node"})
"""Batch is quiet until its hour; a DaemonSet's pods are its nodes' business; a Node's are static pods."""


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """Every workload that was silent and flat; one without a week of figures is not known, never unused."""
    for root in roots(snapshot):
        if root.target.kind in _NEVER or is_system(root.target.namespace) or _is_young(root, snapshot):
            continue
        traffic, cpu = activity.traffic.get(root.target), activity.cpu.get(root.target)
        why = _not_known(root, traffic, cpu)
        if traffic is None or cpu is None or why:
            yield Unknown(kind=Kind.ABANDONED_WORKLOAD, target=root.target, why=why)
        elif traffic.highest < TRAFFIC_BYTES_PER_SECOND and is_flat(cpu):
            yield _finding(root, traffic, cpu, snapshot, prices)


def is_flat(cpu: Hours) -> bool:
    """Whether all hours are alike."""
    return cpu.highest - cpu.lowest <= FLAT_CORES or cpu.highest <= FLAT_RATIO * cpu.lowest


def _is_young(root: Root, snapshot: Snapshot) -> bool:
    about = root.workload.about if root.workload is not None else root.pods[0].about
    own = root.workload is not None or root.target.kind == "Pod"
    return own and not about.is_older_than(WEEK, snapshot.at)


def _not_known(root: Root, traffic: Hours | None, cpu: Hours | None) -> str:
    if any(pod.shape.host_network for pod in root.pods):
        return "their pods are in their nodes' network, whose traffic is nobody's own"
    for name, hours in (("traffic", traffic), ("CPU", cpu)):
        if hours is None:
            return f"no figures of {name}"
        if not hours.cover_the_week:
            return f"figures of {name} do not cover 7 days"
    return ""


def _scaled_object(root: Root, snapshot: Snapshot) -> str:
    """KEDA's object that would scale it up again; an HPA leaves a workload of no replicas alone."""
    place, scales = root.target.namespace, f"{root.target.kind}/{root.target.name}"
    mine = (one for one in snapshot.autoscalers if (one.about.target.namespace, one.scales) == (place, scales))
    return next((one.scaled_object for one in mine), "")


def _finding(root: Root, traffic: Hours, cpu: Hours, snapshot: Snapshot, prices: Prices) -> Finding:
    of, price = root.target, prices.pods(root.pods)
    kubectl = f"kubectl -n {of.namespace}"
    keda = _scaled_object(root, snapshot)
    if of.kind == "Pod":
        command = f"{kubectl} get pod {of.name} -o yaml > {of.name}.yaml && {kubectl} delete pod {of.name}"
        undo = f"{kubectl} create -f {of.name}.yaml; {_LOST}"
    elif keda:
        paused = "autoscaling.keda.sh/paused-replicas"
        command = f"{kubectl} annotate scaledobject {keda} {paused}=0"
        undo = f"{kubectl} annotate scaledobject {keda} {paused}-; {_LOST}"
    else:
        count = len(root.pods) if root.workload is None else root.workload.replicas or len(root.pods)
        command = f"{kubectl} scale {root.resource} --replicas=0"
        undo = f"{kubectl} scale {root.resource} --replicas={count}; {_LOST}"
    return Finding(
        kind=Kind.ABANDONED_WORKLOAD, target=of, monthly=price.amount, since=snapshot.at - WEEK,
        evidence=(
            ("traffic", f"{traffic.highest:.0f} B/s in the busiest hour of 7 days"),
            ("cpu", f"{1000 * cpu.lowest:.0f}m to {1000 * cpu.highest:.0f}m by hour"),
            ("hours", f"{min(traffic.known, cpu.known)} of {HOURS} are known"),
            ("pods", str(len(root.pods))), *price.evidence,
        ),
        advice="Ask its owner whether anybody needs it; at no replicas it costs nothing and can be back in a minute.",
        command=command, undo=undo,
    )  # fmt: skip
