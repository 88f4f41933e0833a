"""The cost of replicas by the price sheet: what they request, times the price of a core and a GiB.

Requests, not usage, because a request is what a node is bought for. Storage, network and nodes come later.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Final

from domain.money import Money
from rules.schema import PriceSheet

_BYTES_PER_GIB: Final = Decimal(2) ** 30
_EXACT_DIGITS: Final = 60
"""A byte in GiB has 30 decimal places: with the usual 28 digits the product of a request and a price would round."""


def cost_per_hour(requests: Mapping[str, float], replicas: int, sheet: PriceSheet) -> Money:
    """What ``replicas`` cost in an hour.

    Args:
        requests: Of one replica in base units: ``cpu`` in cores, ``memory`` in bytes. A resource that is absent costs
            nothing; one without a price (a GPU) is not in the sum: the sheet cannot tell.
        replicas: How many; ≥ 0.
        sheet: The prices.

    Returns:
        The exact amount, in the sheet's currency.
    """
    with localcontext() as context:
        context.prec = _EXACT_DIGITS
        cpu = _decimal(requests.get("cpu", 0.0)) * sheet.spec.cpu_core_hour
        memory = _decimal(requests.get("memory", 0.0)) / _BYTES_PER_GIB * sheet.spec.memory_gib_hour
        return Money(amount=(cpu + memory) * replicas, currency=sheet.spec.currency)


def _decimal(quantity: float) -> Decimal:
    """The number that the float was written as: 0.1 is a tenth, not the 0.1000000000000000055… it is stored as."""
    return Decimal(repr(quantity))
