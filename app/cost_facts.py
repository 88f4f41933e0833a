"""What ran where, and what it asked for and used, read from the store: nodes and pods as the allocation of cost takes
them.

A cluster tells it by kube-state-metrics' series (Foretide's own or somebody's) and by metrics.k8s.io or cAdvisor;
processes of our own (``cluster: local``) run on one node, the host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from app.cost_belongings import Belongings, balancers, uses_of
from app.cost_host import HostFacts
from app.cost_known import Known, KnownNode, Wanted
from app.cost_labels import LabelFacts
from app.cost_pods import RESOURCES, PodFacts
from app.cost_series import GIB, NO_CLUSTER, Line, SeriesReader, cluster_of, exact, latest, merged, named, span
from app.cost_services import ServiceFacts, Services
from app.cost_traffic import TrafficReader
from app.cost_volumes import VolumeReader
from app.queries import Queries
from collector.kubernetes import exporter
from cost.allocation.nodes import Amounts, Window
from cost.allocation.subject import Subject
from cost.pricing.things import NodeFacts

_POOLS: Final = (
    "label_cloud_google_com_gke_nodepool", "label_eks_amazonaws_com_nodegroup", "label_karpenter_sh_nodepool",
    "label_kubernetes_azure_com_agentpool", "label_agentpool",
)  # fmt: skip
_MISSING: Final = (
    "kube_node_status_capacity has no sample in it. With cluster: kubernetes and collect: true it comes every "
    f"{exporter.INTERVAL.total_seconds():.0f} s, else from a kube-state-metrics that is scraped: after a start, "
    "ask again in a minute; later, the targets in GET /api/v1/status say what is wrong"
)


class CostFacts:
    """Asks for them; ``local`` holds the requests of our own processes by namespace and name, None with a cluster."""

    def __init__(self, queries: Queries, *, local: Mapping[tuple[str, str], Mapping[str, float]] | None) -> None:
        """Nothing is asked yet."""
        self._reader = SeriesReader(queries)
        self._host = None if local is None else HostFacts(self._reader, local)

    def known(self, window: Window, wanted: Wanted) -> Known:
        """What ran in the window.

        Raises:
            QueryError: The window is more than one query may touch, or the source does not answer.
        """
        if self._host is not None:
            return self._host.known(window, wanted)
        nodes = tuple(self._nodes(window, wanted.node_labels))
        clusters = {node.subject.cluster for node in nodes}
        alone = clusters.pop() if len(clusters) == 1 else NO_CLUSTER
        services = ServiceFacts(self._reader, alone).of(window, every=wanted.services)
        labels = LabelFacts(self._reader, wanted.pod_labels, window, alone)
        belongs = Belongings(nodes, services, labels)
        pods = tuple(belongs.complete(PodFacts(self._reader).of(window, alone)))
        uses = uses_of(pods)
        volumes = VolumeReader(self._reader, window, alone).of(uses, _regions(nodes))
        traffic = TrafficReader(self._reader, window, alone)
        sent = traffic.of(uses)
        return Known(
            nodes=nodes, pods=pods, volumes=volumes.known, balancers=tuple(balancers(services, uses)), traffic=sent,
            notes=(*labels.notes, *volumes.notes, *_waiting(services), *traffic.notes),
            missing="" if nodes else _MISSING,
        )  # fmt: skip

    def _nodes(self, window: Window, label_names: Iterable[str]) -> Iterator[KnownNode]:
        resources = "|".join(RESOURCES)
        amounts = {
            name: self._by_node(f'{name}{{resource=~"{resources}"}}', window)
            for name in ("kube_node_status_capacity", "kube_node_status_allocatable")
        }
        capacity, allocatable = amounts.values()
        labels = {node: lines[0].labels for node, lines in self._by_node("kube_node_labels", window).items()}
        info = {node: lines[0].labels for node, lines in self._by_node("kube_node_info", window).items()}
        for (cluster, name), lines in sorted(capacity.items()):
            has = _amounts(lines)
            known = labels.get((cluster, name), {})
            start, end = span(lines[0].values, window)
            facts = NodeFacts(
                name=name, provider_id=info.get((cluster, name), {}).get("provider_id", ""),
                labels={name: value for name in sorted(label_names) if (value := named(known, name))},
                cpu_cores=exact(has.cpu_cores), memory_gib=exact(has.memory_bytes) / GIB, gpus=exact(has.gpus),
            )  # fmt: skip
            pool = next((known[label] for label in _POOLS if known.get(label)), "")
            yield KnownNode(
                subject=Subject(cluster=cluster, node=name, node_pool=pool), start=start, end=end, capacity=has,
                allocatable=_amounts(allocatable.get((cluster, name), lines)), facts=facts,
            )  # fmt: skip

    def _by_node(self, expr: str, window: Window) -> dict[tuple[str, str], list[Line]]:
        found: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in self._reader.lines(expr, window):
            found[cluster_of(line.labels), line.labels.get("node", "")].append(line)
        return {
            node: list(merged(lines, lambda labels: labels.get("resource", "")).values())
            for node, lines in found.items()
        }  # fmt: skip


def _amounts(lines: Iterable[Line]) -> Amounts:
    found = {line.labels.get("resource", ""): latest(line.values) for line in lines}
    cpu, memory, gpus = (found.get(name, 0.0) for name in RESOURCES)
    return Amounts(cpu_cores=cpu, memory_bytes=memory, gpus=gpus)


def _regions(nodes: Iterable[KnownNode]) -> dict[str, str]:
    """The region of each cluster whose nodes are all in one: volumes tell none."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        found[node.subject.cluster].add(node.facts.selectors.get("region", ""))
    return {cluster: next(iter(regions)) for cluster, regions in found.items() if len(regions) == 1}


def _waiting(services: Services) -> Iterator[str]:
    for _, namespace, name in services.waiting:
        yield f"load balancer {namespace}/{name}: it has no address in this time, and costs nothing here"
