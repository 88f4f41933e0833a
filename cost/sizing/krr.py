"""Engine ``krr``: strategies ``simple`` and ``simple_limit`` of Robusta's KRR, with its defaults, formula by formula.

KRR has no numbers of its own to hold this against: tests/cost/sizing/test_krr.py does the sums by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import numpy as np

from cost.sizing.observed import Evidence, Observed, Resource, Size, Sizing, evidence, risk

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """KRR's options, with its defaults.

    Attributes:
        percentile: Of ``simple``: per pod, the highest pod counts (percent).
        request_percentile, limit_percentile: Of ``simple_limit``: over the samples of all pods (percent).
        memory_buffer_ratio: On the highest working set.
        use_oomkill_data: Whether memory that was killed counts, with its own buffer.
        points_required: Samples of all pods together.
        least_range_seconds: History that must be there.
        allow_hpa: Answer also where an HPA scales by that resource.
    """

    strategy: Literal["simple", "simple_limit"] = "simple"
    percentile: float = 95.0
    request_percentile: float = 66.0
    limit_percentile: float = 96.0
    memory_buffer_ratio: float = 0.15
    use_oomkill_data: bool = False
    oom_buffer_ratio: float = 0.25
    points_required: int = 100
    least_range_seconds: float = 3 * 3600.0
    allow_hpa: bool = False
    least_millicores: int = 10
    least_mib: int = 100


class Severity(StrEnum):
    """How far a size is from the wanted one."""

    UNKNOWN = "unknown"
    GOOD = "good"
    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


_STEPS: Final = {Resource.CPU: (100.0, 250.0, 500.0), Resource.MEMORY: (100.0 * MIB, 250.0 * MIB, 500.0 * MIB)}


def size(observed: Observed, resource: Resource, *, hpa: bool = False, policy: Policy | None = None) -> Sizing:
    """What KRR recommends; ``wanted`` is None where it prints a question mark.

    Args:
        observed: The container.
        resource: CPU or memory.
        hpa: Whether an HPA has a utilisation target for this resource.
        policy: Its options.
    """
    policy = policy or Policy()
    seen = evidence(observed, resource)
    unknown = _unknown(seen, hpa, policy)
    wanted = None if unknown else _wanted(observed, resource, policy)
    killed = resource is Resource.MEMORY and policy.use_oomkill_data and seen.ooms > 0
    return Sizing(
        target=observed.target, container=observed.container, resource=resource, current=observed.size(resource),
        wanted=wanted, engine="krr", evidence=seen, confidence=min(1.0, seen.samples / policy.points_required),
        risk=risk(resource, wanted, seen), reasons=(unknown,) if unknown else ("OOMKill detected",) if killed else (),
    )  # fmt: skip


def severity(current: int | None, wanted: int | None, resource: Resource) -> Severity:
    """By the difference in millicores or bytes; one of two missing is a warning."""
    if current is None or wanted is None:
        return Severity.GOOD if current is wanted else Severity.WARNING
    apart = abs(current - wanted)
    reached = sum(apart >= step for step in _STEPS[resource])
    return (Severity.GOOD, Severity.OK, Severity.WARNING, Severity.CRITICAL)[reached]


def rounded(value: float, resource: Resource, policy: Policy) -> int:
    """Up to whole millicores or MiB, and never below KRR's minimum; cores or bytes in, millicores or bytes out."""
    if resource is Resource.CPU:
        return max(math.ceil(value * 1000.0), policy.least_millicores)
    return max(math.ceil(value / MIB), policy.least_mib) * MIB


def _unknown(seen: Evidence, hpa: bool, policy: Policy) -> str | None:
    if not seen.samples:
        return "No data"
    if seen.window.total_seconds() < policy.least_range_seconds or seen.samples < policy.points_required:
        return "Not enough data"
    return "HPA detected" if hpa and not policy.allow_hpa else None


def _wanted(observed: Observed, resource: Resource, policy: Policy) -> Size:
    if resource is Resource.MEMORY:
        both = rounded(_memory(observed, policy), resource, policy)
        return Size(request=both, limit=both)
    per_pod = [one.values for one in observed.tracks(resource)]
    if policy.strategy == "simple":
        highest = max(float(np.percentile(values, policy.percentile)) for values in per_pod)
        return Size(request=rounded(highest, resource, policy))
    asked = (policy.request_percentile, policy.limit_percentile)
    request, limit = np.percentile(np.concatenate(per_pod), asked).tolist()
    return Size(request=rounded(request, resource, policy), limit=rounded(limit, resource, policy))


def _memory(observed: Observed, policy: Policy) -> float:
    peak = max(float(one.values.max()) for one in observed.tracks(Resource.MEMORY))
    killed = max((oom.reached_bytes for pod in observed.pods for oom in pod.ooms), default=0.0)
    with_buffer = killed * (1.0 + policy.oom_buffer_ratio) if policy.use_oomkill_data else 0.0
    return max(peak * (1.0 + policy.memory_buffer_ratio), with_buffer)
