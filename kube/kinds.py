"""The kinds that Foretide reads, with the fields that it needs and no others.

Of 5,000 HPAs, typed objects with every field cost 167 MB, these 43 (facts, synthetic objects). A field that a rule
comes to need is added here; whoever needs a whole object reads it as ``dict`` (``HPA.as_dicts()``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from kube.kind import Key as Key
from kube.kind import Kind as Kind
from kube.kind import custom as custom

T = TypeVar("T")


class Fields(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Base of all that is decoded; fields that are not named here are skipped."""


class OwnerReference(Fields, frozen=True, gc=False, rename="camel"):
    """Who made the object."""

    api_version: str
    kind: str
    name: str
    uid: str = ""
    controller: bool | None = None


class Meta(Fields, frozen=True, gc=False, rename="camel"):
    """``metadata``."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class OwnedMeta(Meta, frozen=True, gc=False, rename="camel"):
    """``metadata`` with ``managedFields``, undecoded: ``kube.ownership`` reads them."""

    managed_fields: msgspec.Raw = msgspec.Raw()

    def __post_init__(self) -> None:
        """Copies the bytes: a Raw is a view that would keep the whole page of 500 objects in memory."""
        msgspec.structs.force_setattr(self, "managed_fields", self.managed_fields.copy())


class Condition(Fields, frozen=True, gc=False, rename="camel"):
    """One of ``status.conditions``; ``message`` is left out: its text changes with every number in it."""

    type: str
    status: str
    reason: str = ""


class TargetRef(Fields, frozen=True, gc=False, rename="camel"):
    """``spec.scaleTargetRef``."""

    kind: str
    name: str
    api_version: str = "apps/v1"


class LabelSelector(Fields, frozen=True, gc=False, rename="camel"):
    """``spec.selector``; ``matchExpressions`` as they are."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[dict[str, Any]] | None = None


class HpaSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Bounds, target, ``metrics`` undecoded, and ``behavior`` as it is (absent unless somebody wrote one)."""

    scale_target_ref: TargetRef
    max_replicas: int
    min_replicas: int = 1
    behavior: dict[str, Any] | None = None
    metrics: msgspec.Raw = msgspec.Raw()

    def __post_init__(self) -> None:
        """Copies the bytes, as ``OwnedMeta`` does."""
        msgspec.structs.force_setattr(self, "metrics", self.metrics.copy())


class HpaStatus(Fields, frozen=True, gc=False, rename="camel"):
    """What the HPA controller did."""

    current_replicas: int = 0
    desired_replicas: int = 0
    last_scale_time: datetime | None = None
    conditions: list[Condition] | None = None


class Hpa(Fields, frozen=True, gc=False, rename="camel"):
    """HorizontalPodAutoscaler, autoscaling/v2."""

    metadata: OwnedMeta
    spec: HpaSpec
    status: HpaStatus = HpaStatus()


class ScaledObjectSpec(Fields, frozen=True, gc=False, rename="camel"):
    """KEDA's bounds; None is KEDA's default (0 and 100)."""

    scale_target_ref: dict[str, Any]
    min_replica_count: int | None = None
    max_replica_count: int | None = None
    idle_replica_count: int | None = None


class ScaledObjectStatus(Fields, frozen=True, gc=False, rename="camel"):
    """Which HPA KEDA keeps for it."""

    hpa_name: str = ""
    paused_replica_count: int | None = None


class ScaledObject(Fields, frozen=True, gc=False, rename="camel"):
    """KEDA's ScaledObject, keda.sh/v1alpha1."""

    metadata: OwnedMeta
    spec: ScaledObjectSpec
    status: ScaledObjectStatus = ScaledObjectStatus()


class Resources(Fields, frozen=True, gc=False, rename="camel"):
    """Requests and limits as quantities (``250m``, ``64Mi``)."""

    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class TemplateMeta(Fields, frozen=True, gc=False, rename="camel"):
    """``metadata`` of a pod template."""

    labels: dict[str, str] | None = None


class TemplateContainer(Fields, frozen=True, gc=False, rename="camel"):
    """What a container of a pod template asks for."""

    name: str
    resources: Resources = Resources()


class TemplateSpec(Fields, frozen=True, gc=False, rename="camel"):
    """``spec`` of a pod template."""

    containers: list[TemplateContainer] = []


class PodTemplate(Fields, frozen=True, gc=False, rename="camel"):
    """What pods of a workload look like: their labels and what they ask for."""

    metadata: TemplateMeta = TemplateMeta()
    spec: TemplateSpec = TemplateSpec()


class WorkloadSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of Deployment, StatefulSet and ReplicaSet. ``paused`` is a Deployment's."""

    replicas: int = 1
    selector: LabelSelector | None = None
    template: PodTemplate | None = None
    paused: bool = False


class WorkloadStatus(Fields, frozen=True, gc=False, rename="camel"):
    """How far a rollout is. StatefulSets have the two revisions, Deployments the conditions."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    conditions: list[Condition] | None = None


class Workload(Fields, frozen=True, gc=False, rename="camel"):
    """Deployment, StatefulSet or ReplicaSet, apps/v1."""

    metadata: Meta
    spec: WorkloadSpec
    status: WorkloadStatus = WorkloadStatus()


class Container(Fields, frozen=True, gc=False, rename="camel"):
    """A container of a pod."""

    name: str
    image: str = ""
    resources: Resources = Resources()
    ports: list[dict[str, Any]] | None = None


class ContainerStatus(Fields, frozen=True, gc=False, rename="camel"):
    """Whether it is ready, and how often it died."""

    name: str
    ready: bool = False
    restart_count: int = 0


class PodSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Where a pod runs and what it asks for."""

    node_name: str = ""
    containers: list[Container] = []
    init_containers: list[Container] | None = None


