"""What was measured of one applied change, once a week for four weeks, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from cost.verified.interval import Measured
from domain.verdicts import Verdict

HOURS_PER_MONTH: Final = 730
AGAIN: Final = timedelta(days=7)
LAST: Final = timedelta(days=28)
SHORT: Final = Decimal("0.3")
"""Of what was promised: who saves less, twice, is better taken back."""
_CENT: Final = Decimal("0.01")


def verdict(
    measured: Measured, *, id_: str, method: str, changed_at: datetime, at: datetime, promised: Decimal, currency: str
) -> Verdict:
    """Of a measured hour."""
    return Verdict(
        id=id_, changed_at=changed_at, at=at, method=method, days=measured.days, currency=currency,
        saving=monthly(measured.saving), p10=monthly(measured.p10), p90=monthly(measured.p90), promised=promised,
    )  # fmt: skip


def monthly(hourly: Decimal) -> Decimal:
    """To the cent."""
    return (hourly * HOURS_PER_MONTH).quantize(_CENT)


def falls_short(one: Verdict) -> bool:
    """Less than 30 % of what was promised."""
    return one.promised > 0 and one.saving < SHORT * one.promised


def is_due(verdicts: Sequence[Verdict], changed_at: datetime, now: datetime) -> bool:
    """Whether to measure now: each week anew, until the fourth is over."""
    if now - changed_at < AGAIN or any(one.at - changed_at >= LAST for one in verdicts):
        return False
    return not verdicts or now - verdicts[-1].at >= AGAIN


def advice(verdicts: Sequence[Verdict]) -> str:
    """What to do, from the newest two; empty where it keeps its promise or is not known well enough.

    Args:
        verdicts: Of one change, oldest first.
    """
    if len(verdicts) < 2 or not all(falls_short(one) for one in verdicts[-2:]):
        return ""
    share = 100 * verdicts[-1].saving / verdicts[-1].promised
    return f"saves {share:.0f}% of what was promised, twice below 30%: consider taking it back"


def told(one: Verdict) -> str:
    """The sentence that stands where the advice does."""
    return (
        f"saves {one.saving:,.2f} {one.currency} a month (p10 {one.p10:,.2f}, p90 {one.p90:,.2f}), "
        f"promised {one.promised:,.2f}, by {one.days} days"
    )
