"""Engine ``vpa``: what the vertical-pod-autoscaler's recommender says, number for number.

CPU is the 90th percentile of a histogram in which a day halves a sample's weight; memory the same over daily peaks.
Then the margin, the confidence multiplier (bounds only) and the least that a pod gets.

Source:
    kubernetes/autoscaler, vertical-pod-autoscaler, recommender/logic and recommender/model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from cost.sizing.buckets import exponential
from cost.sizing.histogram import Histogram
from cost.sizing.observed import Observed, Resource, Size, Sizing, evidence, risk
from cost.sizing.vpa_memory import memory_peaks
from cost.sizing.vpa_policy import DAY_SECONDS, MOST_AMOUNT, Policy, amount

CPU_WEIGHT: Final = 0.1
_EPSILON: Final = 0.001 * CPU_WEIGHT
_GROWTH: Final = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """Millicores or bytes."""

    target: int
    lower: int
    upper: int
    confidence: float


def recommend(observed: Observed, resource: Resource, policy: Policy | None = None) -> Recommended:
    """Target and bounds of one resource of a container."""
    policy = policy or Policy()
    histogram = _cpu(observed, policy) if resource is Resource.CPU else _memory(observed, policy)
    sure = confidence(*_history(observed), interval_seconds=policy.confidence_seconds)
    unit = 1000.0 if resource is Resource.CPU else 1.0
    least = pod_least(policy, observed.containers)[resource]

    def made(level: float, factor: float) -> int:
        base = amount(histogram.percentile(level) * unit)
        with_margin = base + amount(base * policy.margin_ratio)
        found = max(amount(with_margin * factor), amount(least))
        return whole_cores(found) if policy.whole_cores and resource is Resource.CPU else found

    upper = multiplier(sure, 1.0, 1.0)
    return Recommended(
        target=made(policy.target, 1.0), lower=made(policy.lower, multiplier(sure, 0.001, -2.0)),
        upper=made(policy.upper, upper) if math.isfinite(upper) else MOST_AMOUNT, confidence=sure,
    )  # fmt: skip


def _bounds(found: Recommended, resource: Resource) -> str:
    """Without history the upper one is the VPA's largest amount, which is none."""
    lower, unit = found.lower, "m" if resource is Resource.CPU else " bytes"
    upper = f"{found.upper}{unit}" if found.upper < MOST_AMOUNT else "none above"
    return f"the VPA's bounds are {lower}{unit} and {upper}"


def size(observed: Observed, resource: Resource, policy: Policy | None = None) -> Sizing:
    """The recommendation as an answer; limits keep their ratio to the request, as the VPA's admission keeps them."""
    current, seen = observed.size(resource), evidence(observed, resource)
    found = recommend(observed, resource, policy)
    wanted = Size(request=found.target, limit=scaled_limit(current, found.target)) if seen.samples else None
    bounds = _bounds(found, resource) if seen.samples else "no samples"
    return Sizing(
        target=observed.target, container=observed.container, resource=resource, current=current, wanted=wanted,
        engine="vpa", evidence=seen, confidence=min(found.confidence, 1.0), risk=risk(resource, wanted, seen),
        reasons=(bounds,),
    )  # fmt: skip


def confidence(lifespan_seconds: float, samples: int, *, interval_seconds: float = DAY_SECONDS) -> float:
    """How many intervals of history there are, by time or by samples a minute, whichever is less."""
    return min(lifespan_seconds / interval_seconds, samples / (interval_seconds / 60.0))


def multiplier(sure: float, factor: float, exponent: float) -> float:
    """``(1 + factor/confidence)^exponent``; without history infinite, or 0 for a negative exponent."""
    if sure <= 0.0:
        return math.inf if exponent > 0.0 else 0.0
    return math.pow(1.0 + factor / sure, exponent)


def pod_least(policy: Policy, containers: int) -> dict[Resource, float]:
    """The least of a container: its share of the pod's."""
    return {
        Resource.CPU: policy.pod_least_millicores / containers,
        Resource.MEMORY: policy.pod_least_bytes / containers,
    }


def whole_cores(millicores: int) -> int:
    """Rounded up to whole cores: 8.1 becomes 9."""
    return -(-millicores // 1000) * 1000


def scaled_limit(current: Size, request: int) -> int | None:
    """The limit for another request, in today's ratio; None where there is no ratio."""
    if current.limit is None or not current.request:
        return current.limit if current.limit is None else max(current.limit, request)
    return -(-current.limit * request // current.request)


def _cpu(observed: Observed, policy: Policy) -> Histogram:
    buckets = exponential(1000.0, 0.01, _GROWTH, _EPSILON)
    histogram = Histogram(buckets, half_life_seconds=policy.half_life_seconds)
    tracks = observed.tracks(Resource.CPU)
    if tracks:
        times = np.concatenate([one.times for one in tracks])
        order = np.argsort(times, kind="stable")
        values = np.floor(np.concatenate([one.values for one in tracks])[order] * 1000.0) / 1000.0
        histogram.add(values, np.full(len(times), CPU_WEIGHT), times[order])
    return histogram


def _memory(observed: Observed, policy: Policy) -> Histogram:
    buckets = exponential(1e12, 1e7, _GROWTH, _EPSILON)
    histogram = Histogram(buckets, half_life_seconds=policy.half_life_seconds)
    peaks = sorted((peak for pod in observed.pods for peak in memory_peaks(pod, policy)), key=lambda one: one.at)
    if peaks:
        values = np.array([one.used_bytes for one in peaks])
        histogram.add(values, np.ones(len(peaks)), np.array([one.at for one in peaks]))
    return histogram


def _history(observed: Observed) -> tuple[float, int]:
    """Seconds from first to last and number of CPU samples: the original counts no others."""
    times = [one.times for one in observed.tracks(Resource.CPU)]
    if not times:
        return 0.0, 0
    return float(max(one[-1] for one in times) - min(one[0] for one in times)), sum(map(len, times))
