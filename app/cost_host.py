"""Processes of our own (``cluster: local``) as the allocation of cost takes them: one node, the host, and theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app.cost_known import Known, KnownNode, Wanted
from app.cost_series import GIB, SeriesReader, exact, latest, span
from collector import host as this_host
from cost.allocation.nodes import Amounts, PodInterval, Window
from cost.allocation.subject import Subject
from cost.pricing.things import NodeFacts
from domain.names import INSTANCE, JOB, NAMESPACE

LOCAL_CLUSTER: Final = "local"
_MISSING: Final = (
    "node_cpu_seconds_total and node_memory_MemTotal_bytes of job node, this host's own, have no sample in it. They "
    f"come every {this_host.INTERVAL.total_seconds():.0f} s: after a start, ask again in half a minute"
)


class HostFacts:
    """Asks for them; ``requests`` are those of our processes by namespace and name."""

    def __init__(self, reader: SeriesReader, requests: Mapping[tuple[str, str], Mapping[str, float]]) -> None:
        """Nothing is asked yet."""
        self._reader, self._requests = reader, requests

    def known(self, window: Window, wanted: Wanted) -> Known:
        """One node, and every process that answered scrapes on it."""
        cores = self._reader.lines('count by (instance) (node_cpu_seconds_total{job="node",mode="idle"})', window)
        memory = self._reader.lines('node_memory_MemTotal_bytes{job="node"}', window)
        if not cores or not memory:
            return Known(nodes=(), pods=(), missing=_MISSING)
        name = cores[0].labels.get(INSTANCE, "host")
        has = Amounts(cpu_cores=latest(cores[0].values), memory_bytes=latest(memory[0].values))
        start, end = span(cores[0].values, window)
        facts = NodeFacts(name=name, cpu_cores=exact(has.cpu_cores), memory_gib=exact(has.memory_bytes) / GIB)
        host = KnownNode(
            subject=Subject(cluster=LOCAL_CLUSTER, node=name), start=start, end=end, capacity=has, allocatable=has,
            facts=facts,
        )  # fmt: skip
        return Known(nodes=(host,), pods=tuple(self._processes(window, name)), notes=tuple(_lacking(wanted)))

    def _processes(self, window: Window, host: str) -> Iterator[PodInterval]:
        for line in self._reader.lines('max by (job, namespace, pod) (up{pod!=""})', window):
            owner = (line.labels.get(NAMESPACE, ""), line.labels.get(JOB, ""))
            start, end = span(line.values, window)
            asked = self._requests.get(owner, {})
            yield PodInterval(
                subject=Subject(
                    cluster=LOCAL_CLUSTER, namespace=owner[0], pod=line.labels.get("pod", ""), node=host,
                    owner_kind="Deployment" if owner in self._requests else "Process", owner=owner[1],
                ),
                start=start, end=end,
                requests=Amounts(cpu_cores=asked.get("cpu", 0.0), memory_bytes=asked.get("memory", 0.0)),
            )  # fmt: skip


def _lacking(wanted: Wanted) -> Iterator[str]:
    if wanted.pod_labels:
        yield "processes of this host have no labels: a cluster's pods have"
    if wanted.services:
        yield "processes of this host stand behind no Service: a cluster's pods do"
