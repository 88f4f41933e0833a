"""Kubernetes' ReplicaCalculator: from one metric to a number of replicas, by the names it has there.

Every value is in milli-units; utilisation is a whole percent, truncated. What is wrong with a metric is a
``MetricError``, and the caller then holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from controller.hpa.numbers import MetricError, Settings, Tolerances, ceil32, divided, int32
from controller.hpa.pods import Groups, Pod, PodMetric, PodMetrics, group, requests_of, running_and_ready, total


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What one metric asks for, and what the status reports about it.

    Attributes:
        replicas: The proposal.
        usage: Value that is reported, in milli-units; per pod for averages.
        utilization: Whole percent of the request; None where nothing is requested.
    """

    replicas: int
    usage: int
    utilization: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ratio:
    """Usage over target, with what the status reports."""

    ratio: float
    usage: int
    utilization: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaCalculator:
    """The calculator with its flags and one HPA's tolerances."""

    settings: Settings = field(default_factory=Settings)
    tolerances: Tolerances = field(default_factory=Tolerances)

    def get_resource_replicas(
        self, current: int, target: int, resource: str, metrics: PodMetrics, pods: Sequence[Pod], *,
        now: float, container: str = "",
    ) -> Proposed:  # fmt: skip
        """Resource and ContainerResource with ``Utilization``; ``target`` in percent of the request."""
        _not_empty(metrics, f"unable to get metrics for resource {resource}", "resource")
        _some(pods)
        groups = group(pods, metrics, resource=resource, now=now, settings=self.settings)
        requests = requests_of(pods, resource, container=container)

        def ratio(values: Mapping[str, int]) -> _Ratio:
            return self._utilization(values, requests, target)

        fill = max(100, target) if self.settings.version.tells_unready_from_ignored else 100
        return self._replicas(
            current,
            metrics,
            groups,
            ratio,
            missing_low=lambda name: divided(requests[name] * fill, 100),
            zero_at=math.inf,
        )

    def get_raw_resource_replicas(
        self, current: int, target: int, resource: str, metrics: PodMetrics, pods: Sequence[Pod], *, now: float
    ) -> Proposed:
        """Resource and ContainerResource with ``AverageValue``."""
        _not_empty(metrics, f"unable to get metrics for resource {resource}", "resource")
        return self._plain_replicas(current, target, metrics, pods, resource, now)

    def get_metric_replicas(
        self, current: int, target: int, metrics: PodMetrics, pods: Sequence[Pod], *, now: float
    ) -> Proposed:
        """Pods metrics."""
        _not_empty(metrics, "unable to get metric", "custom")
        return self._plain_replicas(current, target, metrics, pods, "", now)

    def get_object_metric_replicas(self, current: int, target: int, usage: int, pods: Sequence[Pod]) -> Proposed:
        """Object with ``Value``."""
        return self._of_value(current, target, usage, pods)

    def get_object_per_pod_metric_replicas(self, status_replicas: int, target: int, usage: int) -> Proposed:
        """Object with ``AverageValue``."""
        return self._per_pod(status_replicas, target, usage)

    def get_external_metric_replicas(
        self, current: int, target: int, items: Sequence[int], pods: Sequence[Pod]
    ) -> Proposed:
        """External with ``Value``: all items are summed."""
        return self._of_value(current, target, total(items), pods)

    def get_external_per_pod_metric_replicas(self, status_replicas: int, target: int, items: Sequence[int]) -> Proposed:
        """External with ``AverageValue``."""
        return self._per_pod(status_replicas, target, total(items))

    def _plain_replicas(
        self, current: int, target: int, metrics: PodMetrics, pods: Sequence[Pod], resource: str, now: float
    ) -> Proposed:
        _some(pods)
        groups = group(pods, metrics, resource=resource, now=now, settings=self.settings)

        def ratio(values: Mapping[str, int]) -> _Ratio:
            mean = divided(sum(values.values()), len(values))
            return _Ratio(ratio=_over(mean, target), usage=mean)

        at = math.inf if self.settings.version.holds_missing_at_target else 1.0
        return self._replicas(current, metrics, groups, ratio, missing_low=lambda name: target, zero_at=at)

    def _utilization(self, values: Mapping[str, int], requests: Mapping[str, int], target: int) -> _Ratio:
        matched = [name for name in values if name in requests]
        usage, requested = sum(values[name] for name in matched), sum(requests[name] for name in matched)
        if requested == 0:
            raise MetricError("no metrics returned matched known pods")
        percent = int32(divided(usage * 100, requested), self.settings.version)
        return _Ratio(ratio=_over(percent, target), usage=divided(usage, len(matched)), utilization=percent)

    def _replicas(
        self, current: int, metrics: PodMetrics, groups: Groups, ratio_of: Callable[[Mapping[str, int]], _Ratio],
        *, missing_low: Callable[[str], int], zero_at: float,
    ) -> Proposed:  # fmt: skip
        """What all averages have in common: pods without a say are first left out, then filled in against the move."""
        values = _values(metrics, without=groups.ignored | groups.unready)
        if not values:
            raise MetricError("did not receive metrics for targeted pods (pods might be unready)")
        seen = ratio_of(values)
        replicas = self._before_filling(current, groups, seen.ratio)
        if replicas is None:
            filled = self._filled(values, groups, seen.ratio, missing_low, zero_at)
            replicas = self._after_filling(current, seen.ratio, ratio_of(filled).ratio, len(filled))
        return Proposed(replicas=replicas, usage=seen.usage, utilization=seen.utilization)

    def _before_filling(self, current: int, groups: Groups, ratio: float) -> int | None:
        """The answer where every pod that counts has a value; counted are the ready pods, not the current ones."""
        if groups.missing or (groups.unready and ratio > 1.0):
            return None
        if self.tolerances.hold(ratio, self.settings.version):
            return current
        return ceil32(ratio * groups.ready_count, self.settings.version)

    def _filled(
        self, values: dict[str, int], groups: Groups, ratio: float, missing_low: Callable[[str], int], zero_at: float
    ) -> dict[str, int]:
        """Missing pods work at their target when pods would go, and idle when pods would come; unready ones idle."""
        filled = dict(values)
        for name in sorted(groups.missing):
            if ratio < 1.0:
                filled[name] = missing_low(name)
            elif ratio > 1.0 or ratio == zero_at:
                filled[name] = 0
        if ratio > 1.0:
            filled |= dict.fromkeys(sorted(groups.unready), 0)
        return filled

    def _after_filling(self, current: int, ratio: float, filled: float, count: int) -> int:
        """Only where the filled ratio still says the same."""
        turned = (ratio < 1.0 and filled > 1.0) or (ratio > 1.0 and filled < 1.0)
        if self.tolerances.hold(filled, self.settings.version) or turned:
            return current
        replicas = ceil32(filled * count, self.settings.version)
        against = (filled < 1.0 and replicas > current) or (filled > 1.0 and replicas < current)
        return current if against and self.settings.version.tells_unready_from_ignored else replicas

    def _of_value(self, current: int, target: int, usage: int, pods: Sequence[Pod]) -> Proposed:
        ratio = _over(usage, target)
        if current == 0:
            return Proposed(replicas=ceil32(ratio, self.settings.version), usage=usage)
        ready = running_and_ready(pods)
        if self.tolerances.hold(ratio, self.settings.version):
            return Proposed(replicas=current, usage=usage)
        return Proposed(replicas=ceil32(ratio * ready, self.settings.version), usage=usage)

    def _per_pod(self, status_replicas: int, target: int, usage: int) -> Proposed:
        version, replicas = self.settings.version, status_replicas
        if not self.tolerances.hold(_over(usage, target * status_replicas), version):
            replicas = ceil32(_over(usage, target), version)
        if status_replicas == 0:  # before k/k#140958 int64(+Inf): garbage in the status, harmless for the replicas
            return Proposed(replicas=replicas, usage=usage if version.status_average_is_whole else -(2**63))
        return Proposed(replicas=replicas, usage=math.ceil(float(usage) / float(status_replicas)))


def _over(usage: int, target: int) -> float:
    """Go's float division: +Inf, or NaN for 0 over 0."""
    if target == 0:
        return math.nan if usage == 0 else math.copysign(math.inf, usage)
    return float(usage) / float(target)


def _values(metrics: Mapping[str, PodMetric], *, without: frozenset[str]) -> dict[str, int]:
    return {name: metric.value for name, metric in metrics.items() if name not in without}


def _not_empty(metrics: PodMetrics, what: str, api: str) -> None:
    if not metrics:
        raise MetricError(f"{what}: no metrics returned from {api} metrics API")


def _some(pods: Sequence[Pod]) -> None:
    if not pods:
        raise MetricError("no pods returned by selector while calculating replica count")
