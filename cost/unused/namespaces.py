"""Namespaces in which nothing runs and nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cost.unused.activity import Activity
from cost.unused.finding import Finding, Kind, Unknown, stamp
from cost.unused.prices import NOTHING, Prices
from cost.unused.snapshot import WEEK, WORKLOADS, About, Snapshot, Thing, is_system

READ: Final = ("namespaces", "pods", "persistentvolumeclaims", "services", *WORKLOADS)
"""Without one of these kinds no namespace is called empty."""


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """Older than a week and without workload, pod, claim or Service; never Kubernetes' own nor ``default``."""
    del activity, prices
    things: tuple[Thing, ...] = (*snapshot.pods, *snapshot.workloads, *snapshot.claims)
    full = {one.about.target.namespace for one in things} | {one.namespace for one in snapshot.services}
    for one in snapshot.namespaces:
        name = one.target.name
        if name in full or name == "default" or is_system(name) or not one.is_older_than(WEEK, snapshot.at):
            continue
        yield _finding(one)


def _finding(one: About) -> Finding:
    name = one.target.name
    look = (
        f"kubectl api-resources --verbs=list --namespaced -o name | xargs -n1 kubectl -n {name} get --ignore-not-found"
    )
    created = () if one.created is None else (("created", stamp(one.created)),)
    return Finding(
        kind=Kind.EMPTY_NAMESPACE, target=one.target, monthly=NOTHING, since=None,
        evidence=(
            ("empty of", "pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, ReplicationControllers, Jobs, "
                         "CronJobs, PersistentVolumeClaims and Services"),
            ("not looked at", "ConfigMaps, Secrets, rights, custom resources"), *created,
        ),
        advice=f"Look at what else is in it ({look}) and ask its owner.",
        command=f"kubectl delete namespace {name}",
        undo="none: what is in it goes, too, Secrets, rights and custom resources among it",
    )  # fmt: skip
