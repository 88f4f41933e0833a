"""What a machine of a kind really cost in an hour, by a bill: a mean over SKUs, which labels do not tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import Final

from cost.billing.charges import CapacityType
from cost.billing.effective import EffectivePrice
from cost.billing.exact import EXACT_DIGITS

_HOURS: Final = frozenset({"hour", "hours", "hrs", "hr", "h"})
_DIGITS: Final = Decimal("1e-8")
"""Where a mean price is cut: a hundred millionth is 88 cents in a year over ten thousand machines."""
Machine = tuple[str, str, str]
"""Instance type, capacity type, region: as ``cost.pricing`` asks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """What an hour of one machine cost; ``hours`` say how far it can be trusted, ``as_of`` is the last of them."""

    hourly: Decimal
    hours: Decimal
    skus: int
    as_of: datetime
    source: str


def means(prices: Iterable[EffectivePrice]) -> dict[Machine, Mean]:
    """By machine; prices without a machine's type, or of something else than hours, make none."""
    found: dict[Machine, list[EffectivePrice]] = {}
    for one in prices:
        if one.instance_type and one.unit.lower() in _HOURS:
            found.setdefault((one.instance_type, one.capacity_type, one.region), []).append(one)
    return {machine: _mean(found[machine]) for machine in sorted(found)}


def as_labels_show(prices: Iterable[EffectivePrice], *, committed_apart: bool) -> dict[Machine, Mean]:
    """The same for nodes, whose labels do not show a commitment: committed hours count with those on demand.

    Args:
        prices: Of a bill.
        committed_apart: Whether somebody states which machines are committed (a PriceSheet); then hours on demand
            stand for themselves.
    """
    rows = list(prices)
    found = {machine: mean for machine, mean in means(rows).items() if mean.hourly}
    if committed_apart:
        return found
    together: dict[Machine, list[EffectivePrice]] = {}
    for one in rows:
        if one.instance_type and one.unit.lower() in _HOURS and one.capacity_type != CapacityType.SPOT:
            key = (one.instance_type, CapacityType.ON_DEMAND.value, one.region)
            together.setdefault(key, []).append(one)
    return found | {machine: mean for machine, of in together.items() if (mean := _mean(of)).hourly}


def _mean(rows: list[EffectivePrice]) -> Mean:
    with localcontext(Context(prec=EXACT_DIGITS)):
        hours = sum((one.quantity for one in rows), Decimal(0))
        hourly = (sum((one.amount * one.quantity for one in rows), Decimal(0)) / hours).quantize(_DIGITS)
    return Mean(
        hourly=hourly.normalize(), hours=hours, skus=len({one.sku for one in rows}),
        as_of=max(one.as_of for one in rows), source=", ".join(sorted({one.source for one in rows})),
    )  # fmt: skip
