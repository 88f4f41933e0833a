"""What the collector does in a Kubernetes cluster: its state and usage as series, and what is to be scraped in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import Gauge

from app.queries import Queries
from app.schedule import Schedule, Tick
from app.sources import LOCAL
from collector.kubernetes import discovery, exporter, usage
from collector.kubernetes.discovery import KubernetesTargets, Watched
from collector.kubernetes.exporter import EXPORTED, StateExporter, with_labels
from collector.kubernetes.usage import UsageExporter
from collector.staleness import Appender
from collector.targets import ScrapeJob, Target, TargetStatus
from domain.clock import Clock
from domain.errors import QueryError
from kube import Connection, Reflector

_OTHERS: Final = (
    'count by (job) ({__name__=~"kube_pod_info|kube_node_info|kube_deployment_spec_replicas", '
    f'job!="{exporter.JOB}"}})'
)
"""Whoever brings one of these is a kube-state-metrics."""
_DISCOVERED_TOO: Final = {"node": "nodes", "pod": "pods", "service": "services", "endpointslice": "endpointslices"}
"""Discovery of everything in all namespaces reads what is watched for the state anyway."""
_SERVER_ASKED_EVERY: Final = timedelta(minutes=1)
"""Somebody's Prometheus counts 5,000 series for it."""


class OtherKubeState:
    """Finds out whether a kube-state-metrics is there: in our own store, or in the server that answers rules."""

    def __init__(self, queries: Queries) -> None:
        """Nothing is asked yet."""
        self._queries = queries
        self._known: dict[str | None, tuple[datetime, str]] = {}

    def job(self, now: datetime) -> str:
        """Its job; empty where there is none. A server that does not answer has what it had."""
        for source in (LOCAL, None):
            asked, _ = self._known.get(source, (None, ""))
            if asked is None or source == LOCAL or now - asked >= _SERVER_ASKED_EVERY:
                self._ask(source, now)
        return next(filter(None, (job for _, job in self._known.values())), "")

    def _ask(self, source: str | None, now: datetime) -> None:
        try:
            found = self._queries.instant(_OTHERS, now, source)
        except QueryError:
            return
        jobs = sorted(dict(labels).get("job", "") or "of no name" for labels in found)
        self._known[source] = now, jobs[0] if jobs else ""


class ClusterCollection:
    """All three, begun and ended together."""

    def __init__(
        self,
        connection: Connection,
        *,
        cluster: str,
        own_namespace: str,
        collect: bool = True,
        labels: Sequence[str] = (),
        jobs: Sequence[ScrapeJob],
        store: Appender,
        queries: Queries,
        clock: Clock,
        discovered: Gauge,
    ) -> None:
        """Nothing is asked of the API server before ``start``.

        Args:
            connection: The API server.
            cluster: Label ``instance`` of what is collected.
            own_namespace: Where ``own_namespace: true`` of a discovery looks.
            collect: Whether state and usage are wanted, besides discovery.
            labels: Those of pods, claims and Services that are kept.
            jobs: Those with ``kubernetes_sd_configs`` are followed.
            store: Where the samples go.
            queries: Tell whether a kube-state-metrics is there.
            clock: The only one.
            discovered: Counts what discovery finds.
        """
        self._reflectors: dict[str, Reflector[Any]] = {
            one.kind.plural: Reflector(connection, one.kind) for one in EXPORTED if collect
        }
        shared = {
            Watched(role, None, "", ""): self._reflectors[plural]
            for role, plural in _DISCOVERED_TOO.items()
            if plural in self._reflectors
        }
        self._connection, self._collect = connection, collect
        self._state = StateExporter(
            self._reflectors, store=store, clock=clock, instance=cluster, elsewhere=OtherKubeState(queries).job,
            exported=with_labels(labels),
        )  # fmt: skip
        self._usage = UsageExporter(connection, store=store, clock=clock, instance=cluster)
        self._discovery = KubernetesTargets(
            jobs, connection, own_namespace=own_namespace, counts=discovered, shared=shared
        )

    def plan(self, schedule: Schedule) -> None:
        """Their loops."""
        for name, (interval, tick) in self.loops().items():
            schedule.every(interval, name, tick)

    def loops(self) -> dict[str, tuple[timedelta, Tick]]:
        """How often what is done, by name."""
        told = {
            "cluster_state": (exporter.INTERVAL, self._state.tick),
            "cluster_usage": (usage.INTERVAL, self._usage.tick),
        }
        return {**(told if self._collect else {}), "discovery": (discovery.INTERVAL, self._discovery.tick)}

    def start(self) -> None:
        """Begin to list and watch; returns at once."""
        for reflector in self._reflectors.values():
            reflector.start()
        self._discovery.start()

    def close(self) -> None:
        """End the watches and the connection."""
        for reflector in self._reflectors.values():
            reflector.stop()
        self._discovery.stop()
        self._connection.close()

    def targets(self) -> tuple[Target, ...]:
        """What was discovered, for the scraper."""
        return self._discovery.targets()

    def statuses(self) -> list[TargetStatus]:
        """How state and usage stand, as targets."""
        return [self._state.status, self._usage.status] if self._collect else []
