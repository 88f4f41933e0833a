"""A rule's shadow score for the API, and in one sentence for people."""

from __future__ import annotations

from app.views import MoneyView, ShadowSideView, ShadowView
from dashboard.wording import money, stamp
from domain.money import Money
from domain.shadow import ShadowScore, ShadowSide


def view_of(score: ShadowScore | None) -> ShadowView | None:
    """For the API; None for a rule that is not in shadow."""
    if score is None:
        return None
    return ShadowView(
        since=score.since, at=score.at, replicas=score.replicas, counted_hours=score.counted_seconds / 3600,
        judged_hours=score.judged_seconds / 3600, shadow=_side(score.shadow, score.currency),
        real=_side(score.real, score.currency), sentence=sentence(score),
    )  # fmt: skip


def sentence(score: ShadowScore | None) -> str:
    """``in shadow since …: −14 % replica-hours, violated minutes 3 instead of 11``; empty without a score."""
    if score is None:
        return ""
    begun = f"in shadow since {stamp(score.since)}"
    ratio = score.replicas_change_ratio
    if ratio is None:
        return f"{begun}: nothing to compare yet"
    parts = [f"{_signed(ratio)} replica-hours"]
    if score.judged_seconds:
        ours, real = (side.violated_seconds / 60 for side in (score.shadow, score.real))
        parts.append(f"violated minutes {ours:.0f} instead of {real:.0f}")
    if score.currency is not None:
        saved = Money(amount=score.real.cost - score.shadow.cost, currency=score.currency)
        parts.append(_cost(saved))
    return f"{begun}: {', '.join(parts)}"


def _cost(saved: Money) -> str:
    if not saved.amount:
        return "at the same cost"
    return f"{money(saved)} saved" if saved.amount > 0 else f"{money(saved * -1)} more"


def _signed(ratio: float) -> str:
    percent = round(ratio * 100)
    return f"{'−' if percent < 0 else '+' if percent else '±'}{abs(percent)} %"


def _side(side: ShadowSide, currency: str | None) -> ShadowSideView:
    cost = None if currency is None else MoneyView(amount=side.cost, currency=currency)
    return ShadowSideView(
        replica_hours=side.replica_seconds / 3600, violated_minutes=side.violated_seconds / 60, cost=cost
    )
