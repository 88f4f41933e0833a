"""What things cost in a month of 730 hours, by the prices that the allocation of cost stands on, and where these stand.

A pod costs its part of its node, by its requests; one without a node what such a machine costs anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

from cost.pricing import defaults
from cost.pricing.chain import PricedNode, Sources, price_node, price_volume
from cost.pricing.sheet import EXACT_DIGITS, HOURS_PER_MONTH
from cost.pricing.things import Confidence, NodeFacts, Price, VolumeFacts
from cost.unused.snapshot import ContainerAsks, Pod, PodShape

_GIB: Final = Decimal(2) ** 30
_DIGITS: Final = Decimal("1e-6")
"""A price by the month becomes one by the hour and comes back: what 60 digits could not hold is cut here."""
NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monthly:
    """An amount for 730 hours, None where no price is known, and by which prices."""

    amount: Decimal | None
    prices: frozenset[str] = frozenset()

    @property
    def evidence(self) -> tuple[tuple[str, str], ...]:
        """For a finding."""
        return (("price", "; ".join(sorted(self.prices)) or "none is known"),)


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

    def volume(self, name: str, storage_class: str, region: str, gib: Decimal) -> Monthly:
        """Of a disk of this size."""
        facts = VolumeFacts(name=name, storage_class=storage_class, region=region, gib=gib)
        return _of(price_volume(self.sources, facts))

    def load_balancer(self) -> Monthly:
        """Of one: what the sheet says, else (in their currency) the defaults."""
        sheet = self.sources.sheet
        if sheet is not None and sheet.spec.currency == self.currency:
            hourly, source, as_of = sheet.spec.load_balancer_hourly, f"PriceSheet {sheet.key}", sheet.spec.as_of
            if hourly is not None:
                return _of(self._price(hourly, source, as_of, Confidence.STATED))
        hourly = defaults.SHEET.load_balancer_hourly
        if hourly is None or self.currency != defaults.SHEET.currency:
            return Monthly(amount=None)
        return _of(self._price(hourly, "default prices", defaults.AS_OF, Confidence.ESTIMATE))

    def pods(self, pods: Iterable[Pod]) -> Monthly:
        """Of what they request, each at its node's prices; None where one of them has no price."""
        total, named = NOTHING, set[str]()
        for pod in pods:
            price = self._pod(pod)
            if price is None:
                return Monthly(amount=None)
            total += price.amount
            named.add(told(price))
        return Monthly(amount=monthly(total), prices=frozenset(named))

    def _pod(self, pod: Pod) -> Price | None:
        asked = requests(pod.shape)
        node, found = self.nodes.get(pod.node), self.priced.get(pod.node)
        if node is None or found is None:
            somewhere = price_node(self.sources, asked)
            return None if somewhere is None else somewhere.price
        amounts = (asked.cpu_cores, asked.memory_gib, asked.gpus)
        has = (node.cpu_cores, node.memory_gib, node.gpus)
        with localcontext() as context:
            context.prec = EXACT_DIGITS
            shares = (part * mine / all_ for part, mine, all_ in zip(found.parts, amounts, has, strict=True) if all_)
            hourly = sum(shares, NOTHING)
        return self._price(hourly, found.price.source, found.price.as_of, found.price.confidence)

    def _price(self, amount: Decimal, source: str, as_of: date | None, confidence: Confidence) -> Price:
        return Price(amount=amount, currency=self.currency, source=source, as_of=as_of, confidence=confidence)


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


def told(price: Price) -> str:
    """``PriceSheet prices/list of 2026-10-01, stated``."""
    dated = "" if price.as_of is None else f" of {price.as_of.isoformat()}"
    return f"{price.source}{dated}, {price.confidence}"


def _of(price: Price | None) -> Monthly:
    if price is None:
        return Monthly(amount=None)
    return Monthly(amount=monthly(price.amount), prices=frozenset({told(price)}))
