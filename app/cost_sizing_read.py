"""What containers used and ask for, from the series of kube-state-metrics, cAdvisor and metrics.k8s.io."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from app.fleet import hpas_told, workload_of
from app.queries import LabelPairs, Queries
from cost.sizing.observed import Observed, Oom, PodTrack, Resource, Size, Track
from domain.labels import Labels
from domain.names import USED_CPU, USED_MEMORY

STEP: Final = timedelta(minutes=5)
_NOW: Final = timedelta(minutes=15)
"""A container that was not seen for longer is one of an earlier template."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""Of a Kubernetes object. Labels are written by whoever is scraped, and these names end up in commands to paste."""
_KINDS: Final = (
    ("Deployment", "deployment", "kube_deployment_spec_replicas"),
    ("StatefulSet", "statefulset", "kube_statefulset_replicas"),
)
_RESTARTS: Final = "kube_pod_container_status_restarts_total"
_REASON: Final = "kube_pod_container_status_last_terminated_reason"
Lines = dict[tuple[str, str], Track]
"""By pod and container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """The HPA of a workload: its utilisation targets in percent, and how many targets of all kinds it has."""

    name: str
    percent: Mapping[Resource, int]
    metrics: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A workload."""

    namespace: str
    kind: str
    name: str

    @property
    def key(self) -> str:
        """``namespace/Kind/name``."""
        return f"{self.namespace}/{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A workload's containers over a window, and the pods that are there now."""

    containers: tuple[Observed, ...]
    pods: tuple[str, ...]


def places(queries: Queries, now: datetime, namespace: str | None) -> list[Place]:
    """Every workload that kube-state-metrics, or we ourselves, tell of."""
    own = "" if namespace is None else f'{{namespace="{namespace}"}}'
    found = []
    for kind, label, metric in _KINDS:
        for pairs in queries.instant(f"max by (namespace, {label}) ({metric}{own})", now):
            labels = dict(pairs)
            if _named(labels.get("namespace"), labels.get(label)):
                found.append(Place(namespace=labels["namespace"], kind=kind, name=labels[label]))
    return sorted(found, key=lambda one: (one.namespace, one.name, one.kind))


def scalers(queries: Queries, now: datetime, namespace: str | None) -> dict[str, Scaler]:
    """HPAs by the key of what they scale."""

    def ask(expr: str) -> Iterable[tuple[Labels, float]]:
        return ((Labels.of(dict(pairs)), value) for pairs, value in queries.instant(expr, now).items())

    found = {}
    for one in hpas_told(ask, namespace):
        percent = {
            Resource(target.name): round(target.number)
            for target in one.targets
            if target.kind == "utilization" and target.name in set(Resource) and target.number >= 1
        }
        key = Place(namespace=one.namespace, kind=one.kind, name=one.workload).key
        if _named(one.name):
            found[key] = Scaler(name=one.name, percent=percent, metrics=len(one.targets))
    return found


def resizes_in_place(queries: Queries, now: datetime) -> bool:
    """Whether all nodes are of 1.33 or later, where pods can be resized without a restart."""
    versions = [dict(pairs).get("kubelet_version", "") for pairs in
                queries.instant("count by (kubelet_version) (kube_node_info)", now)]  # fmt: skip
    minors = [version.removeprefix("v1.").split(".")[0] for version in versions if version.startswith("v1.")]
    return bool(minors) and all(minor.isdigit() and int(minor) >= 33 for minor in minors)


