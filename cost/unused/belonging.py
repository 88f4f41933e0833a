"""Whose pods are: the workload at the end of the owners, also where its kind is nobody's that we know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cost.unused.finding import Target
from cost.unused.snapshot import About, Owner, Pod, Snapshot, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A workload with the pods that it has now.

    Attributes:
        target: The last owner; the pod itself where it has none.
        group: Its API group.
        workload: Where its kind is one that is read.
        pods: That have not ended.
    """

    target: Target
    group: str
    workload: Workload | None
    pods: tuple[Pod, ...]

    @property
    def resource(self) -> str:
        """As kubectl takes it: ``deployment/web``, ``rollout.argoproj.io/web``."""
        own = self.group in ("", "apps", "batch")
        return f"{self.target.kind.lower()}{'' if own else f'.{self.group}'}/{self.target.name}"


def roots(snapshot: Snapshot) -> tuple[Root, ...]:
    """Every workload with pods that run or are about to, by name."""
    known = {one.about.target: one for one in snapshot.workloads}
    pods: dict[Target, list[Pod]] = defaultdict(list)
    groups: dict[Target, str] = {}
    for pod in snapshot.pods:
        if pod.phase in ("Succeeded", "Failed"):
            continue
        target, group = _root(pod.about, known)
        pods[target].append(pod)
        groups[target] = group
    return tuple(
        Root(target=target, group=groups[target], workload=known.get(target), pods=tuple(pods[target]))
        for target in sorted(pods)
    )


def _root(about: About, known: Mapping[Target, Workload]) -> tuple[Target, str]:
    """Owners of owners, three deep at most: a pod's ReplicaSet, its Deployment, and whoever made that counts not."""
    target, group = about.target, ""
    while target.kind in ("Pod", "ReplicaSet"):
        owner = controller(about.owners)
        if owner is None:
            break
        target, group = Target(namespace=target.namespace, kind=owner.kind, name=owner.name), owner.group
        above = known.get(target)
        if above is None:
            break
        about = above.about
    return target, group


def controller(owners: Iterable[Owner]) -> Owner | None:
    """Who made it."""
    return next((one for one in owners if one.controller), None)
