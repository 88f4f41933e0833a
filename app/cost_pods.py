"""Pods as the allocation of cost takes them: where each ran, whose it was, what it asked for and used.

A pod counts from being scheduled until it is gone or has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from app.cost_series import Key, Line, SeriesReader, cluster_of, filled, key_of, merged, seen, span
from cost.allocation.nodes import Amounts, PodInterval, Window
from cost.allocation.subject import Subject
from domain.names import NAMESPACE, USED_CPU, USED_MEMORY
from domain.series import FloatArray

RESOURCES: Final = ("cpu", "memory", "nvidia_com_gpu")
_OF_POD: Final = "sum by (job, instance, cluster, namespace, pod) ({of})"
_PLACED: Final = (
    'max by (job, instance, cluster, namespace, pod, node, created_by_kind, created_by_name) (kube_pod_info{node!=""})'
)
"""One series for each pod: a pod that gets its address becomes another series of ``kube_pod_info``."""
_CONTAINERS: Final = '{container!="",container!="POD"}'
_ENDED: Final = ("Succeeded", "Failed")


class PodFacts:
    """Asks for the pods of a window."""

    def __init__(self, reader: SeriesReader) -> None:
        """Nothing is asked yet."""
        self._reader = reader

    def of(self, window: Window, alone: str) -> Iterator[PodInterval]:
        """Each pod in pieces of equal requests; series that name no cluster are of ``alone``."""
        requests = self._requests(window, alone)
        cpu = self._usage(USED_CPU, f"rate(container_cpu_usage_seconds_total{_CONTAINERS}[5m])", window, alone)
        memory = self._usage(USED_MEMORY, f"container_memory_working_set_bytes{_CONTAINERS}", window, alone)
        of_pod = partial(key_of, alone=alone)
        created = _values(merged(self._reader.lines("kube_pod_created", window), of_pod))
        over = f'kube_pod_status_phase{{phase=~"{"|".join(_ENDED)}"}} == 1'
        ended = _values(merged(self._reader.lines(over, window), of_pod))
        deployments = {
            (cluster_of(line.labels, alone), line.labels.get(NAMESPACE, ""), line.labels.get("replicaset", "")):
                line.labels.get("owner_name", "")
            for line in self._reader.lines('kube_replicaset_owner{owner_kind="Deployment"}', window)
        }  # fmt: skip
        placed = merged(self._reader.lines(_PLACED, window), lambda labels: (of_pod(labels), labels.get("node", "")))
        for (key, node), line in placed.items():
            start, end = span(line.values, window, created=created.get(key))
            if key in ended:
                last = seen(int(np.flatnonzero(np.isfinite(ended[key]))[0]), window)
                end = last if end is None or last < end else end
            kind, owner = line.labels.get("created_by_kind", ""), line.labels.get("created_by_name", "")
            if kind == "ReplicaSet" and (by := deployments.get((key[0], key[1], owner))):
                kind, owner = "Deployment", by
            pod = PodInterval(
                subject=Subject(
                    cluster=key[0], namespace=key[1], pod=key[2], node=node,
                    owner_kind="" if kind == "<none>" else kind, owner="" if owner == "<none>" else owner,
                ),
                start=start, end=end, requests=Amounts(), cpu_usage=cpu.get(key), memory_usage=memory.get(key),
            )  # fmt: skip
            yield from _resized(pod, requests.get(key, {}), window)

    def _requests(self, window: Window, alone: str) -> dict[Key, dict[str, FloatArray]]:
        found: dict[Key, dict[str, FloatArray]] = defaultdict(dict)
        for resource in RESOURCES:
            of = f'kube_pod_container_resource_requests{{resource="{resource}",node!=""}}'
            lines = self._reader.lines(_OF_POD.format(of=of), window)
            for key, line in merged(lines, partial(key_of, alone=alone)).items():
                found[key][resource] = line.values
        return found

    def _usage(self, ours: str, theirs: str, window: Window, alone: str) -> dict[Key, np.ndarray]:
        """Usage by pod from metrics.k8s.io, else from cAdvisor; never both, which would be twice."""
        for of in (ours, theirs):
            lines = self._reader.lines(_OF_POD.format(of=of), window)
            if lines:
                told = merged(lines, partial(key_of, alone=alone))
                return {key: line.values.astype(np.float32) for key, line in told.items()}
        return {}


def _values(lines: Mapping[Key, Line]) -> dict[Key, FloatArray]:
    return {key: line.values for key, line in lines.items()}


def _resized(pod: PodInterval, requests: Mapping[str, FloatArray], window: Window) -> Iterator[PodInterval]:
    """The pod in pieces of equal requests: a pod may be resized where it runs."""
    if not requests:
        yield pod
        return
    rows = np.stack([filled(requests.get(name), window.steps) for name in RESOURCES])
    cuts = np.flatnonzero((np.diff(rows, axis=1) != 0).any(axis=0)) + 1
    edges = [None, *(seen(int(cut), window) for cut in cuts), None]
    for number, (left, right) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        start = pod.start if left is None else max(left, pod.start)
        end = pod.end if right is None else right if pod.end is None else min(right, pod.end)
        at = 0 if number == 0 else int(cuts[number - 1])
        if end is None or end > start:
            cpu, memory, gpus = (float(value) for value in rows[:, at])
            asked = Amounts(cpu_cores=cpu, memory_bytes=memory, gpus=gpus)
            yield replace(pod, start=start, end=end, requests=asked)