def read(queries: Queries, place: Place, *, now: datetime, window: timedelta) -> Seen:
    """A workload over a window; pods of earlier templates count, containers of theirs that are gone do not.

    Raises:
        QueryError: The source cannot be asked.
    """
    pods = f'namespace="{place.namespace}",pod=~"{place.name.replace(".", "[.]")}-.+"'
    used = f'{pods},container!="",container!="POD"'

    def lines(*exprs: str) -> Lines:
        for expr in exprs:
            found = queries.lines(f"max by (pod, container) ({expr})", now - window, now, STEP)
            if mine := _tracks(found, place.name):
                return mine
        return {}

    cpu = lines(f"rate(container_cpu_usage_seconds_total{{{used}}}[5m])", f"avg_over_time({USED_CPU}{{{used}}}[5m])")
    memory = lines(
        f"max_over_time(container_memory_working_set_bytes{{{used}}}[5m])",
        f"max_over_time({USED_MEMORY}{{{used}}}[5m])",
    )
    killed = lines(
        # Not `changes`: between two windows of it the change from one's last sample to the next's first is lost.
        f"{_RESTARTS}{{{pods}}} - {_RESTARTS}{{{pods}}} offset 5m > 0 and on (namespace, pod, container) "
        f'{_REASON}{{{pods},reason="OOMKilled"}} == 1'
    )
    starts = _by_pod(
        queries.instant(f"max by (pod) (last_over_time(kube_pod_start_time{{{pods}}}[{window.days}d]))", now)
    )
    sizes = _sizes(queries, pods, place.name, now)
    recent = {key for key, track in (cpu | memory).items() if track.times[-1] >= (now - _NOW).timestamp()}
    names = sorted({*sizes, *(container for _, container in recent)})
    containers = tuple(
        Observed(
            target=place.key, container=name, current=sizes.get(name, {}), containers=len(names),
            pods=_pods(name, cpu, memory, killed, starts, sizes.get(name, {}).get(Resource.MEMORY, Size())),
        )
        for name in names
    )  # fmt: skip
    return Seen(containers=containers, pods=tuple(sorted({pod for pod, _ in recent})))


def _tracks(found: Mapping[LabelPairs, tuple[np.ndarray, np.ndarray]], workload: str) -> Lines:
    tracks: Lines = {}
    for pairs, (times_ms, values) in found.items():
        labels = dict(pairs)
        pod, container = labels.get("pod", ""), labels.get("container", "")
        known = np.isfinite(values)
        if _named(pod, container) and workload_of(pod) == workload:
            tracks[pod, container] = Track(times=times_ms[known] / 1000.0, values=values[known].astype(np.float64))
    return tracks


def _pods(
    container: str, cpu: Lines, memory: Lines, killed: Lines, starts: Mapping[str, float], asked: Size
) -> tuple[PodTrack, ...]:
    names = sorted({pod for pod, name in (*cpu, *memory) if name == container})
    return tuple(
        PodTrack(
            pod=pod, cpu=cpu.get((pod, container), Track()), memory=memory.get((pod, container), Track()),
            started=starts.get(pod),
            ooms=tuple(
                Oom(at=at, requested_bytes=float(asked.request or 0), limit_bytes=asked.limit)
                for at in killed.get((pod, container), Track()).times.tolist()
            ),
        )
        for pod in names
    )  # fmt: skip


def _sizes(queries: Queries, pods: str, workload: str, now: datetime) -> dict[str, dict[Resource, Size]]:
    """What each container asks for now; of several templates (a rollout) the largest."""
    found: dict[str, dict[Resource, dict[str, int]]] = {}
    for part, metric in (("request", "requests"), ("limit", "limits")):
        expr = f'kube_pod_container_resource_{metric}{{{pods},resource=~"cpu|memory"}}'
        for pairs, value in queries.instant(expr, now).items():
            labels = dict(pairs)
            if workload_of(labels.get("pod", "")) != workload or not _named(labels.get("container")):
                continue
            resource = Resource(labels["resource"])
            amount = round(value * (1000.0 if resource is Resource.CPU else 1.0))
            parts = found.setdefault(labels["container"], {}).setdefault(resource, {})
            parts[part] = max(amount, parts.get(part, 0))
    return {
        name: {resource: Size(**parts) for resource, parts in resources.items()} for name, resources in found.items()
    }


def _by_pod(found: Mapping[LabelPairs, float]) -> dict[str, float]:
    return {dict(pairs).get("pod", ""): value for pairs, value in found.items()}


def _named(*names: str | None) -> bool:
    return all(name is not None and _NAME.fullmatch(name) for name in names)
