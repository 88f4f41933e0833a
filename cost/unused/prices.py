"""What things cost in a month of 730 hours, by the prices that the allocation of cost stands on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

from cost.pricing.chain import PricedNode, Sources, price_node, price_volume
from cost.pricing.sheet import EXACT_DIGITS, HOURS_PER_MONTH
from cost.pricing.things import NodeFacts, VolumeFacts
from cost.unused.snapshot import ContainerAsks, Pod, PodShape

_GIB: Final = Decimal(2) ** 30
_DIGITS: Final = Decimal("1e-6")
"""A price by the month becomes one by the hour and comes back: what 60 digits could not hold is cut here."""
NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Where prices come from, and what each node costs."""

    sources: Sources
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    priced: Mapping[str, PricedNode] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        """Of every amount."""
        return self.sources.currency

    def volume(self, name: str, storage_class: str, region: str, gib: Decimal) -> Decimal | None:
        """Of a disk of this size."""
        facts = VolumeFacts(name=name, storage_class=storage_class, region=region, gib=gib)
        price = price_volume(self.sources, facts)
        return None if price is None else monthly(price.amount)

    def load_balancer(self) -> Decimal | None:
        """Of one; only a sheet says it."""
        sheet = self.sources.sheet
        if sheet is None or sheet.spec.currency != self.currency or sheet.spec.load_balancer_hourly is None:
            return None
        return monthly(sheet.spec.load_balancer_hourly)

    def pods(self, pods: Iterable[Pod]) -> Decimal | None:
        """Of what they request, each at its node's prices; None where one of them has no price."""
        total = NOTHING
        for pod in pods:
            hourly = self._pod_hourly(pod)
            if hourly is None:
                return None
            total += hourly
        return monthly(total)

    def _pod_hourly(self, pod: Pod) -> Decimal | None:
        asked = requests(pod.shape)
        node, price = self.nodes.get(pod.node), self.priced.get(pod.node)
        if node is None or price is None:
            somewhere = price_node(self.sources, asked)
            return None if somewhere is None else sum(somewhere.parts, NOTHING)
        amounts = (asked.cpu_cores, asked.memory_gib, asked.gpus)
        has = (node.cpu_cores, node.memory_gib, node.gpus)
        with localcontext() as context:
            context.prec = EXACT_DIGITS
            shares = (part * mine / all_ for part, mine, all_ in zip(price.parts, amounts, has, strict=True) if all_)
            return sum(shares, NOTHING)


def requests(shape: PodShape) -> NodeFacts:
    """What the pod requests, as a machine of that size, which has no name."""
    asked: Iterable[ContainerAsks] = shape.containers
    whole = shape.whole
    cpu = sum((one.cpu_cores or NOTHING for one in asked), NOTHING)
    memory = sum((one.memory_bytes or NOTHING for one in asked), NOTHING)
    if whole is not None:
        cpu = cpu if whole.cpu_cores is None else whole.cpu_cores
        memory = memory if whole.memory_bytes is None else whole.memory_bytes
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        gib = memory / _GIB
    return NodeFacts(cpu_cores=cpu, memory_gib=gib, gpus=sum((one.gpus for one in asked), NOTHING))


def monthly(hourly: Decimal) -> Decimal:
    """730 hours of it, to a millionth."""
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        return (hourly * HOURS_PER_MONTH).quantize(_DIGITS, ROUND_HALF_EVEN).normalize()
