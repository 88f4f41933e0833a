"""What a firing threshold does: Inactive → AwaitingApproval → Acting → Held → Reverting → Inactive; or it fails.

Pure: ``step`` says what is due, whoever does it reports with ``acted`` and ``reverted``. A deed is bound to its exact
patch by a digest; it ends with the period at the latest, is taken back when its threshold clears, and is not done again
in a period where it expired, failed, or met somebody else who keeps the same field (Conflict).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.scaling import Mode

PROPOSED_FOR: Final = timedelta(hours=72)
"""A proposal that nobody approves for three days is not what anybody wants."""
STANDS_FOR: Final = timedelta(hours=24)
"""A proposal keeps its numbers so long, though the forecast moves: else nobody could approve what he has read."""
TRIES: Final = 5
CONFLICT: Final = "conflict: "
"""So begins a failure because somebody else keeps the field."""


class DeedState(StrEnum):
    """Of one action of one threshold."""

    INACTIVE = "Inactive"
    RECOMMENDED = "Recommended"
    AWAITING_APPROVAL = "AwaitingApproval"
    ACTING = "Acting"
    HELD = "Held"
    REVERTING = "Reverting"
    FAILED = "Failed"
    CONFLICT = "Conflict"
    EXPIRED = "Expired"


_DONE_WITH: Final = (DeedState.FAILED, DeedState.CONFLICT, DeedState.EXPIRED)
"""For the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of one object: ``rule shop/web`` ``replicas.max`` from 20 to 12."""

    target: str
    field: str
    before: int | str | bool | None
    after: int | str | bool | None

    def __str__(self) -> str:
        """One line."""
        return f"{self.target}: {self.field} {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an action would do now.

    Attributes:
        changes: The exact patch; empty where there is nothing to do.
        blocked: Why it must not be done by itself now; empty: it may.
        blocked_for_all: Why nobody may do it now, approved or not (an SLO burns, a forecast cannot be trusted).
        said: What it comes to: saving, saturated hours.
        saving: Mean of the promised saving until it expires; None where nobody can say.
        expected: By hour from now the mean, p10 and p90 of the spend without it, summed up: what it is measured by.
    """

    changes: tuple[Change, ...] = ()
    blocked: str = ""
    blocked_for_all: str = ""
    said: str = ""
    saving: Decimal | None = None
    expected: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody's yes to one patch."""

    digest: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of a deed at one tick.

    Attributes:
        id: ``budget/threshold/action``.
        period: Id of the period.
        mode: Of the action.
        firing: Whether its threshold fires.
        plan: What it would do.
        ends: The period's end.
        lasts: At most; None until ``ends``.
        lifts: Why what stands must go now (an SLO burns); empty: it may stand.
    """

    id: str
    period: str
    mode: Mode
    firing: bool
    plan: Plan
    ends: datetime
    lasts: timedelta | None = None
    lifts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One action of one threshold, in the period that it began in."""

    id: str
    period: str
    state: DeedState
    since: datetime
    reason: str = ""
    changes: tuple[Change, ...] = ()
    digest: str = ""
    said: str = ""
    proposed_at: datetime | None = None
    waiting_since: datetime | None = None
    approval: Approval | None = None
    """The last that was needed; then it is done."""
    yeses: tuple[Approval, ...] = ()
    """So far, of different people."""
    acted_at: datetime | None = None
    expires_at: datetime | None = None
    tries: int = 0
    awake_until: datetime | None = None
    """Somebody wants what sleeps by the clock awake until then."""
    awake_by: str = ""
    over: bool = False
    """Expired while its threshold still fires: it is not done again in this period."""
    promised: Decimal | None = None
    realised: Decimal | None = None
    realised_low: Decimal | None = None
    realised_high: Decimal | None = None
    expected: tuple[tuple[float, float, float], ...] = ()

    @property
    def in_force(self) -> bool:
        """Whether something of it stands, or may stand, in the world."""
        return self.state in (DeedState.ACTING, DeedState.HELD, DeedState.REVERTING)


