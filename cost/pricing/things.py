"""What a price can be asked for, and the price with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

STALE_AFTER: Final = timedelta(days=90)
INSTANCE_TYPES: Final = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
REGIONS: Final = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
SPOT_LABELS: Final = {
    "karpenter.sh/capacity-type": "spot", "eks.amazonaws.com/capacityType": "SPOT", "lifecycle": "EC2Spot",
    "node.kubernetes.io/lifecycle": "spot", "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true", "cloud.google.com/gke-provisioning": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}  # fmt: skip
_RESERVED: Final = {"karpenter.sh/capacity-type": "reserved"}


class Confidence(StrEnum):
    """How sure a price is, surest first."""

    BILLED = "billed"
    STATED = "stated"
    """By the operator: a PriceSheet, or a file of prices."""
    REPORTED = "reported"
    """By OpenCost's metrics."""
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one thing costs in an hour.

    Attributes:
        amount: Exact.
        currency: ISO 4217.
        source: Where it stands, in words.
        as_of: When it was true, as far as the source says.
        confidence: How sure it is.
    """

    amount: Decimal
    currency: str
    source: str
    as_of: date | None
    confidence: Confidence

    def is_stale(self, today: date) -> bool:
        """Whether it is older than 90 days; a price without a date is not known to be."""
        return self.as_of is not None and today - self.as_of > STALE_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """A node, as far as its price depends on it; amounts are those of the whole machine."""

    name: str = ""
    provider_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu_cores: Decimal = Decimal(0)
    memory_gib: Decimal = Decimal(0)
    gpus: Decimal = Decimal(0)

    @property
    def selectors(self) -> dict[str, str]:
        """What rules of a PriceSheet can select by."""
        own = {
            "instanceType": _first(self.labels, INSTANCE_TYPES), "region": _first(self.labels, REGIONS),
            "capacityType": capacity_type(self.labels),
        }  # fmt: skip
        labels = {f"nodeLabels.{name}": value for name, value in self.labels.items()}
        return {name: value for name, value in own.items() if value} | labels


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """A persistent volume, as far as its price depends on it."""

    name: str
    storage_class: str = ""
    region: str = ""
    gib: Decimal = Decimal(0)


def capacity_type(labels: Mapping[str, str]) -> str:
    """``spot``, ``reserved`` or ``on-demand``, by the labels of clouds and autoscalers.

    A reservation shows in no label but Karpenter's: only the bill knows the others.
    """
    if any(labels.get(name) == value for name, value in SPOT_LABELS.items()):
        return "spot"
    if any(labels.get(name) == value for name, value in _RESERVED.items()):
        return "reserved"
    return "on-demand"


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
