"""The ``PriceSheet`` document: what nodes, cores, GiBs, GPUs, volumes, traffic and load balancers cost.

Flat prices of a core and a GiB are enough for what replicas cost. Rules say what differs by instance type, label,
region, capacity type or storage class: the one with most selectors counts, and two that could both count are a
mistake.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from rules.amounts import PositiveQuantity, Price, Ratio
from rules.document import Metadata, Strict, mistake
from rules.fields import CurrencyCode, Day, LabelKey, LabelValue, Name, NonEmpty, Word


class PriceMatch(Strict):
    """What a rule is about; each selector that is there has to fit, none at all fits everything."""

    instance_type: Name | None = None
    node_labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    region: Word | None = None
    capacity_type: Literal["on-demand", "spot", "reserved"] | None = None
    storage_class: Name | None = None

    @property
    def selectors(self) -> dict[str, str]:
        """Each selector with its value; labels as ``nodeLabels.NAME``."""
        own = {
            "instanceType": self.instance_type, "region": self.region, "capacityType": self.capacity_type,
            "storageClass": self.storage_class,
        }  # fmt: skip
        labels = {f"nodeLabels.{name}": value for name, value in self.node_labels.items()}
        return {name: value for name, value in own.items() if value is not None} | labels


class UnitPrices(Strict):
    """Prices of parts; what is not there has none."""

    cpu_core_hour: Price | None = None
    mem_gib_hour: Price | None = Field(default=None, alias="memGiBHour")
    gpu_hour: Price | None = None
    gib_month: Price | None = None


class PriceRule(Strict):
    """One price, for what it matches: of the whole, of its parts, or less than on demand."""

    match: PriceMatch = Field(default_factory=PriceMatch)
    hourly: Price | None = None
    per_unit: UnitPrices | None = None
    discount_from_on_demand: Ratio | None = None

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        given = [
            name for name, value in (
                ("hourly", self.hourly), ("perUnit", self.per_unit),
                ("discountFromOnDemand", self.discount_from_on_demand),
            ) if value is not None
        ]  # fmt: skip
        if not given:
            raise mistake("hourly", "a rule has one of hourly, perUnit and discountFromOnDemand")
        if len(given) > 1:
            raise mistake(given[1], f"stands beside {given[0]}; a rule has one of the two")
        if self.discount_from_on_demand is not None and self.match.storage_class is not None:
            raise mistake("discountFromOnDemand", "is for nodes; a storage class has no on-demand price")
        return self


class NetworkPrices(Strict):
    """What a GiB costs that leaves its zone."""

    inter_zone_gib: Price | None = Field(default=None, alias="interZoneGiB")
    inter_region_gib: Price | None = Field(default=None, alias="interRegionGiB")
    internet_gib: Price | None = Field(default=None, alias="internetGiB")


class SplitRatio(Strict):
    """Unit prices by whose ratio a node's price is split into parts."""

    cpu: Price = Decimal("0.031611")
    mem: Price = Decimal("0.004237")
    gpu: Price = Decimal("0.95")


class Commitment(Strict):
    """What is paid for anyway."""

    id: Name
    match: PriceMatch
    quantity: PositiveQuantity
    hourly: Price
    ends: Day


class PriceSheetSpec(Strict):
    """Prices in one currency."""

    currency: CurrencyCode
    as_of: Day | None = None
    cpu_core_hour: Price | None = None
    memory_gib_hour: Price | None = Field(default=None, alias="memoryGiBHour")
    rules: NonEmpty[PriceRule] | None = None
    network: NetworkPrices = Field(default_factory=NetworkPrices)
    load_balancer_hourly: Price | None = None
    overhead_hourly: dict[Word, Price] = Field(default_factory=dict)
    split_ratio: SplitRatio = Field(default_factory=SplitRatio)
    commitments: tuple[Commitment, ...] = ()

    @model_validator(mode="after")
    def _prices_something(self) -> Self:
        if self.cpu_core_hour is None and self.memory_gib_hour is None and self.rules is None:
            raise mistake("cpuCoreHour", "this field is required, with memoryGiBHour (or give rules)")
        if (self.cpu_core_hour is None) is not (self.memory_gib_hour is None):
            missing = "cpuCoreHour" if self.cpu_core_hour is None else "memoryGiBHour"
            raise mistake(missing, "this field is required: cpuCoreHour and memoryGiBHour go together")
        return self


class PriceSheet(Strict):
    """What nodes, and the parts of nodes, cost."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["PriceSheet"]
    metadata: Metadata
    spec: PriceSheetSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
