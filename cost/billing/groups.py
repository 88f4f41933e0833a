"""The assets and charges that can only be held against each other together.

Mostly that is one machine and its hours. Where a bill charges a whole scale set under one ResourceId, it is the set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from cost.billing.buckets import Part
from cost.billing.calibration import PriceKey, Seen
from cost.billing.charges import Charge, hours
from cost.billing.differences import Difference, causes, split
from cost.billing.exact import share, total
from cost.billing.match import Asset
from cost.billing.model import ESTIMATE, UNKNOWN
from cost.billing.window import Window


@dataclass(slots=True)
class Group:
    """Assets, and the parts of charges that are theirs."""

    assets: list[Asset]
    parts: list[Part] = field(default_factory=list)


def grouped(assets: dict[str, Asset], parts: Sequence[Part]) -> list[Group]:
    """Every asset in one group, joined by the charges they share; in the order of the assets."""
    leader = {key: key for key in assets}

    def first(key: str) -> str:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for part in parts:
        for key in part.assets[1:]:
            leader[first(key)] = first(part.assets[0])
    groups: dict[str, Group] = {}
    for key, asset in assets.items():
        groups.setdefault(first(key), Group([])).assets.append(asset)
    for part in parts:
        groups[first(part.assets[0])].parts.append(part)
    return list(groups.values())


def difference(group: Group, window: Window) -> Difference:
    """Both sides of a group inside the window."""
    stretches = [one for asset in group.assets for one in asset.stretches]
    modelled = total(window.part(one.cost, one.start, one.end) for one in stretches)
    hours_modelled = total(window.part(one.hours, one.start, one.end) for one in stretches)
    effective = total(part.effective for part in group.parts)
    billed = hours_billed(group, window)
    charges = [part.charge for part in group.parts]
    price, quantity = split(effective=effective, modelled=modelled, hours_billed=billed, hours_modelled=hours_modelled)
    own = stretches[0]
    return Difference(
        kind=own.kind,
        names=tuple(asset.name for asset in group.assets),
        resources=tuple(sorted({one.resource for one in charges})),
        sku=own.sku or next((one.instance_type or one.sku for one in charges), ""),
        capacity_types=tuple(sorted({one.capacity_type.value for one in charges})) or (own.capacity_type,),
        region=own.region or next((one.region for one in charges), ""),
        effective=effective, modelled=modelled, hours_billed=billed, hours_modelled=hours_modelled,
        price=price, quantity=quantity,
        causes=causes(
            charges, difference=(price, quantity), effective=effective, modelled=modelled,
            capacity_type=own.capacity_type, sku="" if own.price_source in (ESTIMATE, UNKNOWN) else own.sku,
        ),
    )  # fmt: skip


def hours_billed(group: Group, window: Window) -> Decimal:
    """Hours that the bill has of a group.

    A machine-hour that a commitment covers in part has two rows, and a machine billed by core and GiB more: within
    one charge period it ran no longer than the clock, times the machines of the group.
    """
    found: dict[tuple[datetime, datetime], Decimal] = {}
    for part in group.parts:
        period = part.charge.period
        if period is not None:
            found[period] = found.get(period, Decimal(0)) + own_hours(part.charge, window)
    return total(
        min(max(count, Decimal(0)), window.part(hours(end - start), start, end) * len(group.assets))
        for (start, end), count in found.items()
    )


def own_hours(charge: Charge, window: Window) -> Decimal:
    """Of one row inside the window; a negative count that is no correction counts for nothing."""
    count, period = charge.hours, charge.period
    if count is None or period is None or (count < 0 and not charge.is_correction):
        return Decimal(0)
    return window.part(count, *period)


def tally(groups: Iterable[tuple[Group, Difference]], window: Window) -> dict[PriceKey, Seen]:
    """Sums by price key; a model's cost goes to the keys of its bill in proportion to their hours."""
    seen: dict[PriceKey, Seen] = {}
    for group, found in groups:
        by_key: dict[PriceKey, Seen] = {}
        for part in group.parts:
            one = part.charge
            key = PriceKey(sku=found.sku, capacity_type=one.capacity_type.value, region=found.region or one.region)
            sums = by_key.setdefault(key, Seen())
            sums.effective += part.effective
            sums.hours += max(own_hours(one, window), Decimal(0))
        whole = total(sums.hours for sums in by_key.values())
        if not whole:  # money without hours says nothing of a price: without the model's side it would be k's numerator
            continue
        for key, sums in by_key.items():
            into = seen.setdefault(key, Seen())
            into.effective += sums.effective
            into.hours += share(found.hours_billed, sums.hours, whole)
            into.modelled += share(found.modelled, sums.hours, whole)
    return seen