class PodStatus(Fields, frozen=True, gc=False, rename="camel"):
    """How a pod is."""

    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    host_ip: str = msgspec.field(name="hostIP", default="")
    start_time: datetime | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None


class Pod(Fields, frozen=True, gc=False, rename="camel"):
    """Pod, v1. Watching all pods is dear (10,000 pods hold 150 MB): the controller reads HPAs and workloads instead."""

    metadata: Meta
    spec: PodSpec
    status: PodStatus = PodStatus()


class NodeSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Whether pods may come to the node."""

    unschedulable: bool = False
    provider_id: str = msgspec.field(name="providerID", default="")


class NodeStatus(Fields, frozen=True, gc=False, rename="camel"):
    """What the node has, as quantities."""

    capacity: dict[str, str] | None = None
    allocatable: dict[str, str] | None = None
    conditions: list[Condition] | None = None
    addresses: list[dict[str, str]] | None = None


class Node(Fields, frozen=True, gc=False, rename="camel"):
    """Node, v1."""

    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class NamespaceStatus(Fields, frozen=True, gc=False, rename="camel"):
    """``Terminating`` while it is being deleted."""

    phase: str = ""


class Namespace(Fields, frozen=True, gc=False, rename="camel"):
    """Namespace, v1."""

    metadata: Meta
    status: NamespaceStatus = NamespaceStatus()


class BudgetSpec(Fields, frozen=True, gc=False, rename="camel"):
    """A PodDisruptionBudget's; a number of pods or a percentage."""

    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: LabelSelector | None = None


class BudgetStatus(Fields, frozen=True, gc=False, rename="camel"):
    """How many pods may go now."""

    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    observed_generation: int = 0


class DisruptionBudget(Fields, frozen=True, gc=False, rename="camel"):
    """PodDisruptionBudget, policy/v1."""

    metadata: Meta
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


class QuotaSpec(Fields, frozen=True, gc=False, rename="camel"):
    """A ResourceQuota's: whether it is about some pods only."""

    scopes: list[str] | None = None
    scope_selector: dict[str, Any] | None = None


class QuotaStatus(Fields, frozen=True, gc=False, rename="camel"):
    """What it allows and what is taken, as quantities."""

    hard: dict[str, str] | None = None
    used: dict[str, str] | None = None


class Quota(Fields, frozen=True, gc=False, rename="camel"):
    """ResourceQuota, v1."""

    metadata: Meta
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class LeaseSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Who leads, since when, and how often that changed."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Fields, frozen=True, gc=False, rename="camel"):
    """Lease, coordination.k8s.io/v1."""

    metadata: Meta
    spec: LeaseSpec = LeaseSpec()


class ObjectReference(Fields, frozen=True, gc=False, rename="camel"):
    """Which object an event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""


class Event(Fields, frozen=True, gc=False, rename="camel"):
    """Event, v1."""

    metadata: Meta
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int | None = None
    reporting_component: str = ""


class ScaleSpec(Fields, frozen=True, gc=False, rename="camel"):
    """How many are wanted."""

    replicas: int = 0


class ScaleStatus(Fields, frozen=True, gc=False, rename="camel"):
    """How many there are; ``selector`` as a query string."""

    replicas: int = 0
    selector: str = ""


class Scale(Fields, frozen=True, gc=False, rename="camel"):
    """The ``scale`` subresource of anything that has one, autoscaling/v1."""

    metadata: Meta
    spec: ScaleSpec = ScaleSpec()
    status: ScaleStatus = ScaleStatus()


def _kind(group: str, version: str, plural: str, kind: str, made_into: type[T], *, namespaced: bool = True) -> Kind[T]:
    return Kind(group=group, version=version, kind=kind, plural=plural, namespaced=namespaced, type=made_into)


HPA: Final = _kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", Hpa)
SCALED_OBJECT: Final = _kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", ScaledObject)
DEPLOYMENT: Final = _kind("apps", "v1", "deployments", "Deployment", Workload)
STATEFUL_SET: Final = _kind("apps", "v1", "statefulsets", "StatefulSet", Workload)
REPLICA_SET: Final = _kind("apps", "v1", "replicasets", "ReplicaSet", Workload)
POD: Final = _kind("", "v1", "pods", "Pod", Pod)
NODE: Final = _kind("", "v1", "nodes", "Node", Node, namespaced=False)
NAMESPACE: Final = _kind("", "v1", "namespaces", "Namespace", Namespace, namespaced=False)
DISRUPTION_BUDGET: Final = _kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", DisruptionBudget)
QUOTA: Final = _kind("", "v1", "resourcequotas", "ResourceQuota", Quota)
LEASE: Final = _kind("coordination.k8s.io", "v1", "leases", "Lease", Lease)
EVENT: Final = _kind("", "v1", "events", "Event", Event)
