"""What a bill says without any model: by service, by kind of charge, by capacity type, and what list prices hide."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cost.billing.charges import Bill, Charge
from cost.billing.exact import ratio, total

NO_NAME = "(not told)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Sums of some rows.

    Attributes:
        usage_effective: EffectiveCost of usage alone: what list prices can be held against.
        listed: ListCost of usage; None where a row does not tell it. A purchase's would count the same thing twice.
        contracted: The same of ContractedCost.
    """

    name: str
    rows: int
    billed: Decimal
    effective: Decimal
    usage_effective: Decimal
    listed: Decimal | None
    contracted: Decimal | None

    @property
    def list_to_effective(self) -> Decimal | None:
        """How many times the effective cost of the usage its list price would have been."""
        return None if self.listed is None else ratio(self.listed, self.usage_effective)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The whole bill; each grouping adds up to ``whole`` exactly."""

    whole: Group
    services: tuple[Group, ...]
    categories: tuple[Group, ...]
    capacity: tuple[Group, ...]
    start: datetime | None
    end: datetime | None
    provisional_after: datetime | None
    """End of the first billing period that was not over; its numbers may still change."""


def summary(bill: Bill, *, as_of: datetime) -> Summary:
    """Sums of a bill.

    Args:
        bill: Of one currency.
        as_of: A billing period that ends later is provisional.
    """
    spans = [one.period for one in bill.charges if one.period is not None]
    still_open = [one.billing_period_end for one in bill.charges if is_provisional(one, as_of)]
    return Summary(
        whole=_group("", bill.charges),
        services=_grouped(bill.charges, lambda one: one.service),
        categories=_grouped(bill.charges, lambda one: one.category.value),
        capacity=_grouped((one for one in bill.charges if one.is_usage), _capacity),
        start=min((start for start, _ in spans), default=None),
        end=max((end for _, end in spans), default=None),
        provisional_after=min((end for end in still_open if end is not None), default=None),
    )


def is_provisional(one: Charge, as_of: datetime) -> bool:
    """Whether its billing period was still open, so that the bill may change."""
    return one.billing_period_end is not None and one.billing_period_end > as_of


def _capacity(one: Charge) -> str:
    return "unused commitment" if one.is_unused_commitment else one.capacity_type.value


def _grouped(charges: Iterable[Charge], name: Callable[[Charge], str]) -> tuple[Group, ...]:
    rows: dict[str, list[Charge]] = {}
    for one in charges:
        rows.setdefault(name(one) or NO_NAME, []).append(one)
    groups = [_group(key, rows[key]) for key in rows]
    return tuple(sorted(groups, key=lambda one: (-one.effective, -one.billed, one.name)))


def _group(name: str, rows: Iterable[Charge]) -> Group:
    found = list(rows)
    usage = [one for one in found if one.is_usage]
    return Group(
        name=name,
        rows=len(found),
        billed=total(one.billed_cost for one in found),
        effective=total(one.effective_cost for one in found),
        usage_effective=total(one.effective_cost for one in usage),
        listed=_told([one.list_cost for one in usage]),
        contracted=_told([one.contracted_cost for one in usage]),
    )


def _told(costs: list[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return total(known) if known and len(known) == len(costs) else None
