"""A node's price split into what its CPU, its memory and its GPUs cost; the three add up to the price exactly.

Machines are sold whole. Only ratios of unit prices say which part of a machine is its memory.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Final

_DIGITS: Final = 40
"""Of the quotients; the last part is a difference, so that rounding loses nothing."""


def split_node_price(
    price: Decimal, *, cpus: Decimal, gib: Decimal, gpus: Decimal, ratio: tuple[Decimal, Decimal, Decimal]
) -> tuple[Decimal, Decimal, Decimal]:
    """What the node's CPU, memory and GPUs cost in an hour.

    Args:
        price: Of the node in an hour.
        cpus: Cores.
        gib: Memory.
        gpus: GPUs.
        ratio: Unit prices of a core, a GiB and a GPU; only their ratios matter.

    Returns:
        The three costs. Where nothing has both an amount and a unit price, everything is CPU: a node is
        never worth less than its price.

    Source:
        OpenCost specification v0.1, Appendix A.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        weights = [amount * unit for amount, unit in zip((cpus, gib, gpus), ratio, strict=True)]
        whole = sum(weights, Decimal(0))
        if whole <= 0:
            return price, Decimal(0), Decimal(0)
        memory, gpu = (price * weight / whole for weight in weights[1:])
        context.prec = 2 * _DIGITS
        return price - memory - gpu, memory, gpu
