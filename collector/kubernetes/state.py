"""Objects as samples, with kube-state-metrics' names, labels and values, so that rules and cost need no exporter.

What is told is what Foretide's own queries, its policies and the allocation of cost read; docs/kubernetes.md has the
list. Two things are told less often than there: ReplicaSets without pods (a Deployment keeps ten old ones), and labels
of pods, which are told only where somebody names them.

Source:
    kube-state-metrics v2, docs/metrics and internal/store (kube_pod_status_ready_time as since v2.8.1, its #1971).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from collector.kubernetes.kinds import Hpa, HpaMetric, Metric, MetricNumber, Node, Pod, Quota
from collector.kubernetes.series import (
    NONE,
    Pair,
    Told,
    annotations_of,
    at,
    by_status,
    labels_of,
    number,
    owners,
    ready_by_status,
    resources,
)  # fmt: skip
from collector.kubernetes.state_attached import chosen_labels, mounts
from kube.kinds import Condition, DisruptionBudget, Namespace, Workload

_PHASES: Final = tuple(("phase", phase) for phase in ("Pending", "Succeeded", "Failed", "Unknown", "Running"))
_ROLE: Final = "node-role.kubernetes.io/"
Of = Callable[[Any], Iterator[Told]]


def pod(one: Pod, label_names: Iterable[str] = ()) -> Iterator[Told]:
    """Where it runs, whose it is, how it is, and what it asks for."""
    meta, spec, status = one.metadata, one.spec, one.status
    yield _pod_info(one)
    yield from at("kube_pod_created", meta.creation_timestamp)
    yield from at("kube_pod_start_time", status.start_time)
    yield from at("kube_pod_deletion_timestamp", meta.deletion_timestamp)
    yield from owners("kube_pod_owner", meta.owner_references)
    yield from chosen_labels("kube_pod_labels", meta, label_names)
    yield from mounts(one)
    if status.phase:
        yield from (("kube_pod_status_phase", (phase,), float(phase[1] == status.phase)) for phase in _PHASES)
    for condition in status.conditions or ():
        if condition.type == "Ready":
            yield from ready_by_status("kube_pod_status_ready", condition.status)
            if condition.status == "True":
                yield from at("kube_pod_status_ready_time", condition.last_transition_time)
    for container in spec.containers:
        where = (("container", container.name), ("node", spec.node_name))
        yield from resources("kube_pod_container_resource_requests", container.resources.requests, *where)
        yield from resources("kube_pod_container_resource_limits", container.resources.limits, *where)
    for ran in status.container_statuses or ():
        yield "kube_pod_container_status_restarts_total", (("container", ran.name),), float(ran.restart_count)
        if ended := ran.last_state.terminated:
            why = (("container", ran.name), ("reason", ended.reason))
            yield "kube_pod_container_status_last_terminated_reason", why, 1.0


def _pod_info(one: Pod) -> Told:
    made_by = next((owner for owner in one.metadata.owner_references or () if owner.controller), None)
    pairs = (
        ("created_by_kind", made_by.kind if made_by else NONE),
        ("created_by_name", made_by.name if made_by else NONE),
        ("host_ip", one.status.host_ip),
        ("host_network", "true" if one.spec.host_network else "false"),
        ("node", one.spec.node_name),
        ("pod_ip", one.status.pod_ip),
        ("priority_class", one.spec.priority_class_name),
    )
    return "kube_pod_info", pairs, 1.0


def node(one: Node) -> Iterator[Told]:
    """What it has, and which pool it is of (its labels tell)."""
    meta, status = one.metadata, one.status
    yield _node_info(one)
    yield from at("kube_node_created", meta.creation_timestamp)
    yield from labels_of("kube_node_labels", meta)
    roles = (key.removeprefix(_ROLE) for key in meta.labels or {} if key.startswith(_ROLE))
    yield from (("kube_node_role", (("role", role),), 1.0) for role in roles)
    yield "kube_node_spec_unschedulable", (), float(one.spec.unschedulable)
    yield from resources("kube_node_status_capacity", status.capacity, whole=False)
    yield from resources("kube_node_status_allocatable", status.allocatable, whole=False)
    yield from _conditions("kube_node_status_condition", status.conditions)


def _node_info(one: Node) -> Told:
    info = one.status.node_info
    addresses = {own.get("type", ""): own.get("address", "") for own in one.status.addresses or ()}
    pairs = (
        ("container_runtime_version", info.container_runtime_version),
        ("internal_ip", addresses.get("InternalIP", "")),
        ("kernel_version", info.kernel_version),
        ("kubelet_version", info.kubelet_version),
        ("kubeproxy_version", info.kube_proxy_version),
        ("os_image", info.os_image),
        ("pod_cidr", one.spec.pod_cidr),
        ("provider_id", one.spec.provider_id),
        ("system_uuid", info.system_uuid),
    )
    return "kube_node_info", pairs, 1.0


def namespace(one: Namespace) -> Iterator[Told]:
    """Its labels, by which policies choose."""
    yield from at("kube_namespace_created", one.metadata.creation_timestamp)
    yield from labels_of("kube_namespace_labels", one.metadata)
    yield from annotations_of("kube_namespace_annotations", one.metadata)
    for phase in ("Active", "Terminating"):
        yield "kube_namespace_status_phase", (("phase", phase),), float(one.status.phase == phase)


def quota(one: Quota) -> Iterator[Told]:
    """What its namespace may ask for, and what it asks."""
    yield from at("kube_resourcequota_created", one.metadata.creation_timestamp)
    for kind, amounts in (("hard", one.status.hard), ("used", one.status.used)):
        for resource, text in sorted((amounts or {}).items()):
            amount = number(text)
            if amount is not None:
                yield "kube_resourcequota", (("resource", resource), ("type", kind)), amount


def disruption_budget(one: DisruptionBudget) -> Iterator[Told]:
    """How many pods may go now."""
    status = one.status
    yield from at("kube_poddisruptionbudget_created", one.metadata.creation_timestamp)
    yield "kube_poddisruptionbudget_status_current_healthy", (), float(status.current_healthy)
    yield "kube_poddisruptionbudget_status_desired_healthy", (), float(status.desired_healthy)
    yield "kube_poddisruptionbudget_status_pod_disruptions_allowed", (), float(status.disruptions_allowed)
    yield "kube_poddisruptionbudget_status_expected_pods", (), float(status.expected_pods)
    yield "kube_poddisruptionbudget_status_observed_generation", (), float(status.observed_generation)


def deployment(one: Workload) -> Iterator[Told]:
    """What is wanted, and how far the rollout is."""
    yield from _workload("kube_deployment", one)
    yield "kube_deployment_spec_replicas", (), float(one.spec.replicas)
    yield "kube_deployment_spec_paused", (), float(one.spec.paused)
    yield "kube_deployment_status_replicas_unavailable", (), float(one.status.unavailable_replicas)


def stateful_set(one: Workload) -> Iterator[Told]:
    """The same of a StatefulSet, whose names differ."""
    yield from _workload("kube_statefulset", one)
    yield "kube_statefulset_replicas", (), float(one.spec.replicas)


def _workload(prefix: str, one: Workload) -> Iterator[Told]:
    meta, status = one.metadata, one.status
    yield from at(f"{prefix}_created", meta.creation_timestamp)
    yield f"{prefix}_metadata_generation", (), float(meta.generation)
    yield f"{prefix}_status_observed_generation", (), float(status.observed_generation)
    yield f"{prefix}_status_replicas", (), float(status.replicas)
    yield f"{prefix}_status_replicas_available", (), float(status.available_replicas)
    yield f"{prefix}_status_replicas_ready", (), float(status.ready_replicas)
    yield f"{prefix}_status_replicas_updated", (), float(status.updated_replicas)
    yield from labels_of(f"{prefix}_labels", meta)
    yield from annotations_of(f"{prefix}_annotations", meta)


def replica_set(one: Workload) -> Iterator[Told]:
    """Whose pods its pods are; nothing of one that has none and wants none."""
    if one.spec.replicas or one.status.replicas:
        yield from owners("kube_replicaset_owner", one.metadata.owner_references)
        yield from at("kube_replicaset_created", one.metadata.creation_timestamp)
        yield "kube_replicaset_spec_replicas", (), float(one.spec.replicas)
        yield "kube_replicaset_status_replicas", (), float(one.status.replicas)
        yield "kube_replicaset_status_ready_replicas", (), float(one.status.ready_replicas)


def hpa(one: Hpa) -> Iterator[Told]:
    """Its bounds, what it scales and on what, and what it says."""
    ref, spec, status = one.spec.scale_target_ref, one.spec, one.status
    target = (
        ("scaletargetref_api_version", ref.api_version), ("scaletargetref_kind", ref.kind),
        ("scaletargetref_name", ref.name),
    )  # fmt: skip
    yield "kube_horizontalpodautoscaler_info", target, 1.0
    yield from at("kube_horizontalpodautoscaler_created", one.metadata.creation_timestamp)
    yield "kube_horizontalpodautoscaler_metadata_generation", (), float(one.metadata.generation)
    yield "kube_horizontalpodautoscaler_spec_min_replicas", (), float(spec.min_replicas)
    yield "kube_horizontalpodautoscaler_spec_max_replicas", (), float(spec.max_replicas)
    yield "kube_horizontalpodautoscaler_status_current_replicas", (), float(status.current_replicas)
    yield "kube_horizontalpodautoscaler_status_desired_replicas", (), float(status.desired_replicas)
    yield from _metrics("kube_horizontalpodautoscaler_spec_target_metric", spec.metrics, lambda one: one.target)
    yield from _metrics(
        "kube_horizontalpodautoscaler_status_target_metric", status.current_metrics, lambda one: one.current
    )
    yield from _conditions("kube_horizontalpodautoscaler_status_condition", status.conditions)


def _metrics(name: str, metrics: Iterable[HpaMetric] | None, of: Callable[[Metric], MetricNumber]) -> Iterator[Told]:
    for one in metrics or ():
        source = one.resource or one.container_resource or one.pods or one.object or one.external
        if source is None:
            continue
        called, numbers = ("metric_name", source.name or source.metric.name), of(source)
        if numbers.value is not None:
            yield from _metric(name, called, "value", number(numbers.value))
        if numbers.average_utilization is not None:
            yield from _metric(name, called, "utilization", float(numbers.average_utilization))
        if numbers.average_value is not None:
            yield from _metric(name, called, "average", number(numbers.average_value))


def _metric(name: str, called: Pair, kind: str, value: float | None) -> Iterator[Told]:
    if value is not None:
        yield name, (called, ("metric_target_type", kind)), value


def _conditions(name: str, conditions: Iterable[Condition] | None) -> Iterator[Told]:
    for condition in conditions or ():
        yield from by_status(name, condition)
