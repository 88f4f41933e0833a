"""The vertical-pod-autoscaler's flags with its defaults, and numbers as it keeps them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
DAY_SECONDS: Final = 86_400.0
MOST_AMOUNT: Final = 10**14
"""The original's largest amount; also its upper bound without history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The recommender's flags, with its defaults.

    Attributes:
        margin_ratio: Added to a percentile.
        target, lower, upper: Percentiles (0–1).
        pod_least_millicores: Of a pod; split over its containers.
        pod_least_bytes: Of a pod; split over its containers.
        confidence_seconds: The history at which confidence is 1.
        whole_cores: Round CPU up to whole cores (the integer post-processor).
        oom_least_bytes: Least that an OOM adds.
        oom_ratio: What an OOM makes of the memory used.
    """

    margin_ratio: float = 0.15
    target: float = 0.9
    lower: float = 0.5
    upper: float = 0.95
    pod_least_millicores: float = 25.0
    pod_least_bytes: float = 250.0 * MIB
    half_life_seconds: float = DAY_SECONDS
    confidence_seconds: float = DAY_SECONDS
    memory_window_seconds: float = DAY_SECONDS
    whole_cores: bool = False
    oom_least_bytes: float = 100.0 * MIB
    oom_ratio: float = 1.2


def amount(value: float) -> int:
    """A number as the original keeps amounts: whole, cut off, never negative."""
    return max(0, min(MOST_AMOUNT, int(value))) if math.isfinite(value) else MOST_AMOUNT
