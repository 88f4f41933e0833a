"""No cluster to act on: replica counts are read from metrics, and nothing is ever written.

kube-state-metrics (or, in its place, our own collector) tells what Kubernetes wants and has; without it, as many
replicas as Prometheus targets that are up under ``job="<workload>"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from controller.actuation.shares import Granted
from controller.cluster import BoundsDone, BoundsOrder, Order, Resource
from domain.errors import ForbiddenError
from domain.labels import Labels
from domain.names import JOB, NAMESPACE, UP, USED_CPU, USED_MEMORY
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart

_KUBE_STATE: Final = {
    "Deployment": ("deployment", "kube_deployment_spec_replicas", "kube_deployment_status_replicas_ready"),
    "StatefulSet": ("statefulset", "kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"),
}
_POD_SUFFIX: Final = {"Deployment": "-[a-z0-9]+-[a-z0-9]{5}", "StatefulSet": "-[0-9]+"}
_OWNER: Final = {kind: re.compile(f"(.+){suffix}") for kind, suffix in _POD_SUFFIX.items()}
_KEPT: Final = 10_000
"""Texts of queries: one takes 3 µs to write, and each rule needs ten of them at each tick."""
REQUESTS: Final = "kube_pod_container_resource_requests"
LIMITS: Final = "kube_pod_container_resource_limits"


class ObserveCluster:
    """Knows what the metrics say."""

    name = "observe"
    actuations = ("scale",)

    def __init__(
        self,
        query: Callable[[str], float | None],
        by_pod: Callable[[str], Mapping[str, float]] | None = None,
        *,
        usage_api: bool = False,
    ) -> None:
        """Ask through these.

        Args:
            query: Answers a PromQL text with one number as of now, or None where there is no series.
            by_pod: Answers one with a number for each pod of a namespace; given where queries cost a server much: then
                a namespace's requests are asked for at once, and each workload finds its own pods among them.
            usage_api: Whether the collector writes the usage that metrics.k8s.io tells: it is taken for pods that
                cAdvisor's series do not cover.
        """
        self._query, self._by_pod, self._usage_api = query, by_pod, usage_api
        self._owned: dict[tuple[str, str], tuple[Mapping[str, float], dict[str, dict[str, float]]]] = {}

    def workload(self, ref: WorkloadRef) -> Workload:
        """Replicas by kube-state-metrics, else by targets that are up; None where neither knows."""
        wanted = self._kube_state(ref)
        if wanted is None:
            up = self._query(_up(ref))
            count = None if up is None else int(up)
            return Workload(ref=ref, current_replicas=count, ready_replicas=count, source=f"up of job {ref.name}")
        label, _, ready_metric = _KUBE_STATE[ref.kind]
        ready = self._query(f"max({_of(ready_metric, ref, label)})")
        requests = {"cpu": self._asked(ref, "cpu"), "memory": self._asked(ref, "memory")}
        limits = {"cpu": self._asked(ref, "cpu", LIMITS), "memory": self._asked(ref, "memory", LIMITS)}
        return Workload(
            ref=ref,
            current_replicas=wanted,
            ready_replicas=None if ready is None else int(ready),
            requests={name: value for name, value in requests.items() if value is not None},
            limits={name: value for name, value in limits.items() if value is not None},
            source="kube-state-metrics",
        )

    def queries_of(self, ref: WorkloadRef) -> tuple[str, ...]:
        """What is asked to know a workload, but for its usage."""
        if ref.kind not in _KUBE_STATE:
            return (_up(ref),)
        label, *metrics = _KUBE_STATE[ref.kind]
        replicas = (f"max({_of(metric, ref, label)})" for metric in metrics)
        asked = (_pod_asked(ref.namespace, name, metric) for name in ("cpu", "memory") for metric in (REQUESTS, LIMITS))
        return (_up(ref), *replicas, *asked)

    def scale(self, ref: WorkloadRef, replicas: int, *, because: str = "") -> None:
        """Refused, always."""
        raise ForbiddenError(f"cluster observe never acts: {ref} is not set to {replicas} replicas")

    def set_bounds(self, order: BoundsOrder, now: datetime) -> BoundsDone:
        """Refused, always."""
        raise ForbiddenError(f"cluster observe never acts: {order} keeps its bounds")

    def begin(self, orders: Sequence[Order], now: datetime) -> Mapping[str, Granted]:
        """Nothing is shared."""
        return {}

    def settle(self, acting: Collection[str], now: datetime) -> None:
        """Nothing was left behind."""

    def usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> str:
        """Usage by cAdvisor's series where kube-state-metrics knows the workload, else by the targets' own."""
        if self._kube_state(ref) is not None:
            which = 'container!=""' if container is None else f'container="{container}"'
            pods = f'namespace="{ref.namespace}", pod=~"{ref.name}{_POD_SUFFIX[ref.kind]}", {which}'
            if self._usage_api:
                return f"sum({_used(pods, resource, usage_api=True)})"
            if resource == "cpu":
                return f"sum(rate(container_cpu_usage_seconds_total{{{pods}}}[2m]))"
            return f"sum(container_memory_working_set_bytes{{{pods}}})"
        job = Labels.of({JOB: ref.name})
        if resource == "cpu":
            return f"sum(rate(process_cpu_seconds_total{job}[1m]))"
        return f"sum(process_resident_memory_bytes{job})"

    def pod_usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> PodQuery | None:
        """Of all pods of its namespace, so that it is one question for all workloads together."""
        if self._by_pod is None or self._kube_state(ref) is None:
            return None
        return _pod_usage(ref.namespace, resource, container, self._usage_api)

    def pods(self, ref: WorkloadRef, now: datetime, container: str | None = None) -> Mapping[str, PodState]:
        """As kube-state-metrics told it within the last minute; without the failed and the deleted ones."""
        if ref.kind not in _KUBE_STATE:
            return {}
        created, ready, deleted, pending, failed = (self._of_own(ref, query) for query in _state_queries(ref.namespace))
        requests, limits = (
            {name: self._of_own(ref, _pod_asked(ref.namespace, name, metric, container)) for name in ("cpu", "memory")}
            for metric in (REQUESTS, LIMITS)
        )
        at = now.timestamp()
        return {
            pod: PodState(
                age_seconds=at - since, ready_seconds=at - ready[pod] if pod in ready else None,
                pending=pod in pending,
                requests={name: pods[pod] for name, pods in requests.items() if pod in pods},
                limits={name: pods[pod] for name, pods in limits.items() if pod in pods},
            )
            for pod, since in created.items()
            if pod not in deleted and pod not in failed
        }  # fmt: skip

    def pod_queries_of(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> tuple[str, ...]:
        """What is asked to know its usage pod by pod."""
        if ref.kind not in _KUBE_STATE:
            return ()
        asked = (
            _pod_asked(ref.namespace, name, metric, container)
            for name in ("cpu", "memory")
            for metric in (REQUESTS, LIMITS)
        )
        usage = _pod_usage(ref.namespace, resource, container, self._usage_api)
        return (usage.expr, *_state_queries(ref.namespace), *asked)

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

    def _asked(self, ref: WorkloadRef, resource: Resource, metric: str = REQUESTS) -> float | None:
        """Of one pod: the largest, while a rollout has two kinds of them."""
        if self._by_pod is not None:
            return max(self._of_own(ref, _pod_asked(ref.namespace, resource, metric)).values(), default=None)
        pods = f'namespace="{ref.namespace}", pod=~"{ref.name}{_POD_SUFFIX[ref.kind]}", resource="{resource}"'
        return self._query(f"max(sum by (pod) ({metric}{{{pods}}}))")

    def _of_own(self, ref: WorkloadRef, query: str) -> dict[str, float]:
        """The workload's part of what is answered for its namespace, which is put in order once for each answer."""
        answer = {} if self._by_pod is None else self._by_pod(query)
        known = self._owned.get((query, ref.kind))
        if known is None or known[0] is not answer:
            owners: dict[str, dict[str, float]] = {}
            for pod, value in answer.items():
                if (match := _OWNER[ref.kind].fullmatch(pod)) is not None:
                    owners.setdefault(match[1], {})[pod] = value
            known = self._owned[query, ref.kind] = (answer, owners)
        return known[1].get(ref.name, {})


