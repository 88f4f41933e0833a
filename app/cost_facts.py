"""What ran where, and what it asked for and used, read from the store: nodes and pods as the allocation of cost takes
them.

A cluster tells it by kube-state-metrics' series (Foretide's own or somebody's) and by metrics.k8s.io or cAdvisor;
processes of our own (``cluster: local``) run on one node, the host. A pod counts from being scheduled until it is
gone or has ended.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.queries import Queries
from collector.kubernetes import exporter, usage
from cost.allocation.nodes import Amounts, PodInterval, Window
from cost.allocation.subject import Subject
from cost.pricing.things import NodeFacts
from domain.clock import to_ms
from domain.names import INSTANCE, JOB, NAMESPACE, USED_CPU, USED_MEMORY
from domain.series import FloatArray, IntArray

Key = tuple[str, str, str]
"""Cluster, namespace, pod."""
_OURS: Final = (exporter.JOB, usage.JOB)
_RESOURCES: Final = ("cpu", "memory", "nvidia_com_gpu")
_OF_POD: Final = "sum by (job, instance, cluster, namespace, pod) ({of})"
_PLACED: Final = (
    'max by (job, instance, cluster, namespace, pod, node, created_by_kind, created_by_name) (kube_pod_info{node!=""})'
)
"""One series for each pod: a pod that gets its address becomes another series of ``kube_pod_info``."""
_AT_ONCE: Final = timedelta(hours=6)
"""1,440 samples of a series that comes every 15 s: 13,000 pods within the limit."""
_ENDED: Final = ("Succeeded", "Failed")
_GIB: Final = Decimal(2) ** 30
_POOLS: Final = (
    "label_cloud_google_com_gke_nodepool", "label_eks_amazonaws_com_nodegroup", "label_karpenter_sh_nodepool",
    "label_kubernetes_azure_com_agentpool", "label_agentpool",
)  # fmt: skip
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")
LOCAL_CLUSTER: Final = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNode:
    """A node as long as it was there, without its price."""

    subject: Subject
    start: datetime
    end: datetime | None
    capacity: Amounts
    allocatable: Amounts
    facts: NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything of a window."""

    nodes: tuple[KnownNode, ...]
    pods: tuple[PodInterval, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """One series on the window's grid: NaN where it has nothing."""

    labels: Mapping[str, str]
    values: FloatArray


class CostFacts:
    """Asks for them; ``local`` holds the requests of our own processes by namespace and name, None with a cluster."""

    def __init__(self, queries: Queries, *, local: Mapping[tuple[str, str], Mapping[str, float]] | None) -> None:
        """Nothing is asked yet."""
        self._queries, self._local = queries, local

    def known(self, window: Window, label_names: Iterable[str] = ()) -> Known:
        """What ran in the window.

        Args:
            window: Its step is that of usage.
            label_names: Labels of nodes that prices ask for, under their real names: the series have others.

        Raises:
            QueryError: The window is more than one query may touch, or the source does not answer.
        """
        if self._local is not None:
            return self._of_host(window, self._local)
        nodes = list(self._nodes(window, label_names))
        return Known(nodes=tuple(nodes), pods=tuple(self._pods(window)))

    def _nodes(self, window: Window, label_names: Iterable[str]) -> Iterator[KnownNode]:
        resources = "|".join(_RESOURCES)
        amounts = {
            name: self._by_node(f'{name}{{resource=~"{resources}"}}', window)
            for name in ("kube_node_status_capacity", "kube_node_status_allocatable")
        }
        capacity, allocatable = amounts.values()
        labels = {node: lines[0].labels for node, lines in self._by_node("kube_node_labels", window).items()}
        info = {node: lines[0].labels for node, lines in self._by_node("kube_node_info", window).items()}
        real = {_in_series(name): name for name in label_names}
        for (cluster, name), lines in sorted(capacity.items()):
            has = _amounts(lines)
            known = labels.get((cluster, name), {})
            start, end = _span(lines[0].values, window)
            facts = NodeFacts(
                name=name, provider_id=info.get((cluster, name), {}).get("provider_id", ""),
                labels={real[own]: value for own, value in known.items() if own in real},
                cpu_cores=_exact(has.cpu_cores), memory_gib=_exact(has.memory_bytes) / _GIB, gpus=_exact(has.gpus),
            )  # fmt: skip
            pool = next((known[label] for label in _POOLS if known.get(label)), "")
            yield KnownNode(
                subject=Subject(cluster=cluster, node=name, node_pool=pool), start=start, end=end, capacity=has,
                allocatable=_amounts(allocatable.get((cluster, name), lines)), facts=facts,
            )  # fmt: skip

    def _pods(self, window: Window) -> Iterator[PodInterval]:
        requests = self._requests(window)
        cpu = self._usage(
            USED_CPU, 'rate(container_cpu_usage_seconds_total{container!="",container!="POD"}[5m])', window
        )
        memory = self._usage(USED_MEMORY, 'container_memory_working_set_bytes{container!="",container!="POD"}', window)
        created = {_key(line.labels): line.values for line in self._lines("kube_pod_created", window)}
        ended = {
            _key(line.labels): line.values
            for phase in _ENDED
            for line in self._lines(f'kube_pod_status_phase{{phase="{phase}"}} == 1', window)
        }
        deployments = {
            (_cluster(line.labels), line.labels.get(NAMESPACE, ""), line.labels.get("replicaset", "")):
                line.labels.get("owner_name", "")
            for line in self._lines('kube_replicaset_owner{owner_kind="Deployment"}', window)
        }  # fmt: skip
        for line in self._lines(_PLACED, window):
            key = _key(line.labels)
            start, end = _span(line.values, window, created=created.get(key))
            if key in ended:
                over = _moment(int(np.flatnonzero(np.isfinite(ended[key]))[0]), window)
                end = over if end is None or over < end else end
            kind, owner = line.labels.get("created_by_kind", ""), line.labels.get("created_by_name", "")
            if kind == "ReplicaSet" and (by := deployments.get((key[0], key[1], owner))):
                kind, owner = "Deployment", by
            pod = PodInterval(
                subject=Subject(
                    cluster=key[0], namespace=key[1], pod=key[2], node=line.labels.get("node", ""),
                    owner_kind="" if kind == "<none>" else kind, owner="" if owner == "<none>" else owner,
                ),
                start=start, end=end, requests=Amounts(), cpu_usage=cpu.get(key), memory_usage=memory.get(key),
            )  # fmt: skip
            yield from _resized(pod, requests.get(key, {}), window)

    def _requests(self, window: Window) -> dict[Key, dict[str, FloatArray]]:
        found: dict[Key, dict[str, FloatArray]] = defaultdict(dict)
        for resource in _RESOURCES:
            of = f'kube_pod_container_resource_requests{{resource="{resource}",node!=""}}'
            for line in self._lines(_OF_POD.format(of=of), window):
                found[_key(line.labels)][resource] = line.values
        return found

    def _usage(self, ours: str, theirs: str, window: Window) -> dict[Key, np.ndarray]:
        """Usage by pod from metrics.k8s.io, else from cAdvisor; never both, which would be twice."""
        for of in (ours, theirs):
            lines = self._lines(_OF_POD.format(of=of), window)
            if lines:
                return {_key(line.labels): line.values.astype(np.float32) for line in lines}
        return {}

    def _by_node(self, expr: str, window: Window) -> dict[tuple[str, str], list[_Line]]:
        found: dict[tuple[str, str], list[_Line]] = defaultdict(list)
        for line in self._lines(expr, window):
            found[_cluster(line.labels), line.labels.get("node", "")].append(line)
        return found

    def _lines(self, expr: str, window: Window) -> list[_Line]:
        """Each series at the beginning of every step, read piece by piece: one query may touch 20,000,000 samples."""
        first_ms, step_ms = to_ms(window.start), round(window.step / timedelta(milliseconds=1))
        found: dict[tuple[tuple[str, str], ...], FloatArray] = {}
        at, last = window.start, window.end - window.step
        while at <= last:
            until = min(at + _AT_ONCE - window.step, last)
            for labels, (times, values) in self._queries.lines(expr, at, until, window.step).items():
                own = found.setdefault(labels, np.full(window.steps, np.nan))
                own[_places(times, first_ms, step_ms)] = values
            at = until + window.step
        return [_Line(labels=dict(labels), values=values) for labels, values in found.items()]

    def _of_host(self, window: Window, requests: Mapping[tuple[str, str], Mapping[str, float]]) -> Known:
        """One node, and every process that answered scrapes on it."""
        cores = self._lines('count by (instance) (node_cpu_seconds_total{job="node",mode="idle"})', window)
        memory = self._lines('node_memory_MemTotal_bytes{job="node"}', window)
        if not cores or not memory:
            return Known(nodes=(), pods=())
        name = cores[0].labels.get(INSTANCE, "host")
        has = Amounts(cpu_cores=_last(cores[0].values), memory_bytes=_last(memory[0].values))
        start, end = _span(cores[0].values, window)
        facts = NodeFacts(name=name, cpu_cores=_exact(has.cpu_cores), memory_gib=_exact(has.memory_bytes) / _GIB)
        host = KnownNode(
            subject=Subject(cluster=LOCAL_CLUSTER, node=name), start=start, end=end, capacity=has, allocatable=has,
            facts=facts,
        )  # fmt: skip
        return Known(nodes=(host,), pods=tuple(self._processes(window, name, requests)))

    def _processes(
        self, window: Window, host: str, requests: Mapping[tuple[str, str], Mapping[str, float]]
    ) -> Iterator[PodInterval]:
        for line in self._lines('max by (job, namespace, pod) (up{pod!=""})', window):
            owner = (line.labels.get(NAMESPACE, ""), line.labels.get(JOB, ""))
            start, end = _span(line.values, window)
            asked = requests.get(owner, {})
            yield PodInterval(
                subject=Subject(
                    cluster=LOCAL_CLUSTER, namespace=owner[0], pod=line.labels.get("pod", ""), node=host,
                    owner_kind="Deployment" if owner in requests else "Process", owner=owner[1],
                ),
                start=start, end=end,
                requests=Amounts(cpu_cores=asked.get("cpu", 0.0), memory_bytes=asked.get("memory", 0.0)),
            )  # fmt: skip


def _resized(pod: PodInterval, requests: Mapping[str, FloatArray], window: Window) -> Iterator[PodInterval]:
    """The pod in pieces of equal requests: a pod may be resized where it runs."""
    if not requests:
        yield pod
        return
    rows = np.stack([_filled(requests.get(name), window.steps) for name in _RESOURCES])
    cuts = np.flatnonzero((np.diff(rows, axis=1) != 0).any(axis=0)) + 1
    edges = [None, *(_moment(int(cut), window) for cut in cuts), None]
    for number, (left, right) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        start = pod.start if left is None else max(left, pod.start)
        end = pod.end if right is None else right if pod.end is None else min(right, pod.end)
        at = 0 if number == 0 else int(cuts[number - 1])
        if end is None or end > start:
            cpu, memory, gpus = (float(value) for value in rows[:, at])
            asked = Amounts(cpu_cores=cpu, memory_bytes=memory, gpus=gpus)
            yield replace(pod, start=start, end=end, requests=asked)


def _filled(values: FloatArray | None, steps: int) -> FloatArray:
    """Unknown steps have what was last known, those before the first what came first."""
    if values is None:
        return np.zeros(steps)
    known = np.flatnonzero(np.isfinite(values))
    at = np.clip(np.searchsorted(known, np.arange(steps), side="right") - 1, 0, None)
    filled: FloatArray = values[known[at]]
    return filled


def _span(values: FloatArray, window: Window, *, created: FloatArray | None = None) -> tuple[datetime, datetime | None]:
    """From the first to the last of a series; when a thing was created refines the first within a step."""
    known = np.flatnonzero(np.isfinite(values))
    first, last = int(known[0]), int(known[-1])
    start = _moment(first, window)
    seconds = np.nan if created is None else created[np.isfinite(created)][0] if np.isfinite(created).any() else np.nan
    if first > 0 and np.isfinite(seconds):
        began = (float(seconds) - window.start.timestamp()) * timedelta(seconds=1) + window.start
        if start - window.step < began < start:
            start = began
    return start, None if last == window.steps - 1 else _moment(last + 1, window)


def _moment(step: int, window: Window) -> datetime:
    return window.start + step * window.step


def _amounts(lines: Iterable[_Line]) -> Amounts:
    found = {line.labels.get("resource", ""): _last(line.values) for line in lines}
    cpu, memory, gpus = (found.get(name, 0.0) for name in _RESOURCES)
    return Amounts(cpu_cores=cpu, memory_bytes=memory, gpus=gpus)


def _last(values: FloatArray) -> float:
    return float(values[np.flatnonzero(np.isfinite(values))[-1]])


def _places(times: IntArray, first_ms: int, step_ms: int) -> IntArray:
    places: IntArray = (times - first_ms) // step_ms
    return places


def _cluster(labels: Mapping[str, str]) -> str:
    """Our own series have the cluster's name as ``instance``; others' instance is an exporter."""
    return labels.get(INSTANCE, "") if labels.get(JOB) in _OURS else labels.get("cluster", "default")


def _key(labels: Mapping[str, str]) -> Key:
    return _cluster(labels), labels.get(NAMESPACE, ""), labels.get("pod", "")


def _in_series(name: str) -> str:
    return f"label_{_NOT_IN_NAMES.sub('_', name)}"


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))
