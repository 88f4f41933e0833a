"""The kinds that the collector reads: those of ``kube.kinds`` with a few more fields, and those nobody else needs.

They are subclasses, so that one reflector of such a kind serves whoever wants the smaller one, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from collector.kubernetes import service_kinds
from kube import kinds
from kube.kinds import Fields, Kind, Meta

T = TypeVar("T")


class PodCondition(kinds.Condition, frozen=True, gc=False, rename="camel"):
    """With the time since when it has been so."""

    last_transition_time: datetime | None = None


class Terminated(Fields, frozen=True, gc=False, rename="camel"):
    """``lastState.terminated``: why a container ended, ``OOMKilled`` or ``Error``."""

    reason: str = ""


class ContainerState(Fields, frozen=True, gc=False, rename="camel"):
    """``lastState``: empty until a container has ended once."""

    terminated: Terminated | None = None


class ContainerStatus(kinds.ContainerStatus, frozen=True, gc=False, rename="camel"):
    """With its id, ``containerd://…``, and how it ended last."""

    container_id: str = msgspec.field(name="containerID", default="")
    last_state: ContainerState = ContainerState()


class PodVolume(Fields, frozen=True, gc=False, rename="camel"):
    """A volume of a pod that is a claim of its namespace, or has one made for it."""

    name: str = ""
    persistent_volume_claim: dict[str, Any] | None = None
    ephemeral: dict[str, Any] | None = None


class PodSpec(kinds.PodSpec, frozen=True, gc=False, rename="camel"):
    """With priority, network and the volumes that stay."""

    priority_class_name: str = ""
    host_network: bool = False
    volumes: list[PodVolume] | None = None

    def __post_init__(self) -> None:
        """Drops what is no claim: every pod has its token's volume, and a thousand of them are for nothing."""
        claims = [one for one in self.volumes or () if one.persistent_volume_claim or one.ephemeral]
        msgspec.structs.force_setattr(self, "volumes", claims or None)


class PodStatus(kinds.PodStatus, frozen=True, gc=False, rename="camel"):
    """With what happened to its containers."""

    conditions: list[PodCondition] | None = None  # type: ignore[assignment]
    container_statuses: list[ContainerStatus] | None = None  # type: ignore[assignment]
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(kinds.Pod, frozen=True, gc=False, rename="camel"):
    """Pod, v1."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class NodeInfo(Fields, frozen=True, gc=False, rename="camel"):
    """``status.nodeInfo``."""

    kernel_version: str = ""
    os_image: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    kube_proxy_version: str = ""
    system_uuid: str = msgspec.field(name="systemUUID", default="")


class NodeSpec(kinds.NodeSpec, frozen=True, gc=False, rename="camel"):
    """With the range of its pods."""

    pod_cidr: str = msgspec.field(name="podCIDR", default="")


class NodeStatus(kinds.NodeStatus, frozen=True, gc=False, rename="camel"):
    """With its versions, and where its kubelet listens."""

    node_info: NodeInfo = NodeInfo()
    daemon_endpoints: dict[str, Any] | None = None


class Node(kinds.Node, frozen=True, gc=False, rename="camel"):
    """Node, v1."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class MetricNumber(Fields, frozen=True, gc=False, rename="camel"):
    """``target`` or ``current`` of a metric: quantities, and a percentage."""

    value: str | None = None
    average_value: str | None = None
    average_utilization: int | None = None


class MetricName(Fields, frozen=True, gc=False, rename="camel"):
    """``metric`` of an object's, the pods' or an outside metric."""

    name: str = ""


class Metric(Fields, frozen=True, gc=False, rename="camel"):
    """One source of a metric; resources have a name of their own, the others a ``metric``."""

    name: str = ""
    metric: MetricName = MetricName()
    target: MetricNumber = MetricNumber()
    current: MetricNumber = MetricNumber()


class HpaMetric(Fields, frozen=True, gc=False, rename="camel"):
    """One of ``spec.metrics`` or ``status.currentMetrics``; one of the five is there, as ``type`` says."""

    type: str = ""
    resource: Metric | None = None
    container_resource: Metric | None = None
    pods: Metric | None = None
    object: Metric | None = None
    external: Metric | None = None


class HpaSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Bounds, target, and what it scales on."""

    scale_target_ref: kinds.TargetRef
    max_replicas: int
    min_replicas: int = 1
    metrics: list[HpaMetric] | None = None


class HpaStatus(kinds.HpaStatus, frozen=True, gc=False, rename="camel"):
    """With what it sees."""

    current_metrics: list[HpaMetric] | None = None


class Hpa(Fields, frozen=True, gc=False, rename="camel"):
    """HorizontalPodAutoscaler, autoscaling/v2."""

    metadata: kinds.OwnedMeta
    spec: HpaSpec
    status: HpaStatus = HpaStatus()


class QuotaStatus(Fields, frozen=True, gc=False, rename="camel"):
    """What may be asked for, and what is."""

    hard: dict[str, str] | None = None
    used: dict[str, str] | None = None


class Quota(Fields, frozen=True, gc=False, rename="camel"):
    """ResourceQuota, v1."""

    metadata: Meta
    status: QuotaStatus = QuotaStatus()


class ContainerUsage(Fields, frozen=True, gc=False, rename="camel"):
    """What a container uses, as quantities."""

    name: str
    usage: dict[str, str] | None = None


class PodUsage(Fields, frozen=True, gc=False, rename="camel"):
    """PodMetrics, metrics.k8s.io/v1beta1: the mean of CPU over ``window`` until ``timestamp``."""

    metadata: Meta
    timestamp: datetime | None = None
    window: str = ""
    containers: list[ContainerUsage] | None = None


class NodeUsage(Fields, frozen=True, gc=False, rename="camel"):
    """NodeMetrics, metrics.k8s.io/v1beta1."""

    metadata: Meta
    timestamp: datetime | None = None
    window: str = ""
    usage: dict[str, str] | None = None


def _kind(group: str, version: str, plural: str, kind: str, made_into: type[T], *, namespaced: bool = True) -> Kind[T]:
    return Kind(group=group, version=version, kind=kind, plural=plural, namespaced=namespaced, type=made_into)


HPA: Final = _kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", Hpa)
POD: Final = _kind("", "v1", "pods", "Pod", Pod)
NODE: Final = _kind("", "v1", "nodes", "Node", Node, namespaced=False)
QUOTA: Final = _kind("", "v1", "resourcequotas", "ResourceQuota", Quota)
POD_USAGE: Final = _kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", PodUsage)
NODE_USAGE: Final = _kind("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", NodeUsage, namespaced=False)
SERVICE: Final = service_kinds.SERVICE
ENDPOINT_SLICE: Final = service_kinds.ENDPOINT_SLICE
INGRESS: Final = service_kinds.INGRESS