def _up(ref: WorkloadRef) -> str:
    return f"count({Labels.of({'__name__': UP, JOB: ref.name})} == 1)"


@lru_cache(maxsize=_KEPT)
def _pod_usage(namespace: str, resource: str, container: str | None, usage_api: bool) -> PodQuery:
    which = 'container!=""' if container is None else f'container="{container}"'
    expr = _used(f'namespace="{namespace}", {which}', resource, usage_api=usage_api)
    return PodQuery(expr=expr, window=timedelta(minutes=2) if resource == "cpu" else timedelta())


def _used(chosen: str, resource: str, *, usage_api: bool) -> str:
    """By pod: cAdvisor's series, and for pods without them what metrics.k8s.io says."""
    if resource == "cpu":
        expr, other = f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{chosen}}}[2m]))", USED_CPU
    else:
        expr, other = f"sum by (pod) (container_memory_working_set_bytes{{{chosen}}})", USED_MEMORY
    return f"{expr} or sum by (pod) ({other}{{{chosen}}})" if usage_api else expr


@lru_cache(maxsize=_KEPT)
def _pod_asked(namespace: str, resource: str, metric: str, container: str | None = None) -> str:
    """Requests or limits of all pods of its namespace."""
    asked = {"__name__": metric, NAMESPACE: namespace, "resource": resource}
    return f"sum by (pod) ({Labels.of(asked if container is None else {**asked, 'container': container})})"


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


@lru_cache(maxsize=_KEPT)
def _state_queries(namespace: str) -> tuple[str, str, str, str, str]:
    """Of all pods of its namespace: when created and ready; which are deleted, pending, failed."""
    created, ready, deleted, pending, failed = (
        Labels.of({"__name__": name, NAMESPACE: namespace, **more})
        for name, more in (
            ("kube_pod_created", {}), ("kube_pod_status_ready_time", {}), ("kube_pod_deletion_timestamp", {}),
            ("kube_pod_status_phase", {"phase": "Pending"}), ("kube_pod_status_phase", {"phase": "Failed"}),
        )
    )  # fmt: skip
    return (
        f"max by (pod) ({created})", f"max by (pod) ({ready})", f"max by (pod) ({deleted})",
        f"max by (pod) ({pending} == 1)", f"max by (pod) ({failed} == 1)",
    )  # fmt: skip
