"""Cluster ``kubernetes`` and what it is made of: connection, view, Lease, writers, events; begun and ended together."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from app.budget_world import Cluster
from app.cluster_documents import ClusterObjects
from app.readiness import News
from controller.actuation.rings import Plan
from controller.budgets import sleeping
from controller.budgets.cron_jobs import CronJobs
from controller.budgets.minima import Minima
from controller.budgets.quotas import Quotas
from controller.budgets.sleepers import Sleepers
from controller.cluster.kubernetes import KubernetesCluster
from controller.cluster.kubernetes_rings import RingShelf
from controller.cluster.kubernetes_switch import Switch
from controller.cluster.kubernetes_view import View
from controller.cluster.observe import ObserveCluster
from controller.resizing.objects import Sights
from controller.resizing.raw import MANAGER
from controller.resizing.writes import Writes
from domain.clock import Clock
from domain.scaling import WorkloadRef
from kube import Access, ClientMetrics, Connection, Elector, Events, Regarding, Writer, connect

_WARNINGS = frozenset({
    "BoundsNotSet", "BufferNotSet", "ReleasesStopped", "ResizeHeld", "ResizeRolledBack", "RingHalted", "RolledBack",
})  # fmt: skip
_FIRST_LOOK_SECONDS = 2.0
"""At the start, for each kind: so that the first decision already knows its replicas."""
_EVENTS, _STATUSES = 0.1, 0.25
"""Their rates as shares of ``writes_per_second``: of the default of 20 that is 2 events and 5 statuses a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesConfig:
    """Section ``kubernetes`` of foretide.yaml; see ``config_file.KubernetesSection``.

    Attributes:
        access: Which cluster, as whom.
        namespace: Our own.
        lease: Whoever holds it acts.
        writes_per_second: To the API server; events and statuses have rates of their own beside it, in proportion.
        changes_per_minute: How many autoscalers' bounds move within a minute.
        documents: Whether objects of our CRDs are read as documents.
        collect: Whether its state and usage are kept as series.
        collect_labels: Labels of pods, claims and Services that are kept with them.
        most_added_cores: What raised floors and replicas may add together; None: as much as they want.
        rings: Where what is new acts first; None: everywhere at once.
        freeze: FORETIDE_FREEZE: why nothing may be written at all; empty: it may.
    """

    access: Access
    namespace: str
    lease: str
    writes_per_second: int
    changes_per_minute: int
    documents: bool = False
    collect: bool = True
    collect_labels: tuple[str, ...] = ()
    most_added_cores: float | None = None
    rings: Plan | None = None
    freeze: str = ""


class KubernetesParts:
    """All of it; nothing is asked before ``start``."""

    def __init__(
        self, config: KubernetesConfig, *, metrics: ObserveCluster, clock: Clock, counts: ClientMetrics | None = None
    ) -> None:
        """Read the credentials.

        Raises:
            SettingsError: There is no such context or file, or this is no pod.
        """
        self._connection = connect(config.access, clock=clock, metrics=counts)
        self._view = View(self._connection)
        self.objects = ClusterObjects(self._connection) if config.documents else None
        self.elector = Elector(
            self._connection, namespace=config.namespace, name=config.lease,
            identity=f"{socket.gethostname()}_{uuid4().hex[:8]}", at_least=lambda: self.cluster.highest_epoch(),
        )  # fmt: skip
        self._namespace = config.namespace
        self._rate = float(config.writes_per_second)
        self._events = Events(Writer(self._connection, qps=_EVENTS * self._rate, burst=20), clock=clock)
        self._switch = Switch(self._connection, namespace=config.namespace, always=config.freeze)
        self.cluster = KubernetesCluster(
            self._connection,
            name=f"kubernetes {config.access.context or 'in-cluster'}",
            view=self._view,
            writer=Writer(
                self._connection, qps=self._rate, burst=2 * config.writes_per_second, fence=self.elector.fence
            ),
            fence=self.elector.fence,
            switch=self._switch,
            metrics=metrics,
            say=self._said,
            own_namespace=config.namespace,
            changes_per_minute=config.changes_per_minute,
            most_added_cores=config.most_added_cores,
            announce=self.announce,
        )  # fmt: skip
        self._lease = Regarding(
            api_version="coordination.k8s.io/v1", kind="Lease", namespace=config.namespace, name=config.lease, uid=""
        )
        self.ring_plan = config.rings
        self.ring_shelf = RingShelf(
            self._connection, Writer(self._connection, fence=self.elector.fence), namespace=config.namespace,
            plan=config.rings or Plan(), leads=self.elector.leading,
        )  # fmt: skip

    @property
    def connection(self) -> Connection:
        """For whoever only reads."""
        return self._connection

    def status_writer(self) -> Writer:
        """With a rate of its own: a status never waits before a bound, nor a bound for a status."""
        return Writer(self._connection, qps=_STATUSES * self._rate, burst=20, fence=self.elector.fence)

    def budget_hands(self) -> Cluster:
        """What budgets change."""
        writer = self.status_writer()
        switch = self._switch.why
        return Cluster(
            cron_jobs=CronJobs(self._connection, writer, switch=switch),
            quotas=Quotas(self._connection, writer, switch=switch, own_namespace=self._namespace),
            minima=Minima(self._connection, writer, switch=switch, own_namespace=self._namespace),
            sleepers=Sleepers(self._connection, writer, switch=switch, own_namespace=self._namespace),
            may_sleep=partial(sleeping.candidates, self._connection, own_namespace=self._namespace),
        )

    def resizing_hands(self) -> tuple[Sights, Writes]:
        """What looks at workloads that are right-sized, and what writes there."""
        writer = Writer(
            self._connection, MANAGER, qps=_STATUSES * self._rate, burst=20, fence=self.elector.fence
        )  # fmt: skip
        return (
            Sights(self._connection, switch=self._switch.why, own_namespace=self._namespace),
            Writes(self._connection, writer, switch=self._switch.why),
        )

    def tell_of(self, ref: WorkloadRef, reason: str, message: str) -> None:
        """An event about a workload."""
        about = Regarding(
            api_version=ref.api_version, kind=ref.kind, namespace=ref.namespace, name=ref.name, uid=""
        )  # fmt: skip
        self._said(about, reason, message)

    def tell(self, regarding: Regarding, one: News) -> None:
        """An event about a document."""
        self._events.say(regarding, one.reason, one.message, severity="Warning" if one.is_warning else "Normal")

    def start(self) -> None:
        """Begin to watch and to stand for election; an API server that does not answer only delays what is known."""
        self._events.start()
        self._view.start()
        if self.objects is not None:
            self.objects.start()
        self._view.wait_synced(_FIRST_LOOK_SECONDS)
        self.elector.start()

    def close(self) -> None:
        """Give the Lease back first, so that another process goes on at once."""
        self.elector.stop()
        self._events.stop()
        self._view.stop()
        self.cluster.buffers.stop()
        if self.objects is not None:
            self.objects.stop()
        self._connection.close()

    def announce(self, reason: str, message: str) -> None:
        """An event about the whole of us, beside the Lease of whoever leads."""
        self._said(self._lease, reason, message)

    def follows(self) -> bool:
        """Whether another process leads: it decides for all, and its decisions are those that are kept."""
        leader = self.elector.leader
        return bool(leader) and leader != self.elector.identity

    def _said(self, regarding: Regarding, reason: str, message: str) -> None:
        self._events.say(regarding, reason, message, severity="Warning" if reason in _WARNINGS else "Normal")
