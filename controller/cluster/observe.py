"""No cluster to act on: replica counts are read from metrics, and nothing is ever written.

kube-state-metrics tells what Kubernetes wants and has; without it, as many replicas as Prometheus targets that are up
under ``job="<workload>"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from controller.cluster import Resource
from domain.errors import ForbiddenError
from domain.labels import Labels
from domain.names import JOB, NAMESPACE, UP
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart

_KUBE_STATE: Final = {
    "Deployment": ("deployment", "kube_deployment_spec_replicas", "kube_deployment_status_replicas_ready"),
    "StatefulSet": ("statefulset", "kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"),
}
_POD_SUFFIX: Final = {"Deployment": "-[a-z0-9]+-[a-z0-9]{5}", "StatefulSet": "-[0-9]+"}


class ObserveCluster:
    """Knows what the metrics say."""

    name = "observe"
    actuations = ("scale",)

    def __init__(
        self,
        query: Callable[[str], float | None],
        by_pod: Callable[[str], Mapping[str, float]] | None = None,
    ) -> None:
        """Ask through these.

        Args:
            query: Answers a PromQL text with one number as of now, or None where there is no series.
            by_pod: Answers one with a number for each pod of a namespace; given where queries cost a server much: then
                a namespace's requests are asked for at once, and each workload finds its own pods among them.
        """
        self._query, self._by_pod = query, by_pod

    def workload(self, ref: WorkloadRef) -> Workload:
        """Replicas by kube-state-metrics, else by targets that are up; None where neither knows."""
        wanted = self._kube_state(ref)
        if wanted is None:
            up = self._query(_up(ref))
            count = None if up is None else int(up)
            return Workload(ref=ref, current_replicas=count, ready_replicas=count, source=f"up of job {ref.name}")
        label, _, ready_metric = _KUBE_STATE[ref.kind]
        ready = self._query(f"max({_of(ready_metric, ref, label)})")
        requests = {"cpu": self._request(ref, "cpu"), "memory": self._request(ref, "memory")}
        return Workload(
            ref=ref,
            current_replicas=wanted,
            ready_replicas=None if ready is None else int(ready),
            requests={name: value for name, value in requests.items() if value is not None},
            source="kube-state-metrics",
        )

    def queries_of(self, ref: WorkloadRef) -> tuple[str, ...]:
        """What is asked to know a workload, but for its usage."""
        if ref.kind not in _KUBE_STATE:
            return (_up(ref),)
        label, *metrics = _KUBE_STATE[ref.kind]
        replicas = (f"max({_of(metric, ref, label)})" for metric in metrics)
        return (_up(ref), *replicas, _pod_requests(ref, "cpu"), _pod_requests(ref, "memory"))

    def scale(self, ref: WorkloadRef, replicas: int) -> None:
        """Refused, always."""
        raise ForbiddenError(f"cluster observe never acts: {ref} is not set to {replicas} replicas")

    def usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> str:
        """Usage by cAdvisor's series where kube-state-metrics knows the workload, else by the targets' own."""
        if self._kube_state(ref) is not None:
            which = 'container!=""' if container is None else f'container="{container}"'
            pods = f'namespace="{ref.namespace}", pod=~"{ref.name}{_POD_SUFFIX[ref.kind]}", {which}'
            if resource == "cpu":
                return f"sum(rate(container_cpu_usage_seconds_total{{{pods}}}[2m]))"
            return f"sum(container_memory_working_set_bytes{{{pods}}})"
        job = Labels.of({JOB: ref.name})
        if resource == "cpu":
            return f"sum(rate(process_cpu_seconds_total{job}[1m]))"
        return f"sum(process_resident_memory_bytes{job})"

    def starts(self, ref: WorkloadRef) -> Mapping[str, PodStart]:
        """From kube-state-metrics; on a new node where it knows the nodes, too."""
        if self._by_pod is None or ref.kind not in _KUBE_STATE:
            return {}
        created, ready, nodes = (self._by_pod(query) for query in _start_queries(ref))
        mine = self._own(ref)
        return {
            pod: PodStart(created=created[pod], ready=at, node_created=nodes.get(pod))
            for pod, at in ready.items()
            if pod in created and mine.fullmatch(pod)
        }

    def versions(self, ref: WorkloadRef) -> frozenset[str]:
        """A Deployment's pods are called ``<name>-<pod-template-hash>-<five letters>``; of others nobody knows."""
        if ref.kind != "Deployment":
            return frozenset()
        return frozenset(pod.removeprefix(f"{ref.name}-").rpartition("-")[0] for pod in self.starts(ref))

    def start_queries_of(self, ref: WorkloadRef) -> tuple[str, ...]:
        """What is asked to know its starts."""
        return _start_queries(ref) if ref.kind in _KUBE_STATE else ()

    def _own(self, ref: WorkloadRef) -> re.Pattern[str]:
        """Pods of a workload, by their names."""
        return re.compile(re.escape(ref.name) + _POD_SUFFIX[ref.kind])

    def _kube_state(self, ref: WorkloadRef) -> int | None:
        if ref.kind not in _KUBE_STATE:
            return None
        label, spec_metric, _ = _KUBE_STATE[ref.kind]
        wanted = self._query(f"max({_of(spec_metric, ref, label)})")
        return None if wanted is None else int(wanted)

    def _request(self, ref: WorkloadRef, resource: Resource) -> float | None:
        """Of one pod: the largest, while a rollout has two kinds of them."""
        if self._by_pod is not None:
            mine = self._own(ref)
            asked = self._by_pod(_pod_requests(ref, resource))
            own = (value for pod, value in asked.items() if pod.startswith(ref.name) and mine.fullmatch(pod))
            return max(own, default=None)
        pods = f'namespace="{ref.namespace}", pod=~"{ref.name}{_POD_SUFFIX[ref.kind]}", resource="{resource}"'
        return self._query(f"max(sum by (pod) (kube_pod_container_resource_requests{{{pods}}}))")


def _up(ref: WorkloadRef) -> str:
    return f"count({Labels.of({'__name__': UP, JOB: ref.name})} == 1)"


def _pod_requests(ref: WorkloadRef, resource: str) -> str:
    """Of all pods of its namespace."""
    asked = {"__name__": "kube_pod_container_resource_requests", NAMESPACE: ref.namespace, "resource": resource}
    return f"sum by (pod) ({Labels.of(asked)})"


def _of(metric: str, ref: WorkloadRef, label: str) -> Labels:
    return Labels.of({"__name__": metric, NAMESPACE: ref.namespace, label: ref.name})


def _start_queries(ref: WorkloadRef) -> tuple[str, str, str]:
    """Of all pods of its namespace: when created, when ready, and when their nodes were made."""
    created, ready, info = (
        Labels.of({"__name__": name, NAMESPACE: ref.namespace})
        for name in ("kube_pod_created", "kube_pod_status_ready_time", "kube_pod_info")
    )
    on_node = f"{info} * on (node) group_left () max by (node) (kube_node_created)"
    return f"max by (pod) ({created})", f"max by (pod) ({ready})", f"max by (pod) ({on_node})"
