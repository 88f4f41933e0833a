"""Where every row of a bill goes: matched to what we modelled, or to a line of its own. Nothing is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from cost.billing.charges import Charge, ChargeCategory
from cost.billing.match import Matcher
from cost.billing.model import AssetKind
from cost.billing.summary import is_provisional
from cost.billing.window import Window

_HOURLY: Final = re.compile(r"\b(hours?|hrs?|h)\b", re.IGNORECASE)
_CLUSTER_TAGS: Final = ("kubernetes", "eks:", "karpenter", "k8s", "goog-k8s", "aks-managed")


class Bucket(StrEnum):
    """A line of the reconciliation."""

    MATCHED = "matched"
    OUT_OF_CLUSTER = "out-of-cluster"
    BESIDE_NODES = "beside-nodes"
    """Charged to a node's ResourceId and not for its hours: traffic, mostly."""
    OUT_OF_TIME = "out-of-time"
    """Of an hour that the model does not speak of."""
    UNUSED_COMMITMENT = "__commitment_unused__"
    PURCHASE = "purchase"
    TAX = "tax"
    CREDIT = "credit"
    ADJUSTMENT = "adjustment"
    UNKNOWN = "unknown-category"
    PROVISIONAL = "provisional"
    """Of a billing period that was still open."""


_BY_CATEGORY: Final = {
    ChargeCategory.PURCHASE: Bucket.PURCHASE,
    ChargeCategory.TAX: Bucket.TAX,
    ChargeCategory.CREDIT: Bucket.CREDIT,
    ChargeCategory.ADJUSTMENT: Bucket.ADJUSTMENT,
    ChargeCategory.UNKNOWN: Bucket.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The part of a charge that is held against assets: ``effective`` of its cost lies inside the window."""

    charge: Charge
    assets: tuple[str, ...]
    effective: Decimal


@dataclass(slots=True)
class Sorted:
    """A bill, sorted; the amounts add up to its effective cost exactly."""

    amounts: dict[Bucket, Decimal] = field(default_factory=dict)
    rows: dict[Bucket, int] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    like_nodes: Decimal = Decimal(0)
    """Of ``out-of-cluster``, what is tagged as a cluster's: the model may not have seen it."""

    def put(self, bucket: Bucket, amount: Decimal) -> None:
        """Count it."""
        self.amounts[bucket] = self.amounts.get(bucket, Decimal(0)) + amount
        self.rows[bucket] = self.rows.get(bucket, 0) + 1


def sort(charges: Iterable[Charge], *, matcher: Matcher, window: Window | None, as_of: datetime | None) -> Sorted:
    """All of a bill.

    Args:
        charges: Of one currency.
        matcher: Of the model.
        window: What both sides speak of; None where they have no common time.
        as_of: Billing periods that end later are provisional; None takes them for final.
    """
    into = Sorted()
    for one in charges:
        _put(one, into, matcher, window, as_of)
    return into


def _put(charge: Charge, into: Sorted, matcher: Matcher, window: Window | None, as_of: datetime | None) -> None:
    other = _other(charge, as_of)
    if other is not None:
        return into.put(other, charge.effective_cost)
    named = matcher.named(charge.resource)
    if not named:
        if _is_tagged(charge):
            into.like_nodes += charge.effective_cost
        return into.put(Bucket.OUT_OF_CLUSTER, charge.effective_cost)
    assets, period = matcher.at_that_time(charge), charge.period
    if window is None or period is None or not assets:
        return into.put(Bucket.OUT_OF_TIME, charge.effective_cost)
    if matcher.assets[assets[0]].kind is AssetKind.NODE and not _is_by_the_hour(charge):
        return into.put(Bucket.BESIDE_NODES, charge.effective_cost)
    inside = window.part(charge.effective_cost, *period)
    if window.clipped(*period) is not None:
        into.parts.append(Part(charge=charge, assets=assets, effective=inside))
        into.put(Bucket.MATCHED, inside)
    if window.clipped(*period) != period:
        into.put(Bucket.OUT_OF_TIME, charge.effective_cost - inside)


def _other(charge: Charge, as_of: datetime | None) -> Bucket | None:
    """The line of a charge that nothing of a cluster can be behind."""
    if as_of is not None and is_provisional(charge, as_of):
        return Bucket.PROVISIONAL
    if not charge.is_usage:
        return _BY_CATEGORY[charge.category]
    return Bucket.UNUSED_COMMITMENT if charge.is_unused_commitment else None


def _is_by_the_hour(charge: Charge) -> bool:
    """Whether it is for the time that a machine ran; a row without any unit is taken for that."""
    units = [unit for unit in (charge.pricing_unit, charge.consumed_unit) if unit]
    return not units or any(_HOURLY.search(unit) for unit in units)


def _is_tagged(charge: Charge) -> bool:
    text = charge.tags.lower()
    return any(word in text for word in _CLUSTER_TAGS)
