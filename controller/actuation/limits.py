"""The pair that an autoscaler works between."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """minReplicas and maxReplicas of an HPA, minReplicaCount and maxReplicaCount of a ScaledObject."""

    low: int
    high: int

    def __str__(self) -> str:
        """``2..20``."""
        return f"{self.low}..{self.high}"
