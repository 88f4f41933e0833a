"""Workloads whose containers request no CPU or no memory: nobody reserves for them, and nobody can charge them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from cost.unused.activity import Activity
from cost.unused.belonging import Root, roots
from cost.unused.finding import Finding, Kind, Unknown
from cost.unused.prices import NOTHING, Prices
from cost.unused.snapshot import PodShape, Snapshot, is_system

_NOT_OURS: Final = frozenset({"Job", "CronJob", "Node"})


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """By the pods that are there, to which a LimitRange has already added its defaults."""
    del activity, prices
    for root in roots(snapshot):
        if root.target.kind in _NOT_OURS or is_system(root.target.namespace):
            continue
        missing = sorted({one for pod in root.pods for one in _missing(pod.shape)})
        if missing:
            yield _finding(root, missing)


def _missing(shape: PodShape) -> Iterator[tuple[str, str]]:
    """Container and resource; what is requested for the pod as a whole stands for all its containers."""
    whole = shape.whole
    for one in shape.containers:
        if one.cpu_cores is None and (whole is None or whole.cpu_cores is None):
            yield one.name, "cpu"
        if one.memory_bytes is None and (whole is None or whole.memory_bytes is None):
            yield one.name, "memory"


def _finding(root: Root, missing: list[tuple[str, str]]) -> Finding:
    of = root.target
    by_container: dict[str, list[str]] = defaultdict(list)
    for name, resource in missing:
        by_container[name].append(resource)
    told = tuple((f"container {name}", f"no request of {' and '.join(what)}") for name, what in by_container.items())
    return Finding(
        kind=Kind.REQUESTS_MISSING, target=of, monthly=NOTHING, since=None,
        evidence=(*told, ("pods", str(len(root.pods)))),
        advice="Saves nothing by itself: without requests the scheduler and an HPA by utilisation are blind, and its "
               "pods are the first to be evicted.",
        command=f"foretide cost sizing -n {of.namespace} --patches",
        undo="prints commands and changes nothing; a template that one of them changed goes back by "
             f"kubectl -n {of.namespace} rollout undo {root.resource}",
    )  # fmt: skip
