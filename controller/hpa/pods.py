"""Pods, their metrics and their requests; ``group`` is Kubernetes' groupPods, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from controller.hpa.numbers import MAX_INT64, MetricError, Settings


class Phase(StrEnum):
    """A pod's phase."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container, or an init container that restarts (a sidecar): its requests in milli-units."""

    name: str
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as HPA sees it; instants in seconds, on any clock.

    Attributes:
        ready: The Ready condition; None where there is none.
        ready_changed: When it last changed.
        started: ``status.startTime``; None before the kubelet has seen it.
        deleted: Whether it has a deletion timestamp.
        requests: Of the pod as a whole, in milli-units (gate PodLevelResources); empty without.
    """

    name: str
    phase: Phase = Phase.RUNNING
    ready: bool | None = True
    ready_changed: float = 0.0
    started: float | None = 0.0
    deleted: bool = False
    containers: tuple[Container, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodMetric:
    """One pod's value in milli-units, when it was measured, and over which seconds."""

    value: int
    at: float = 0.0
    window_seconds: float = 60.0


PodMetrics = Mapping[str, PodMetric]


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """What ``group`` finds: a count and three sets of names."""

    ready_count: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def group(pods: Iterable[Pod], metrics: PodMetrics, *, resource: str, now: float, settings: Settings) -> Groups:
    """Ready, unready, missing and ignored pods; only for ``cpu`` does readiness matter."""
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in pods:
        if pod.deleted or pod.phase is Phase.FAILED:
            if settings.version.tells_unready_from_ignored:  # older code left their values among the others
                ignored.add(pod.name)
        elif pod.phase is Phase.PENDING:
            unready.add(pod.name)
        elif pod.name not in metrics:
            missing.add(pod.name)
        elif resource == "cpu" and _is_unready(pod, metrics[pod.name], now, settings):
            unready.add(pod.name)
        else:
            ready += 1
    return Groups(ready_count=ready, unready=frozenset(unready), missing=frozenset(missing), ignored=frozenset(ignored))


def _is_unready(pod: Pod, metric: PodMetric, now: float, settings: Settings) -> bool:
    if pod.ready is None or pod.started is None:
        return True
    if pod.started + settings.cpu_initialization_seconds > now:
        return not pod.ready or metric.at < pod.ready_changed + metric.window_seconds
    return not pod.ready and pod.started + settings.readiness_delay_seconds > pod.ready_changed


def running_and_ready(pods: Sequence[Pod]) -> int:
    """How many are Running and Ready, whatever the metric; for Object and External values."""
    if not pods:
        raise MetricError("no pods returned by selector while calculating replica count")
    return sum(pod.phase is Phase.RUNNING and pod.ready is True for pod in pods)


def requests_of(pods: Iterable[Pod], resource: str, *, container: str = "") -> dict[str, int]:
    """Each pod's request in milli-units, of all containers or of one; a pod without it makes the metric invalid."""
    return {pod.name: _request(pod, resource, container) for pod in pods}


def _request(pod: Pod, resource: str, container: str) -> int:
    if not container and resource in pod.requests:
        return pod.requests[resource]
    counted = [one for one in pod.containers if not container or one.name == container]
    if container and not counted:
        raise MetricError(f"container {container} not found in Pod {pod.name}")
    for one in counted:
        if resource not in one.requests:
            raise MetricError(f"missing request for {resource} in container {one.name} of Pod {pod.name}")
    return sum(one.requests[resource] for one in counted)


def usage_of(
    samples: Mapping[str, Mapping[str, int]], *, container: str = "", at: float = 0.0, window_seconds: float = 60.0
) -> dict[str, PodMetric]:
    """Per pod the sum of its containers' values of one resource, or one container's.

    A pod without containers, or without the one that is asked for, is dropped; it will count as missing.
    """
    usage = {}
    for name, containers in samples.items():
        values = [value for one, value in containers.items() if not container or one == container]
        if values:
            usage[name] = PodMetric(value=sum(values), at=at, window_seconds=window_seconds)
    return usage


def total(values: Iterable[int]) -> int:
    """The sum of an External metric's items, capped at the largest int64."""
    items = tuple(values)
    if not items:
        raise MetricError("no metrics returned from external metrics API")
    return min(sum(items), MAX_INT64)
