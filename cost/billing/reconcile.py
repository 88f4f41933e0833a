"""Holds what we modelled against what was billed, and lets nothing of either side fall under the table.

The bill's effective cost is the sum of its lines; what is matched differs from the model by price and quantity,
exactly; what was modelled and never billed is a difference of its own. Only billing periods that are over are final.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal, localcontext
from typing import Final

from cost.billing.buckets import Bucket, Part, Sorted, sort
from cost.billing.calibration import Factor, factors
from cost.billing.charges import Bill
from cost.billing.differences import Cause, Difference
from cost.billing.exact import EXACT_DIGITS, ratio, total
from cost.billing.groups import difference, grouped, tally
from cost.billing.match import Matcher, matcher
from cost.billing.model import Modelled
from cost.billing.summary import is_provisional
from cost.billing.tables import BillError
from cost.billing.window import Window, by_day, common

MOST_BIAS: Final = Decimal("0.05")
LEAST_COVERAGE: Final = Decimal("0.95")


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One UTC day of what is matched or modelled."""

    day: date
    effective: Decimal
    modelled: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Both sides.

    Attributes:
        window: What both speak of; None where that is nothing.
        differences: Every asset, the largest difference first.
        buckets: Effective cost by where it went; the sum is the bill's.
        rows: Rows of the bill by where they went; one that is cut at the window counts on both sides.
        like_nodes: Of ``out-of-cluster``, what carries a cluster's tags.
        modelled_outside: Cost that we modelled for hours that the bill does not speak of.
        mape: Mean over days of ``|modelled − effective| ÷ effective``.
        factors: What prices of ours should be multiplied with.
    """

    window: Window | None
    differences: tuple[Difference, ...]
    buckets: dict[Bucket, Decimal]
    rows: dict[Bucket, int]
    like_nodes: Decimal
    modelled_outside: Decimal
    days: tuple[Day, ...]
    mape: Decimal | None
    factors: tuple[Factor, ...]

    @property
    def effective(self) -> Decimal:
        """What is matched."""
        return total(one.effective for one in self.differences)

    @property
    def modelled(self) -> Decimal:
        """What we said for the same hours."""
        return total(one.modelled for one in self.differences)

    @property
    def price(self) -> Decimal:
        """Of the difference, what other prices make."""
        return total(one.price for one in self.differences)

    @property
    def quantity(self) -> Decimal:
        """Of the difference, what other hours make."""
        return total(one.quantity for one in self.differences)

    @property
    def coverage(self) -> Decimal | None:
        """Share of the bill's money for usage in these hours that is matched."""
        usage = [Bucket.MATCHED, Bucket.OUT_OF_CLUSTER, Bucket.BESIDE_NODES]
        return ratio(self.effective, total(self.buckets.get(one, Decimal(0)) for one in usage))

    @property
    def model_coverage(self) -> Decimal | None:
        """Share of the model's money that the bill has a resource for."""
        alone = total(one.modelled for one in self.differences if Cause.ONLY_IN_MODEL in one.causes)
        return ratio(self.modelled - alone, self.modelled)

    @property
    def bias(self) -> Decimal | None:
        """``(modelled − effective) ÷ effective``: above zero, we said too much."""
        return ratio(self.modelled - self.effective, self.effective)

    @property
    def alerts(self) -> tuple[str, ...]:
        """What should be looked at before these figures are used."""
        found: list[str] = []
        if self.bias is None or abs(self.bias) > MOST_BIAS:
            told = "no matched cost" if self.bias is None else f"{100 * self.bias:+.1f} %"
            found.append(f"bias {told}, beyond ± {100 * MOST_BIAS:.0f} %")
        if self.coverage is None or self.coverage < LEAST_COVERAGE:
            told = "nothing" if self.coverage is None else f"{100 * self.coverage:.1f} %"
            found.append(f"coverage {told}, below {100 * LEAST_COVERAGE:.0f} %")
        return tuple(found)


def reconcile(
    bill: Bill, modelled: Sequence[Modelled], *, as_of: datetime, with_provisional: bool = False
) -> Reconciliation:
    """Hold one against the other.

    Args:
        bill: Of one currency.
        modelled: In the same one.
        as_of: Billing periods that end later are provisional, and left aside.
        with_provisional: Take them in all the same.

    Raises:
        BillError: The model is in another currency.
    """
    foreign = {one.currency for one in modelled if one.currency and bill.currency and one.currency != bill.currency}
    if foreign:
        raise BillError(f"the model is in {', '.join(sorted(foreign))} and the bill in {bill.currency}")
    with localcontext(Context(prec=EXACT_DIGITS)):
        found = matcher(modelled)
        counted = [one for one in bill.charges if with_provisional or not is_provisional(one, as_of)]
        window = common(counted, modelled, as_of=as_of)
        if window is not None and window.is_empty:
            window = None
        into = sort(bill.charges, matcher=found, window=window, as_of=None if with_provisional else as_of)
        return _told(into, found, window)


def _told(into: Sorted, found: Matcher, window: Window | None) -> Reconciliation:
    every = [one for asset in found.assets.values() for one in asset.stretches]
    if window is None:
        return Reconciliation(
            window=None, differences=(), buckets=into.amounts, rows=into.rows, like_nodes=into.like_nodes,
            modelled_outside=total(one.cost for one in every), days=(), mape=None, factors=(),
        )  # fmt: skip
    groups = [(group, difference(group, window)) for group in grouped(found.assets, into.parts)]
    groups = [(group, one) for group, one in groups if group.parts or one.modelled or one.hours_modelled]
    differences = sorted((one for _, one in groups), key=lambda one: (-abs(one.delta), one.kind, one.names))
    days = _days(into.parts, every, window)
    return Reconciliation(
        window=window, differences=tuple(differences), buckets=into.amounts, rows=into.rows,
        like_nodes=into.like_nodes,
        modelled_outside=total(one.cost - window.part(one.cost, one.start, one.end) for one in every),
        days=days, mape=_mape(days), factors=factors(tally(groups, window)),
    )  # fmt: skip


def _days(parts: Iterable[Part], modelled: Iterable[Modelled], window: Window) -> tuple[Day, ...]:
    effective: defaultdict[date, Decimal] = defaultdict(Decimal)
    ours: defaultdict[date, Decimal] = defaultdict(Decimal)
    for part in parts:
        period = part.charge.period
        inside = None if period is None else window.clipped(*period)
        if inside is not None:
            for day, amount in by_day(part.effective, *inside):
                effective[day] += amount
    for one in modelled:
        inside = window.clipped(one.start, one.end)
        if inside is not None:
            for day, amount in by_day(window.part(one.cost, one.start, one.end), *inside):
                ours[day] += amount
    return tuple(Day(day=day, effective=effective[day], modelled=ours[day]) for day in sorted({*effective, *ours}))


def _mape(days: Iterable[Day]) -> Decimal | None:
    """None without a day that the bill has a cost for."""
    errors = [ratio(abs(one.modelled - one.effective), one.effective) for one in days if one.effective > 0]
    known = [one for one in errors if one is not None]
    return ratio(total(known), Decimal(len(known)))
