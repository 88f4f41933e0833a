"""Prices that a running OpenCost exports: of a core, a GiB and a GPU of each node, of a node, of a GiB of a volume."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cost.pricing.sheet import Costs
from cost.pricing.split import split_node_price
from cost.pricing.things import NodeFacts, VolumeFacts

NODE_METRICS: Final = ("node_cpu_hourly_cost", "node_ram_hourly_cost", "node_gpu_hourly_cost", "node_total_hourly_cost")
VOLUME_METRIC: Final = "pv_hourly_cost"
BALANCER_METRIC: Final = "kubecost_load_balancer_cost"
METRICS: Final = (*NODE_METRICS, VOLUME_METRIC, BALANCER_METRIC)
Sampled = tuple[str, Mapping[str, str], float]
"""Name, labels and value of one series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Prices by metric and name of the node, volume or Service."""

    prices: Mapping[tuple[str, str], Decimal]
    notes: tuple[str, ...] = ()

    def node(self, node: NodeFacts, ratio: tuple[Decimal, Decimal, Decimal]) -> Costs | None:
        """What a node costs: by its unit prices, or its whole price, split."""
        cpu, memory, gpu, whole = (self.prices.get((name, node.name)) for name in NODE_METRICS)
        if cpu is not None and memory is not None:
            parts = node.cpu_cores * cpu, node.memory_gib * memory, node.gpus * (gpu or Decimal(0))
            return Costs(parts=parts, note="no price of GPUs" if node.gpus and gpu is None else "")
        if whole is None:
            return None
        amounts = {"cpus": node.cpu_cores, "gib": node.memory_gib, "gpus": node.gpus}
        return Costs(parts=split_node_price(whole, **amounts, ratio=ratio))

    def volume_hourly(self, volume: VolumeFacts) -> Decimal | None:
        """What a volume costs in an hour."""
        price = self.prices.get((VOLUME_METRIC, volume.name))
        return None if price is None else price * volume.gib

    def balancer_hourly(self, service: str) -> Decimal | None:
        """What the load balancer of a Service (``namespace/name``) costs in an hour."""
        return self.prices.get((BALANCER_METRIC, service))


def read(samples: Iterable[Sampled]) -> Reported:
    """Prices of series; those that are no price (NaN, below zero, zero of a whole node) are told and left out."""
    prices: dict[tuple[str, str], Decimal] = {}
    notes: list[str] = []
    for name, labels, value in samples:
        of = _of(name, labels)
        if not math.isfinite(value) or value < 0 or (value == 0 and name == "node_total_hourly_cost"):
            notes.append(f"{name} of {of} is {value:g}: left out")
        else:
            prices[name, of] = Decimal(repr(float(value)))
    return Reported(prices=prices, notes=tuple(notes))


def _of(name: str, labels: Mapping[str, str]) -> str:
    """The name of what it is a price of; a Service's is ``namespace/name``."""
    if name == VOLUME_METRIC:
        return labels.get("persistentvolume", "")
    if name == BALANCER_METRIC:
        return f"{labels.get('namespace', '')}/{labels.get('service_name', '')}"
    return labels.get("node") or labels.get("instance", "")
