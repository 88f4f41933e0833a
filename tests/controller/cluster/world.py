"""A namespace with a workload and its autoscaler, and our cluster looking at it: on the fake server or the real one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.cluster import BoundsDone, BoundsOrder, OwnHpa
from controller.cluster.kubernetes import KubernetesCluster
from controller.cluster.kubernetes_switch import Switch
from controller.cluster.kubernetes_view import View
from controller.cluster.observe import ObserveCluster
from domain.errors import KubeError, NotLeadingError
from domain.scaling import WorkloadRef
from kube import Connection, Fence, Writer, read
from kube.events import Regarding
from kube.kinds import DEPLOYMENT, HPA, Kind

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_TICK = threading.Event()


def eventually(holds: Callable[[], object], what: str, *, seconds: float = 30.0) -> None:
    """Waits until ``holds``; fails with ``what`` when it does not within a generous time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        _TICK.wait(0.01)


@dataclass
class World:
    """What a story needs: objects, edits of others, passes of ours."""

    connection: Connection
    namespace: str
    admin: Connection | None = None
    """Who makes objects and edits them; the same as ours where there are no rights to prove."""
    own_namespace: str = "foretide"
    epoch: int = 1
    leads: bool = True
    now: datetime = NOON
    changes_per_minute: int = 50
    writer_of_ours: Writer | None = None
    said: list[tuple[str, str, str]] = field(default_factory=list)
    switch: Switch = field(init=False)
    view: View = field(init=False)
    cluster: KubernetesCluster = field(init=False)

    def __post_init__(self) -> None:
        self.switch = Switch(self.connection, namespace=self.own_namespace)
        self.view = View(self.connection)
        self.cluster = KubernetesCluster(
            self.connection, name="kubernetes test", view=self.view,
            writer=self.writer_of_ours or Writer(self.connection, fence=self.fence, qps=1000, burst=1000),
            fence=self.fence, switch=self.switch, metrics=ObserveCluster(lambda query: None), say=self.say,
            own_namespace=self.own_namespace, changes_per_minute=self.changes_per_minute,
            announce=lambda reason, message: self.said.append(("", reason, message)),
        )  # fmt: skip

    def fence(self) -> Fence:
        if not self.leads:
            raise NotLeadingError("the Lease is not ours")
        return Fence(epoch=self.epoch, holds_seconds=10.0)

    def say(self, regarding: Regarding, reason: str, message: str) -> None:
        self.said.append((regarding.name, reason, message))

    @contextmanager
    def watching(self) -> Iterator[World]:
        self.view.start()
        try:
            assert self.view.wait_synced(30.0), self.view.problems()
            yield self
        finally:
            self.view.stop()

    @contextmanager
    def watching_keda(self) -> Iterator[World]:
        """A fresh view: whether KEDA is there is looked at when one starts."""
        self.view = self.cluster._guard.view = View(self.connection)
        with self.watching():
            yield self

    # ---- what others do

    def owner(self, manager: str = "helm") -> Writer:
        return Writer(self.admin or self.connection, manager, qps=1000, burst=1000)

    def deployment(self, name: str = "web", *, replicas: int = 4, **more: Any) -> WorkloadRef:
        labels = {"app": name}
        container = {
            "name": "main", "image": "web:1", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}},
        }  # fmt: skip
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "nodeName": "kwok-0"}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **more}
        self.owner().create(DEPLOYMENT, self.namespace, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        return WorkloadRef(kind="Deployment", namespace=self.namespace, name=name)

    def rolled_out(self, name: str = "web", *, ready: int = 4, updated: int | None = None, seen: int = 1) -> None:
        status = {
            "observedGeneration": seen, "replicas": ready, "readyReplicas": ready,
            "updatedReplicas": ready if updated is None else updated,
        }  # fmt: skip
        self.owner("kcm").patch_merge(DEPLOYMENT, self.namespace, name, {"status": status}, subresource="status")

    def hpa(self, name: str = "web", *, target: str = "web", **metadata: Any) -> None:
        spec = {
            "minReplicas": 2, "maxReplicas": 20,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        }  # fmt: skip
        self.owner().apply(HPA, self.namespace, name, {"metadata": metadata, "spec": spec})

    def edited(self, body: dict[str, Any], *, name: str = "web", kind: Kind[Any] = HPA) -> None:
        self.owner("kubectl-edit").patch_merge(kind, self.namespace, name, body)

    # ---- what is there

    def raw(self, name: str = "web", kind: Kind[Any] = HPA) -> dict[str, Any]:
        return read(self.admin or self.connection, kind.as_dicts(), namespace=self.namespace, name=name)

    def bounds(self, name: str = "web") -> Limits:
        spec = self.raw(name)["spec"]
        return Limits(low=spec["minReplicas"], high=spec["maxReplicas"])

    def ours(self, name: str = "web", kind: Kind[Any] = HPA) -> dict[str, str]:
        annotations = self.raw(name, kind)["metadata"].get("annotations") or {}
        return {key: text for key, text in annotations.items() if key in stamps.OURS}

    def managers(self, name: str = "web") -> set[str]:
        return {entry["manager"] for entry in self.raw(name)["metadata"].get("managedFields", [])}

    # ---- what we do

    def later(self, **more: float) -> World:
        self.now += timedelta(**more)
        return self

    def wants(
        self, low: int, high: int = 20, *, kind: str = "HorizontalPodAutoscaler", name: str = "web", of: str = "web",
        namespace: str | None = None, rule: str = "shop/web",
    ) -> BoundsDone:  # fmt: skip
        """One pass of one rule, on a view that has caught up."""
        self.seen(name, kind)
        ref = WorkloadRef(kind="Deployment", namespace=namespace or self.namespace, name=of)
        limits = Limits(low=low, high=high)
        order = BoundsOrder(rule=rule, target=ref, kind=kind, name=name, limits=limits, reason="ForecastFloor")
        self.cluster.begin([order], self.now)
        return self.cluster.set_bounds(order, self.now)

    def keeps(
        self, low: int, high: int = 20, *, name: str = "web", takes_over: bool = False, own: tuple[int, int] = (2, 20),
        cpu: int = 60, rule: str = "shop/web", median: int | None = None, of: WorkloadRef | None = None,
        ceiling_before: int | None = None,
    ) -> BoundsDone:  # fmt: skip
        """One pass of a rule with an HPA of its own, on a view that has caught up."""
        self.seen(name)
        target = of or WorkloadRef(kind="Deployment", namespace=self.namespace, name="web")
        rules = {
            "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        }  # fmt: skip
        resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": cpu}}
        shape = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": target.kind, "name": target.name},
            "metrics": [{"type": "Resource", "resource": resource}],
            "behavior": {"scaleUp": rules, "scaleDown": rules},
        }
        own_hpa = OwnHpa(bounds=Limits(low=own[0], high=own[1]), shape=shape, takes_over=takes_over)
        order = BoundsOrder(
            rule=rule, target=target, kind=HPA.kind, name=name, limits=Limits(low=low, high=high), own=own_hpa,
            reason="ForecastFloor", median_need=median, ceiling_before=ceiling_before,
        )  # fmt: skip
        self.cluster.begin([order], self.now)
        return self.cluster.set_bounds(order, self.now)

    def settles(self, *acting: str) -> None:
        """The end of a pass, on a view that has caught up."""
        self.seen()
        self.cluster.settle(acting, self.now)

    def seen(self, name: str = "web", kind: str = "HorizontalPodAutoscaler") -> None:
        """Waits until the view has what the server has."""
        plural = "horizontalpodautoscalers" if kind == HPA.kind else "scaledobjects"
        group = "autoscaling/v2" if kind == HPA.kind else "keda.sh/v1alpha1"
        path = f"/apis/{group}/namespaces/{self.namespace}/{plural}/{name}"

        def caught_up() -> bool:
            known = self.view.autoscaler(kind, self.namespace, name)
            try:
                version = json.loads(self.connection.request("GET", path))["metadata"]["resourceVersion"]
            except KubeError:
                return known is None
            return known is not None and known.metadata.resource_version == version

        eventually(caught_up, f"the view has {kind} {name}")
