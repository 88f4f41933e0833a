"""The kinds that are looked through for what nobody uses, with the fields that tell who refers to what."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from kube.kinds import Condition, Fields, Kind, Meta, NodeStatus, OwnedMeta, Resources, TargetRef

T = TypeVar("T")


class ClaimSource(Fields, frozen=True, gc=False, rename="camel"):
    """``persistentVolumeClaim`` of a pod's volume."""

    claim_name: str = ""


class PodVolume(Fields, frozen=True, gc=False, rename="camel"):
    """A volume of a pod, as far as it is a claim; ``ephemeral`` is a template for one of the pod's own."""

    name: str = ""
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: dict[str, Any] | None = None


class PodContainer(Fields, frozen=True, gc=False, rename="camel"):
    """``restartPolicy: Always`` makes a sidecar of an init container."""

    name: str = ""
    resources: Resources = Resources()
    restart_policy: str = ""


class Spec(Fields, frozen=True, gc=False, rename="camel"):
    """``spec`` of a pod, or of a template of pods."""

    containers: list[PodContainer] | None = None
    init_containers: list[PodContainer] | None = None
    volumes: list[PodVolume] | None = None
    resources: Resources | None = None
    host_network: bool = False
    node_name: str = ""


class Template(Fields, frozen=True, gc=False, rename="camel"):
    """A template of pods."""

    spec: Spec = Spec()


class PodStatus(Fields, frozen=True, gc=False, rename="camel"):
    """Whether it has ended."""

    phase: str = ""


class Pod(Fields, frozen=True, gc=False, rename="camel"):
    """Pod, v1."""

    metadata: Meta
    spec: Spec = Spec()
    status: PodStatus = PodStatus()


class ClaimTemplate(Fields, frozen=True, gc=False, rename="camel"):
    """One of ``volumeClaimTemplates``."""

    metadata: Meta = Meta()


class EndedCondition(Condition, frozen=True, gc=False, rename="camel"):
    """With when."""

    last_transition_time: datetime | None = None


class JobSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of a CronJob's Jobs: the template of their pods."""

    template: Template | None = None


class JobTemplate(Fields, frozen=True, gc=False, rename="camel"):
    """Of a CronJob."""

    spec: JobSpec = JobSpec()


class WorkloadSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of everything with a template; each kind has some of these."""

    replicas: int | None = None
    template: Template | None = None
    volume_claim_templates: list[ClaimTemplate] | None = None
    job_template: JobTemplate | None = None
    ttl_seconds_after_finished: int | None = None


class WorkloadStatus(Fields, frozen=True, gc=False, rename="camel"):
    """When a Job has ended."""

    completion_time: datetime | None = None
    conditions: list[EndedCondition] | None = None


class Workload(Fields, frozen=True, gc=False, rename="camel"):
    """Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job or CronJob."""

    metadata: Meta
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class ClaimSpec(Fields, frozen=True, gc=False, rename="camel"):
    """What a claim asks for, and its volume."""

    volume_name: str = ""
    storage_class_name: str = ""
    resources: Resources = Resources()


class ClaimStatus(Fields, frozen=True, gc=False, rename="camel"):
    """What it has."""

    phase: str = ""
    capacity: dict[str, str] | None = None


class Claim(Fields, frozen=True, gc=False, rename="camel"):
    """PersistentVolumeClaim, v1."""

    metadata: Meta
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class ClaimRef(Fields, frozen=True, gc=False, rename="camel"):
    """Whose a volume is or was."""

    namespace: str = ""
    name: str = ""


class Driver(Fields, frozen=True, gc=False, rename="camel"):
    """``csi``: the driver's name of the disk."""

    volume_handle: str = ""


class VolumeSpec(Fields, frozen=True, gc=False, rename="camel"):
    """What a volume is."""

    capacity: dict[str, str] | None = None
    storage_class_name: str = ""
    persistent_volume_reclaim_policy: str = ""
    claim_ref: ClaimRef | None = None
    csi: Driver | None = None


