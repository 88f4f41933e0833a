"""When a threshold of a budget speaks: Ok → Pending → Firing → Ok, one notice per period unless it was cleared.

Spend fires at once and holds until a credit takes it well below; a forecast must stay above one level for a while, and
below a lower one for longer (a Schmitt trigger); a burn rate must be high over two windows. What nobody knows changes
nothing. A tick that is delivered twice, or late, is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from rules.schema import BudgetThreshold


class AlertState(StrEnum):
    """Of one threshold in one period."""

    OK = "Ok"
    PENDING = "Pending"
    FIRING = "Firing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a budget at one tick.

    Attributes:
        period: Id of the period.
        limit: Of the period.
        spent: So far.
        probability: By threshold id, that the period ends above it; missing where nobody can say.
        burn: By threshold id, the spend over each of its two windows ÷ the planned one; None where nobody knows.
        unknown: Why there is no probability; empty where there is one.
    """

    period: str
    limit: Decimal
    spent: Decimal
    probability: dict[str, float]
    burn: dict[str, tuple[float | None, float | None]]
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Where one threshold stands.

    Attributes:
        period: It is about.
        state: In it.
        at: Of the last tick that counted.
        since: When the state was entered.
        clearing_since: Since when what would clear it has been seen; None while it is not.
        told: The amount of money that the last notice was about; None while the next one is due.
        notices: How many were sent in this period.
        reason: In words.
    """

    period: str
    state: AlertState
    at: datetime
    since: datetime
    clearing_since: datetime | None = None
    told: Decimal | None = None
    notices: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell, once: ``id`` is the same however often it is delivered."""

    id: str
    budget: str
    period: str
    threshold: str
    message: str


def step(
    threshold: BudgetThreshold, alert: Alert | None, seen: Seen, *, budget: str, now: datetime
) -> tuple[Alert, Notice | None]:
    """One tick of one threshold.

    Args:
        threshold: As the document has it now; an edit is judged anew and tells nothing twice.
        alert: Where it stood; None at its first tick.
        seen: Of the budget.
        budget: ``namespace/name``, for the notice.
        now: Not after ``alert.at`` is a delivery that counts no more.
    """
    if alert is not None and now <= alert.at:
        return alert, None
    if alert is None or alert.period != seen.period:
        alert = Alert(period=seen.period, state=AlertState.OK, at=now, since=now)
    above, below, reason = _judged(threshold, seen)
    alert = replace(alert, at=now, reason=reason)
    if alert.state is AlertState.FIRING:
        return _firing(threshold, alert, seen, below=below, now=now), None
    if not above:
        if alert.state is AlertState.PENDING and above is None:
            return alert, None
        return _entered(alert, AlertState.OK, now), None
    if alert.state is AlertState.OK:
        alert = _entered(alert, AlertState.PENDING, now)
    if threshold.basis == "forecast" and now - alert.since < threshold.for_:
        return alert, None
    return _fired(threshold, _entered(alert, AlertState.FIRING, now), seen, budget)


def _fired(threshold: BudgetThreshold, alert: Alert, seen: Seen, budget: str) -> tuple[Alert, Notice | None]:
    """What was told of an amount is not told again because somebody wrote another limit and took it back."""
    amount = _amount(threshold, seen)
    if alert.told is not None and amount <= alert.told:
        return alert, None
    alert = replace(alert, told=amount, notices=alert.notices + 1)
    id_ = f"{budget}/{alert.period}/{threshold.id}/{alert.notices}"
    message = f"budget {budget}, period {alert.period}, threshold {threshold.id}: {alert.reason}"
    return alert, Notice(id=id_, budget=budget, period=alert.period, threshold=threshold.id, message=message)


def _firing(threshold: BudgetThreshold, alert: Alert, seen: Seen, *, below: bool | None, now: datetime) -> Alert:
    if not below:
        return replace(alert, clearing_since=None)
    since = alert.clearing_since or now
    waits = {"forecast": threshold.clear_for, "burnRate": threshold.windows[-1]}.get(threshold.basis)
    if waits is not None and now - since < waits:
        return replace(alert, clearing_since=since)
    cleared = _entered(alert, AlertState.OK, now)
    # By a credit, or a better forecast, it is armed again; by another limit only for another amount.
    return cleared if alert.told != _amount(threshold, seen) else replace(cleared, told=None)


def _entered(alert: Alert, state: AlertState, now: datetime) -> Alert:
    return alert if alert.state is state else replace(alert, state=state, since=now, clearing_since=None)


def _amount(threshold: BudgetThreshold, seen: Seen) -> Decimal:
    """What the threshold is about, in money; of a rate the limit."""
    return seen.limit * Decimal(repr(threshold.at)) if threshold.at is not None else seen.limit


def _judged(threshold: BudgetThreshold, seen: Seen) -> tuple[bool | None, bool | None, str]:
    """Whether it is above, and whether it is low enough to clear; None where nobody knows; and in words."""
    if threshold.basis == "actual":
        ratio, at = float(seen.spent / seen.limit), threshold.at or 1.0
        sign = ">=" if (above := seen.spent >= _amount(threshold, seen)) else "<"
        below = seen.spent <= seen.limit * Decimal(repr(threshold.clears_at))
        return above, below, f"spent {100 * ratio:.1f}% {sign} {100 * at:g}% of the limit"
    if threshold.basis == "forecast":
        found = seen.probability.get(threshold.id)
        if found is None:
            return None, None, f"no forecast: {seen.unknown or 'nobody knows'}"
        sign = ">=" if (above := found >= threshold.probability) else "<"
        said = f"P(over {100 * (threshold.at or 1):g}%) = {found:.2f} {sign} {threshold.probability:.2f}"
        return above, found <= threshold.clear, said
    short, long = seen.burn.get(threshold.id, (None, None))
    if short is None or long is None:
        return None, None, "no burn rate: the spend of its windows is not known"
    above = min(short, long) >= threshold.factor
    sign = ">=" if above else "<"
    said = f"{short:.1f}x and {long:.1f}x the planned rate, {sign} {threshold.factor:g}x on both windows"
    return above, max(short, long) < threshold.factor, said
