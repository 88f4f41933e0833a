"""Where an item may go from where it stands: open → accepted → applied → verified, or rejected, snoozed, expired.

A yes is to one exact patch. Where the advice is another by the next time it is computed, the yes is void and the item
open again: nobody shall find something applied that nobody has read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from domain.recommendations import KeptRecommendation, Recommendation, RecommendationState, Standing

_S: Final = RecommendationState
WAITING: Final = frozenset({_S.OPEN, _S.SNOOZED, _S.REJECTED})
"""States in which advice is renewed as it is computed, and nobody has said yes."""
CLOSED: Final = frozenset({_S.VERIFIED, _S.EXPIRED})


class IllegalStateError(ValueError):
    """Such a step cannot be made from where the item stands, or its patch is another by now."""


def first(advice: Recommendation, now: datetime) -> KeptRecommendation:
    """An item that was not there before."""
    return KeptRecommendation(advice=advice, standing=Standing(state=_S.OPEN, since=now), seen_at=now)


def accept(kept: KeptRecommendation, *, digest: str, by: str, now: datetime) -> KeptRecommendation:
    """Somebody's yes to the patch with this digest; a snoozed or rejected item may be accepted, too.

    Raises:
        IllegalStateError: It is another patch by now, or the item waits for nobody.
    """
    if digest != kept.advice.digest:
        raise IllegalStateError(f"{kept.id} is about another patch by now: its digest is {kept.advice.digest}")
    return _step(kept, WAITING, Standing(state=_S.ACCEPTED, since=now, by=by, digest=digest))


def reject(
    kept: KeptRecommendation, *, reason: str, by: str, now: datetime, until: datetime | None = None
) -> KeptRecommendation:
    """Somebody's no, for ever or until a day; also to what was accepted and is not applied yet."""
    _later(until, now)
    return _step(kept, {_S.OPEN, _S.SNOOZED, _S.ACCEPTED},
                 Standing(state=_S.REJECTED, since=now, by=by, reason=reason, until=until))  # fmt: skip


def snooze(kept: KeptRecommendation, *, reason: str, until: datetime, by: str, now: datetime) -> KeptRecommendation:
    """Not now."""
    _later(until, now)
    return _step(kept, WAITING, Standing(state=_S.SNOOZED, since=now, by=by, reason=reason, until=until))


def reopen(kept: KeptRecommendation, *, by: str, now: datetime, reason: str = "") -> KeptRecommendation:
    """Somebody takes back a yes, a no or a not-now; what is applied has to be undone instead."""
    return _step(kept, {_S.ACCEPTED, _S.REJECTED, _S.SNOOZED},
                 Standing(state=_S.OPEN, since=now, by=by, reason=reason or "opened again"))  # fmt: skip


def apply(kept: KeptRecommendation, *, by: str, now: datetime, reason: str = "") -> KeptRecommendation:
    """The patch that was accepted is in force."""
    return _step(kept, {_S.ACCEPTED},
                 Standing(state=_S.APPLIED, since=now, by=by, reason=reason, digest=kept.standing.digest))  # fmt: skip


def undo(kept: KeptRecommendation, *, by: str, now: datetime, reason: str) -> KeptRecommendation:
    """What was applied was taken back, or could not be applied: open, with the reason."""
    return _step(kept, {_S.ACCEPTED, _S.APPLIED, _S.VERIFIED},
                 Standing(state=_S.OPEN, since=now, by=by, reason=reason))  # fmt: skip


def verify(kept: KeptRecommendation, *, by: str, now: datetime, reason: str) -> KeptRecommendation:
    """What it saved is measured; the reason says how much."""
    return _step(kept, {_S.APPLIED},
                 Standing(state=_S.VERIFIED, since=now, by=by, reason=reason, digest=kept.standing.digest))  # fmt: skip


def computed(kept: KeptRecommendation, advice: Recommendation, now: datetime) -> KeptRecommendation:
    """The same item computed anew."""
    standing = kept.standing
    if standing.state is _S.APPLIED or (standing.state is _S.VERIFIED and advice.digest == standing.digest):
        return replace(kept, seen_at=now)  # what was applied is what is measured, not today's advice
    fresh = KeptRecommendation(advice=advice, standing=standing, seen_at=now)
    if standing.state in CLOSED:
        return replace(fresh, standing=Standing(state=_S.OPEN, since=now, reason="is there again"))
    if standing.state is _S.ACCEPTED and advice.digest != standing.digest:
        why = f"the patch that {standing.by} accepted ({standing.digest}) is another by now"
        return replace(fresh, standing=Standing(state=_S.OPEN, since=now, reason=why))
    return woken(fresh, now)


def gone(kept: KeptRecommendation, now: datetime, *, why: str) -> KeptRecommendation:
    """The item was not computed any more: its evidence is gone."""
    if kept.standing.state in {_S.APPLIED, *CLOSED}:
        return kept
    return replace(kept, standing=Standing(state=_S.EXPIRED, since=now, reason=why))


def woken(kept: KeptRecommendation, now: datetime) -> KeptRecommendation:
    """A snoozed or rejected item whose time is over is open again."""
    standing = kept.standing
    if standing.state not in {_S.SNOOZED, _S.REJECTED} or standing.until is None or standing.until > now:
        return kept
    why = f"was {standing.state} until {standing.until:%Y-%m-%d %H:%M} UTC: {standing.reason}"
    return replace(kept, standing=Standing(state=_S.OPEN, since=now, reason=why))


def _step(kept: KeptRecommendation, allowed: Collection[RecommendationState], to: Standing) -> KeptRecommendation:
    state = kept.standing.state
    if state not in allowed:
        words = " or ".join(sorted(allowed))
        raise IllegalStateError(f"{kept.id} is {state}: only what is {words} can become {to.state}")
    return replace(kept, standing=to)


def _later(until: datetime | None, now: datetime) -> None:
    if until is not None and until <= now:
        raise IllegalStateError(f"until {until.isoformat()} is over already")