def digest_of(order_id: str, period: str, changes: tuple[Change, ...]) -> str:
    """Of the exact patch: another number, target or period is another digest."""
    body = [order_id, period, [[one.target, one.field, one.before, one.after] for one in changes]]
    return hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).hexdigest()[:16]


def step(deed: Deed | None, order: Order, now: datetime) -> Deed:
    """What is due: in ``ACTING`` the patch is to be written, in ``REVERTING`` to be taken back."""
    deed = deed or _fresh(order, now)
    if deed.in_force:
        return _running(deed, order, now)
    if deed.period != order.period or not order.firing:
        fresh = _fresh(order, now)
        if not order.firing:
            return deed if deed.state is DeedState.INACTIVE and deed.period == order.period else fresh
        deed = fresh
    if deed.state in _DONE_WITH:
        return deed
    return _due(deed, order, now)


def acted(deed: Deed, now: datetime, *, failure: str = "", lasting: bool = False) -> Deed:
    """After the patch was written; a failure that lasts (somebody else owns the field) is not tried again."""
    if not failure:
        return _entered(replace(deed, acted_at=now, tries=0, reason="in force"), DeedState.HELD, now)
    tries = deed.tries + 1
    if lasting and failure.startswith(CONFLICT):
        return _entered(replace(deed, tries=tries, reason=failure), DeedState.CONFLICT, now)
    if lasting or tries >= TRIES:
        return _entered(replace(deed, tries=tries, reason=failure), DeedState.FAILED, now)
    return replace(deed, tries=tries, reason=failure)


def reverted(deed: Deed, now: datetime, *, failure: str = "", said: str = "") -> Deed:
    """After it was taken back; until then it is tried for ever."""
    if failure:
        return replace(deed, tries=deed.tries + 1, reason=f"is still to be taken back: {failure}")
    state = DeedState.EXPIRED if deed.over else DeedState.INACTIVE
    reason = said or ("expired while its threshold still fires" if deed.over else "taken back")
    return _entered(replace(deed, reason=reason, tries=0), state, now)


def approved(deed: Deed, approval: Approval, *, needed: int = 1) -> Deed:
    """With somebody's yes; it is done when so many different people have said it. Once more after that changes nothing.

    Raises:
        ValueError: It does not wait, or for another patch.
    """
    if deed.state is not DeedState.AWAITING_APPROVAL:
        raise ValueError(f"{deed.id} waits for no approval: it is {deed.state.value}")
    if approval.digest != deed.digest:
        raise ValueError(f"{deed.id} is about another patch by now: its digest is {deed.digest}")
    if any(one.by == approval.by for one in deed.yeses):
        if deed.approval is not None:  # it is complete, and waits for what blocks it
            return deed
        raise ValueError(f"{approval.by} has said yes already: {needed} different people are needed")
    yeses = (*deed.yeses, approval)
    return replace(deed, yeses=yeses, approval=approval if len(yeses) >= needed else None)


def woken(deed: Deed, until: datetime, by: str) -> Deed:
    """With somebody's wish that what sleeps by the clock is awake until then."""
    return replace(deed, awake_until=until, awake_by=by)


def measured(deed: Deed, spent: Decimal, now: datetime) -> Deed:
    """With the saving so far: what was expected without it less what was spent since; p10 and p90 around it."""
    if deed.acted_at is None or deed.state is not DeedState.HELD or not deed.expected:
        return deed
    hours = int((now - deed.acted_at) / timedelta(hours=1))
    if hours < 1:
        return deed
    mean, low, high = (Decimal(repr(round(one, 6))) for one in deed.expected[min(hours, len(deed.expected)) - 1])
    return replace(deed, realised=mean - spent, realised_low=low - spent, realised_high=high - spent)


