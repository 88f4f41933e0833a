"""What a size is worth: requests that nobody makes any more, at what a core and a GiB cost on the nodes of now.

It is room first. Money it is when nodes go, and of that the list of recommendations says how much, item after item.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Annotated, Final

from pydantic import BaseModel, Field, PlainSerializer

from app.cost_allocation import Allocations
from cost.allocation.nodes import Window
from cost.pricing.chain import PricedNode, price_nodes
from cost.pricing.sheet import EXACT_DIGITS
from cost.pricing.things import Confidence, NodeFacts
from cost.sizing.observed import Resource
from domain.errors import QueryError

HOURS_PER_MONTH: Final = 730
NOTE: Final = "counts as money when nodes go"
_LOOK: Final = timedelta(minutes=15)
_UNIT: Final = {Resource.CPU: Decimal(1000), Resource.MEMORY: Decimal(2) ** 30}
Amount = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json")]


class UnitPrices(BaseModel):
    """Mean prices of the nodes of now, each as it is priced for the allocation."""

    currency: str
    cpu_core_hour: Amount
    memory_gib_hour: Amount
    nodes: int
    source: str
    as_of: date | None
    confidence: Confidence = Field(description="Of the least sure of them.")
    note: str = Field(default=NOTE, description="Requests that go are room; a node less is money.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Prices, or why there are none."""

    prices: UnitPrices | None
    why: str = ""


def unit_prices(allocations: Allocations, now: datetime) -> Units:
    """Of the last quarter of an hour."""
    try:
        sources, known = allocations.known(Window(start=now - _LOOK, steps=1, step=_LOOK))
    except QueryError as error:
        return Units(prices=None, why=str(error))
    priced, _ = price_nodes(sources, [node.facts for node in known.nodes], now.date())
    found = [(node.facts, priced[node.facts.name]) for node in known.nodes if node.facts.name in priced]
    if not found:
        return Units(prices=None, why=f"no node with a price is known: {known.missing or 'no price fits'}")
    return Units(prices=_mean(found, sources.currency))


def monthly_saving(
    resource: Resource, now: int | None, wanted: int | None, pods: int, units: UnitPrices | None
) -> Decimal | None:  # fmt: skip
    """Of all pods, to the cent; below 0 where more is asked for. None without an answer, a request or a price."""
    if units is None or wanted is None or now is None:
        return None
    each = units.cpu_core_hour if resource is Resource.CPU else units.memory_gib_hour
    freed = Decimal(now - wanted) * pods / _UNIT[resource]
    return (freed * each * HOURS_PER_MONTH).quantize(Decimal("0.01"))


def _mean(found: list[tuple[NodeFacts, PricedNode]], currency: str) -> UnitPrices:
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        cores, gib = (_sum(getattr(facts, name) for facts, _ in found) for name in ("cpu_cores", "memory_gib"))
        parts = [_sum(one.parts[place] for _, one in found) for place in (0, 1)]
        each = [part / whole if whole else Decimal(0) for part, whole in zip(parts, (cores, gib), strict=True)]
    prices = [one.price for _, one in found]
    sources = sorted({price.source for price in prices})
    dates = [price.as_of for price in prices if price.as_of is not None]
    return UnitPrices(
        currency=currency, cpu_core_hour=_short(each[0]), memory_gib_hour=_short(each[1]), nodes=len(found),
        source=sources[0] if len(sources) == 1 else _named(sources),
        as_of=min(dates, default=None),
        confidence=max((price.confidence for price in prices), key=list(Confidence).index),
    )  # fmt: skip


def _named(sources: list[str]) -> str:
    return ", ".join(sources[:2]) + (f" and {len(sources) - 2} more" if len(sources) > 2 else "")


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _short(amount: Decimal) -> Decimal:
    """To twelve places, as the allocation is told."""
    return amount.quantize(Decimal("1e-12")).normalize()
