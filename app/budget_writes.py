"""A deed's patch goes into the world and out of it again: limits by themselves, the rest by a write each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from controller.budgets import deeds, levers
from controller.budgets.deeds import Change, Deed, DeedState
from controller.budgets.notes import Hand, Outcome
from controller.budgets.sleepers import WOKEN, Sleepers

Hands = Mapping[str, Hand]
"""By the first word of a change's target; empty without a cluster."""


def writes(deed: Deed) -> bool:
    """Whether something of it goes into the cluster, so that the journal comes first."""
    return bool(_in_cluster(deed))


def written(deed: Deed, hands: Hands, now: datetime) -> Deed:
    """After its patch was written, as far as it could be; what was written in vain is taken back."""
    wanted = _in_cluster(deed)
    if not wanted or not hands or deed.expires_at is None:
        return deeds.acted(deed, now)
    done = [hands[_kind(one)].do(one, deed=deed.id, now=now, expires=deed.expires_at) for one in wanted]
    failures = [one for one in done if one.failure]
    lasting = [one.failure for one in failures if one.lasting]
    if len(lasting) == len(done) == len(deed.changes):
        return deeds.acted(deed, now, failure="; ".join(lasting), lasting=True)
    if len(failures) == len(lasting):  # what somebody else keeps is left out, the rest stands
        return replace(deeds.acted(deed, now), reason="; ".join(["in force", *lasting]))
    failed = deeds.acted(deed, now, failure=next(one.failure for one in failures if not one.lasting))
    if failed.state is DeedState.FAILED:
        return replace(failed, state=DeedState.REVERTING, over=True, reason=f"is taken back: {failed.reason}", tries=0)
    return failed


def kept(deed: Deed, sleepers: Sleepers | None, now: datetime, *, hold: Callable[[Change], str]) -> Deed:
    """Of one that holds: what goes by the clock is done and undone at each look, however many were missed."""
    wanted = [one for one in deed.changes if one.field == levers.BY_CLOCK]
    if not wanted or sleepers is None or deed.expires_at is None:
        return deed
    awake = deed.awake_until is not None and now < deed.awake_until
    said = [f"awake until {deed.awake_until:%Y-%m-%d %H:%M} UTC, by {deed.awake_by}"] if awake else []
    room = _room(wanted)
    for one in wanted:
        found = sleepers.keep(
            one, deed=deed.id, now=now, expires=deed.expires_at, awake=awake, hold=hold(one), may_wake=room > 0
        )
        room -= found.said == WOKEN
        said.append(found.failure or ("" if found.said == WOKEN else found.said))
    return replace(deed, reason="; ".join(["in force", *dict.fromkeys(filter(None, said))]))


def taken_back(deed: Deed, hands: Hands, now: datetime) -> Deed:
    """After what is left of it was given back; ``REVERTING`` until all of it is."""
    wanted = _in_cluster(deed)
    if wanted and not hands:
        return deeds.reverted(deed, now, failure="there is no cluster to write to")
    done, room = list[Outcome](), _room(wanted)
    for one in wanted:
        if one.field == levers.BY_CLOCK and room <= 0:
            done.append(Outcome(goes_on=True))
            continue
        done.append(hands[_kind(one)].undo(one, now=now))
        room -= done[-1].said == WOKEN
    failures = [one.failure for one in done if one.failure]
    if failures:
        return deeds.reverted(deed, now, failure=failures[0])
    if any(one.goes_on for one in done) or not levers.is_given_back(deed, now):
        return deed
    kept = [one.said for one in done if one.said.startswith("left as")]
    return deeds.reverted(deed, now, said="; ".join(kept))


def _in_cluster(deed: Deed) -> list[Change]:
    return [one for one in deed.changes if not one.target.startswith(levers.ON_RULE)]


def _kind(change: Change) -> str:
    return change.target.partition(" ")[0]


def _room(wanted: Sequence[Change]) -> int:
    """How many workloads wake at one look: a tenth of them, or five."""
    return max(math.ceil(len(wanted) / 10), 5)
