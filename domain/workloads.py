"""What a cluster tells of a workload by which policies find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """One workload, its labels and annotations, and the labels of its namespace.

    Keys are Kubernetes' own, or those of kube-state-metrics' label names, in which every odd character is ``_``.
    """

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """``Deployment shop/checkout``."""
        return f"{self.kind} {self.namespace}/{self.name}"