class VolumeStatus(Fields, frozen=True, gc=False, rename="camel"):
    """Whether its claim is there, and since when it is as it is (1.28 and later)."""

    phase: str = ""
    last_phase_transition_time: datetime | None = None


class Volume(Fields, frozen=True, gc=False, rename="camel"):
    """PersistentVolume, v1."""

    metadata: Meta
    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()


class ServiceSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of which type."""

    type: str = ""


class Ingress(Fields, frozen=True, gc=False, rename="camel"):
    """One address of a load balancer."""

    ip: str = ""
    hostname: str = ""


class Balancer(Fields, frozen=True, gc=False, rename="camel"):
    """``status.loadBalancer``."""

    ingress: list[Ingress] | None = None


class ServiceStatus(Fields, frozen=True, gc=False, rename="camel"):
    """How it is reached."""

    load_balancer: Balancer = Balancer()


class Service(Fields, frozen=True, gc=False, rename="camel"):
    """Service, v1."""

    metadata: Meta
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class Ready(Fields, frozen=True, gc=False, rename="camel"):
    """None is unknown, and counts as ready: so do those who route to it."""

    ready: bool | None = None


class Endpoint(Fields, frozen=True, gc=False, rename="camel"):
    """One backend."""

    conditions: Ready = Ready()


class Slice(Fields, frozen=True, gc=False, rename="camel"):
    """EndpointSlice, discovery.k8s.io/v1; its managed fields tell when it was last written."""

    metadata: OwnedMeta
    endpoints: list[Endpoint] | None = None


class HpaSpec(Fields, frozen=True, gc=False, rename="camel"):
    """What it scales, between what."""

    scale_target_ref: TargetRef
    max_replicas: int
    min_replicas: int = 1


class Hpa(Fields, frozen=True, gc=False, rename="camel"):
    """HorizontalPodAutoscaler, autoscaling/v2."""

    metadata: Meta
    spec: HpaSpec


class NodeSpec(Fields, frozen=True, gc=False, rename="camel"):
    """The cloud's name of it."""

    provider_id: str = msgspec.field(name="providerID", default="")


class Node(Fields, frozen=True, gc=False, rename="camel"):
    """Node, v1."""

    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Space(Fields, frozen=True, gc=False, rename="camel"):
    """Namespace, v1."""

    metadata: Meta


def _kind(group: str, version: str, plural: str, kind: str, made_into: type[T], *, namespaced: bool = True) -> Kind[T]:
    return Kind(group=group, version=version, kind=kind, plural=plural, namespaced=namespaced, type=made_into)


NAMESPACE: Final = _kind("", "v1", "namespaces", "Namespace", Space, namespaced=False)
POD: Final = _kind("", "v1", "pods", "Pod", Pod)
NODE: Final = _kind("", "v1", "nodes", "Node", Node, namespaced=False)
CLAIM: Final = _kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", Claim)
VOLUME: Final = _kind("", "v1", "persistentvolumes", "PersistentVolume", Volume, namespaced=False)
SERVICE: Final = _kind("", "v1", "services", "Service", Service)
SLICE: Final = _kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", Slice)
HPA: Final = _kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", Hpa)
WORKLOADS: Final = (
    _kind("apps", "v1", "deployments", "Deployment", Workload),
    _kind("apps", "v1", "statefulsets", "StatefulSet", Workload),
    _kind("apps", "v1", "daemonsets", "DaemonSet", Workload),
    _kind("apps", "v1", "replicasets", "ReplicaSet", Workload),
    _kind("", "v1", "replicationcontrollers", "ReplicationController", Workload),
    _kind("batch", "v1", "jobs", "Job", Workload),
    _kind("batch", "v1", "cronjobs", "CronJob", Workload),
)
EVERY: Final = (NAMESPACE, POD, NODE, CLAIM, VOLUME, SERVICE, SLICE, HPA, *WORKLOADS)
"""What is listed; rights for it are in deploy/kubernetes/discovery."""
