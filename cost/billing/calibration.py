"""How far our prices are off, by machine type, capacity type and region: factors that a forecast multiplies them with.

``k`` is what the bill took over what we said; ``(H·k + 24) ÷ (H + 24)`` pulls it to 1 where few hours were seen: after
a day half of it counts, after ten days nine tenths. The raw price is kept, the factor stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Final

from cost.billing.charges import CapacityType
from cost.billing.exact import EXACT_DIGITS, GRAIN, total

FULL_DOUBT_HOURS: Final = Decimal(24)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceKey:
    """What has one price: a machine type (or the bill's SKU), how it is paid for, and where it stands."""

    sku: str
    capacity_type: str
    region: str


@dataclass(slots=True)
class Seen:
    """Sums of one key."""

    effective: Decimal = Decimal(0)
    modelled: Decimal = Decimal(0)
    hours: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Of one key.

    Attributes:
        raw: Effective over modelled cost.
        shrunk: Pulled to 1 by the hours seen: what prices are multiplied with.
    """

    key: PriceKey
    effective: Decimal
    modelled: Decimal
    hours: Decimal
    raw: Decimal
    shrunk: Decimal


def factors(seen: Mapping[PriceKey, Seen]) -> tuple[Factor, ...]:
    """One for each key that both sides put a cost on, the costliest first."""
    made = [_factor(key, sums) for key, sums in seen.items() if sums.effective > 0 and sums.modelled > 0]
    return tuple(sorted(made, key=lambda one: (-one.effective, one.key.sku, one.key.capacity_type, one.key.region)))


def _factor(key: PriceKey, sums: Seen) -> Factor:
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        raw = sums.effective / sums.modelled
        shrunk = (sums.hours * raw + FULL_DOUBT_HOURS) / (sums.hours + FULL_DOUBT_HOURS)
        return Factor(
            key=key, effective=sums.effective, modelled=sums.modelled, hours=sums.hours,
            raw=raw.quantize(GRAIN), shrunk=shrunk.quantize(GRAIN),
        )  # fmt: skip


def by_machine(known: Iterable[Factor]) -> dict[tuple[str, str, str], Decimal]:
    """Factors by machine type, capacity type and region, as labels of nodes have them, for ``cost.pricing``.

    Labels do not show a commitment, so that committed hours count with those on demand, too.
    """
    seen: dict[PriceKey, Seen] = {}
    for one in known:
        kinds = {one.key.capacity_type}
        if one.key.capacity_type == CapacityType.RESERVED:
            kinds.add(CapacityType.ON_DEMAND)
        for kind in kinds:
            sums = seen.setdefault(replace(one.key, capacity_type=str(kind)), Seen())
            sums.effective = total((sums.effective, one.effective))
            sums.modelled = total((sums.modelled, one.modelled))
            sums.hours = total((sums.hours, one.hours))
    return {(one.key.sku, one.key.capacity_type, one.key.region): one.shrunk for one in factors(seen)}
