"""What must hold within a bill, checked exactly: commitments paid for are commitments used or wasted, and nothing else.

Per commitment, over its whole term, the effective cost of usage is what was billed for the purchase, and is Used plus
Unused. A bill of one month of a yearly upfront purchase cannot show that: then it is ``open``, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from cost.billing.charges import Charge, ChargeCategory, hours
from cost.billing.exact import total


class Verdict(StrEnum):
    """Of an identity."""

    HOLDS = "holds"
    DIFFERS = "differs"
    OPEN = "open"
    """What the bill has of it does not contradict, and is not the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentIdentity:
    """One commitment.

    Attributes:
        purchased: Sum of BilledCost of its purchases.
        used: Sum of EffectiveCost of usage it covered.
        unused: The same of what nobody used.
        usage: Of all its usage rows; more than ``used + unused`` where a row has neither status.
        purchase_effective: Sum of EffectiveCost of its purchases, which must be zero.
        difference: ``usage − purchased``.
    """

    commitment: str
    purchased: Decimal
    used: Decimal
    unused: Decimal
    usage: Decimal
    purchase_effective: Decimal
    difference: Decimal
    verdict: Verdict
    reason: str


def commitments(charges: Iterable[Charge]) -> tuple[CommitmentIdentity, ...]:
    """Every commitment that the bill names, by name."""
    rows: dict[str, list[Charge]] = {}
    for one in charges:
        if one.commitment:
            rows.setdefault(one.commitment, []).append(one)
    return tuple(_identity(name, rows[name]) for name in sorted(rows))


def _identity(name: str, rows: Sequence[Charge]) -> CommitmentIdentity:
    bought = [one for one in rows if one.category is ChargeCategory.PURCHASE]
    usage = [one for one in rows if one.is_usage]
    used = total(one.effective_cost for one in usage if one.commitment_status == "Used")
    unused = total(one.effective_cost for one in usage if one.commitment_status == "Unused")
    sums = {
        "purchased": total(one.billed_cost for one in bought),
        "used": used,
        "unused": unused,
        "usage": total(one.effective_cost for one in usage),
        "purchase_effective": total(one.effective_cost for one in bought),
    }
    difference = sums["usage"] - sums["purchased"]
    verdict, reason = _judged(bought, usage, difference, sums)
    return CommitmentIdentity(commitment=name, difference=difference, verdict=verdict, reason=reason, **sums)


def _judged(
    bought: Sequence[Charge], usage: Sequence[Charge], difference: Decimal, sums: dict[str, Decimal]
) -> tuple[Verdict, str]:
    if sums["usage"] != sums["used"] + sums["unused"]:
        return Verdict.DIFFERS, "usage with neither Used nor Unused"
    if sums["purchase_effective"]:
        return Verdict.DIFFERS, "the purchase has an effective cost beside that of its usage"
    if not bought:
        return Verdict.OPEN, "its purchase is not in this bill"
    if not usage:
        return Verdict.OPEN, "its usage is not in this bill"
    if not difference:
        return Verdict.HOLDS, ""
    bought_hours, usage_hours = _covered(bought), _covered(usage)
    if bought_hours != usage_hours:
        return Verdict.OPEN, f"bought for {_told(bought_hours)} h, usage in the bill for {_told(usage_hours)} h"
    return Verdict.DIFFERS, f"usage is {difference:+f} beside what was bought for the same time"


def _covered(rows: Iterable[Charge]) -> Decimal:
    """Hours in which at least one of them was incurred."""
    spans = sorted(one.period for one in rows if one.period is not None)
    covered, until = timedelta(), None
    for start, end in spans:
        begin: datetime = start if until is None else max(start, until)
        if end > begin:
            covered += end - begin
            until = end
    return hours(covered)


def _told(count: Decimal) -> str:
    return f"{count.normalize():f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSum:
    """What one invoice adds up to by the bill; ``expected`` is what the invoice itself says, where somebody told."""

    invoice: str
    billed: Decimal
    expected: Decimal | None

    @property
    def verdict(self) -> Verdict:
        """Open where nobody told."""
        if self.expected is None:
            return Verdict.OPEN
        return Verdict.HOLDS if self.billed == self.expected else Verdict.DIFFERS


def invoices(charges: Iterable[Charge], expected: dict[str, Decimal]) -> tuple[InvoiceSum, ...]:
    """Sum of BilledCost of each InvoiceId, by name; one that was told of and is not in the bill adds up to zero."""
    rows: dict[str, list[Decimal]] = {name: [] for name in expected}
    for one in charges:
        if one.invoice:
            rows.setdefault(one.invoice, []).append(one.billed_cost)
    return tuple(
        InvoiceSum(invoice=name, billed=total(rows[name]), expected=expected.get(name)) for name in sorted(rows)
    )
