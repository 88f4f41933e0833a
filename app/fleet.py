"""The autoscalers of a cluster as kube-state-metrics tells them, and the names by which their pods are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.fleet_source import GentleSource
from domain.errors import ForetideError
from domain.labels import Labels

_SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"
"""The letters that Kubernetes makes random names of."""
POD_NAME: Final = f"(.+?)(?:-[{_SAFE}]{{1,10}}-[{_SAFE}]{{5}}|-[0-9]+|-[{_SAFE}]{{5}})"
"""A pod of a Deployment, a StatefulSet or a ReplicaSet; the group is the workload."""
_POD: Final = re.compile(POD_NAME)
_HPA: Final = "kube_horizontalpodautoscaler_"


class NoAutoscalersError(ForetideError):
    """There is nothing to look at; the sentence says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTarget:
    """One target of an HPA.

    Attributes:
        name: Of the metric; ``cpu`` and ``memory`` are resources where the kind is ``utilization``.
        kind: ``utilization`` (percent of the request), ``average`` (per replica) or ``value``.
        number: The target.
    """

    name: str
    kind: str
    number: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa:
    """One HorizontalPodAutoscaler and the workload that it scales."""

    namespace: str
    name: str
    kind: str
    workload: str
    min_replicas: int
    max_replicas: int
    targets: tuple[MetricTarget, ...] = ()

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Of one replica, all its containers; None where none is set."""

    cpu_cores: float | None = None
    memory_bytes: float | None = None
    cpu_limit_cores: float | None = None


def workload_of(pod: str) -> str:
    """The workload's name by the pod's; the pod's own where it is no controller's."""
    found = _POD.fullmatch(pod)
    return found[1] if found else pod


def matcher(namespace: str | None) -> str:
    """``{namespace="x"}``, or nothing."""
    return "" if namespace is None else f'{{namespace="{namespace}"}}'


def find_hpas(source: GentleSource, *, namespace: str | None, at_ms: int) -> list[Hpa]:
    """Every HPA at one time, by namespace and name.

    Raises:
        NoAutoscalersError: The server has none, or no kube-state-metrics.
        QueryError: It cannot be asked.
    """

    def ask(query: str) -> Iterator[tuple[Labels, float]]:
        found = source.instant(query, at_ms=at_ms)
        return zip(found.labels, found.values.tolist(), strict=True)

    hpas = hpas_told(ask, namespace)
    if not hpas:
        raise NoAutoscalersError(_why_none(source, namespace, at_ms))
    return hpas


def hpas_told(ask: Callable[[str], Iterable[tuple[Labels, float]]], namespace: str | None) -> list[Hpa]:
    """The same from anything that answers a query with a number for each label set; errors are its own."""
    own = matcher(namespace)
    references = {_key(labels): labels for labels, _ in ask(f"{_HPA}info{own}")}
    least = {_key(labels): value for labels, value in ask(f"{_HPA}spec_min_replicas{own}")}
    most = {_key(labels): value for labels, value in ask(f"{_HPA}spec_max_replicas{own}")}
    targets: dict[tuple[str, str], list[MetricTarget]] = {}
    for labels, value in ask(f"{_HPA}spec_target_metric{own}") if most else ():
        one = MetricTarget(
            name=labels.value_of("metric_name"), kind=labels.value_of("metric_target_type"), number=value
        )
        known = targets.setdefault(_key(labels), [])
        if one not in known:
            known.append(one)
    return [
        _hpa(key, references.get(key), int(least.get(key, 1)), int(most[key]), targets.get(key, []))
        for key in sorted(most)
    ]


def find_requests(source: GentleSource, hpas: Sequence[Hpa], *, at_ms: int) -> dict[tuple[str, str], Requests]:
    """Requests and limits of one replica of each workload; of several pods (a rollout) the largest."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for namespace in sorted({one.namespace for one in hpas}):
        for name, metric in (("request", "requests"), ("limit", "limits")):
            query = (
                f"sum by (namespace, pod, resource) (max by (namespace, pod, container, resource) "
                f'(kube_pod_container_resource_{metric}{{namespace="{namespace}",resource=~"cpu|memory"}}))'
            )
            answer = source.instant(query, at_ms=at_ms)
            for labels, value in zip(answer.labels, answer.values.tolist(), strict=True):
                mine = found.setdefault((namespace, workload_of(labels.value_of("pod"))), {})
                field = f"{labels.value_of('resource')} {name}"
                mine[field] = max(mine.get(field, 0.0), value)
    return {
        key: Requests(
            cpu_cores=one.get("cpu request"), memory_bytes=one.get("memory request"),
            cpu_limit_cores=one.get("cpu limit"),
        )
        for key, one in found.items()
    }  # fmt: skip


def kubernetes_minor(source: GentleSource, *, at_ms: int) -> int | None:
    """The lowest minor version of the nodes; None where nobody tells."""
    found = source.instant("count by (kubelet_version) (kube_node_info)", at_ms=at_ms)
    versions = [re.match(r"v?1\.(\d+)", labels.value_of("kubelet_version")) for labels in found.labels]
    return min((int(one[1]) for one in versions if one), default=None)


def _hpa(key: tuple[str, str], reference: Labels | None, least: int, most: int, targets: Sequence[MetricTarget]) -> Hpa:
    kind = "" if reference is None else reference.value_of("scaletargetref_kind")
    workload = "" if reference is None else reference.value_of("scaletargetref_name")
    # Older kube-state-metrics have no `_info`: most HPAs are called as what they scale.
    return Hpa(
        namespace=key[0], name=key[1], kind=kind or "Deployment", workload=workload or key[1], min_replicas=least,
        max_replicas=most, targets=tuple(sorted(targets, key=lambda one: one.name)),
    )  # fmt: skip


def _why_none(source: GentleSource, namespace: str | None, at_ms: int) -> str:
    there = source.instant('count({__name__=~"kube_(deployment|pod|node)_.+"})', at_ms=at_ms)
    where = "" if namespace is None else f" in namespace {namespace}"
    if not len(there.values):
        return (
            "this server has no series of kube-state-metrics (kube_horizontalpodautoscaler_spec_max_replicas and its "
            "like): install kube-state-metrics and have it scraped, or give the server that does"
        )
    if namespace is None:
        return (
            "kube-state-metrics is there, but tells of no HorizontalPodAutoscaler: there is none, or its resource list "
            "(--resources) leaves horizontalpodautoscalers out"
        )
    return f"there is no HorizontalPodAutoscaler{where}, as far as kube-state-metrics tells"


def _key(labels: Labels) -> tuple[str, str]:
    return labels.value_of("namespace"), labels.value_of("horizontalpodautoscaler")
