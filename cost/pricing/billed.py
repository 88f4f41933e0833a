"""What a bill says of machines of a kind, and how it moves a price: by the hours that it has seen of them.

The bill's own price counts with its hours, ours with 24: ``(H · billed + 24 · ours) ÷ (H + 24)``, the same as a
calibration factor of ``billed ÷ ours``. Where ours is a default price, or there is none, the bill's stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from typing import Final

from cost.pricing.things import NodeFacts

Machine = tuple[str, str, str]
"""Instance type, capacity type, region."""
FULL_DOUBT_HOURS: Final = Decimal(24)
_DIGITS: Final = 80
_GRAIN: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledPrice:
    """What one hour cost by the bill, over how many hours, until which day, by which file."""

    hourly: Decimal
    hours: Decimal
    as_of: date
    source: str

    def with_ours(self, ours: Decimal) -> Decimal:
        """Our price, moved as far as these hours carry."""
        with localcontext() as context:
            context.prec = _DIGITS
            mixed = (self.hours * self.hourly + FULL_DOUBT_HOURS * ours) / (self.hours + FULL_DOUBT_HOURS)
            return mixed.quantize(_GRAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByBill:
    """What a bill says of machines; empty says nothing.

    Attributes:
        factors: What it took over what we said for nodes that it names, shrunk by the hours seen.
        at: The day of its last charge.
        prices: Effective prices, for machines without a factor.
    """

    factors: Mapping[Machine, Decimal] = field(default_factory=dict)
    at: date | None = None
    prices: Mapping[Machine, BilledPrice] = field(default_factory=dict)

    def factor(self, node: NodeFacts) -> Decimal | None:
        """Of the node's kind; where the bill names no region, that of every region."""
        return next((self.factors[one] for one in _machines(node) if one in self.factors), None)

    def price(self, node: NodeFacts) -> BilledPrice | None:
        """The same of its price."""
        return next((self.prices[one] for one in _machines(node) if one in self.prices), None)


def _machines(node: NodeFacts) -> tuple[Machine, ...]:
    own = node.selectors
    kind, capacity = own.get("instanceType", ""), own["capacityType"]
    if not kind:
        return ()
    return tuple(dict.fromkeys([(kind, capacity, own.get("region", "")), (kind, capacity, "")]))
