"""The cost of replicas by the price sheet: what they request, by the same function that prices nodes.

Requests, not usage, because a request is what a node is bought for. On which node a replica will run nobody knows, so
only what the sheet says of every node counts: its flat prices, or a rule without selectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Final

from cost.pricing.sheet import EXACT_DIGITS, node_costs
from cost.pricing.things import NodeFacts
from domain.money import Money
from rules.schema import PriceSheet

_BYTES_PER_GIB: Final = Decimal(2) ** 30
GPU: Final = "nvidia.com/gpu"


def cost_per_hour(requests: Mapping[str, float], replicas: int, sheet: PriceSheet) -> Money | None:
    """What ``replicas`` cost in an hour.

    Args:
        requests: Of one replica in base units: ``cpu`` in cores, ``memory`` in bytes, ``nvidia.com/gpu``. A resource
            that is absent costs nothing; one without a price is not in the sum.
        replicas: How many; ≥ 0.
        sheet: The prices.

    Returns:
        The exact amount, in the sheet's currency; None where the sheet prices only certain machines.
    """
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        replica = NodeFacts(
            cpu_cores=_decimal(requests.get("cpu", 0.0)), gpus=_decimal(requests.get(GPU, 0.0)),
            memory_gib=_decimal(requests.get("memory", 0.0)) / _BYTES_PER_GIB,
        )  # fmt: skip
        costs = node_costs(sheet.spec, replica)
        return None if costs is None else Money(amount=costs.total * replicas, currency=sheet.spec.currency)


def _decimal(quantity: float) -> Decimal:
    """The number that the float was written as: 0.1 is a tenth, not the 0.1000000000000000055… it is stored as."""
    return Decimal(repr(quantity))