def _fresh(order: Order, now: datetime) -> Deed:
    return Deed(id=order.id, period=order.period, state=DeedState.INACTIVE, since=now)


def _running(deed: Deed, order: Order, now: datetime) -> Deed:
    if deed.state is DeedState.REVERTING:
        return deed
    over = deed.expires_at is not None and now >= deed.expires_at
    why = ""
    if deed.period != order.period:
        why = f"the period {deed.period} is over"
    elif not order.firing:
        why = "its threshold does not fire any more"
    elif over:
        why = "it has expired"
    elif order.mode not in (Mode.APPROVE, Mode.ENFORCE):
        why = f"its mode is {order.mode.value} now"
    elif order.lifts:
        why = order.lifts
        deed = replace(deed, approval=None, yeses=())  # a yes was to the world as it was then
    if not why:
        return deed
    going = replace(deed, reason=f"is taken back: {why}", over=over and deed.period == order.period, tries=0)
    return _entered(going, DeedState.REVERTING, now)


def _due(deed: Deed, order: Order, now: datetime) -> Deed:
    plan = order.plan
    if not plan.changes:
        return _entered(
            replace(deed, changes=(), digest="", reason=plan.said or "nothing to do"), DeedState.INACTIVE, now
        )
    deed = _proposed(deed, order, now)
    if order.mode in (Mode.OBSERVE, Mode.RECOMMEND):
        state = DeedState.RECOMMENDED if order.mode is Mode.RECOMMEND else DeedState.INACTIVE
        return _entered(replace(deed, reason=f"mode {order.mode.value}: would do it"), state, now)
    if plan.blocked_for_all:
        state = DeedState.AWAITING_APPROVAL if deed.state is DeedState.AWAITING_APPROVAL else DeedState.INACTIVE
        return _entered(replace(deed, reason=f"not now: {plan.blocked_for_all}"), state, now)
    if order.mode is Mode.ENFORCE and not plan.blocked:
        return _begun(deed, order, now)
    return _waiting(deed, order, now)


def _waiting(deed: Deed, order: Order, now: datetime) -> Deed:
    if deed.approval is not None and deed.approval.digest == deed.digest:
        return _begun(deed, order, now)
    since = deed.waiting_since or now
    if now - since >= PROPOSED_FOR:
        expired = replace(deed, reason=f"nobody approved it for {PROPOSED_FOR.days} days", over=True)
        return _entered(expired, DeedState.EXPIRED, now)
    why = order.plan.blocked or "mode approve"
    waiting = replace(deed, waiting_since=since, reason=f"waits for an approval of {deed.digest}: {why}")
    return _entered(waiting, DeedState.AWAITING_APPROVAL, now)


def _begun(deed: Deed, order: Order, now: datetime) -> Deed:
    expires = order.ends if order.lasts is None else min(order.ends, now + order.lasts)
    begun = replace(
        deed, expires_at=expires, acted_at=now, tries=0, promised=order.plan.saving, expected=order.plan.expected,
        reason="is being done",
    )  # fmt: skip
    return _entered(begun, DeedState.ACTING, now)


def _proposed(deed: Deed, order: Order, now: datetime) -> Deed:
    """With the plan's patch, or for a day with the one that was shown: as long as it starts from the same values."""
    shown = [(one.target, one.field, one.before) for one in deed.changes]
    planned = [(one.target, one.field, one.before) for one in order.plan.changes]
    if deed.proposed_at is not None and shown == planned and now - deed.proposed_at < STANDS_FOR:
        return deed
    digest = digest_of(order.id, order.period, order.plan.changes)
    proposed = replace(deed, changes=order.plan.changes, said=order.plan.said, proposed_at=now, digest=digest)
    return proposed if digest == deed.digest else replace(proposed, approval=None, yeses=())


def _entered(deed: Deed, state: DeedState, now: datetime) -> Deed:
    return deed if deed.state is state else replace(deed, state=state, since=now)


def _shown(value: int | str | bool | None) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
