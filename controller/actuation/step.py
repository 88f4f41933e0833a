"""The next write towards what a rule wants; most ticks it is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from controller.actuation import ramp, rollback
from controller.actuation.holds import Holds
from controller.actuation.limits import Limits
from controller.actuation.stamp import Set, Stamp
from domain.errors import RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a rule's decision asks for.

    Attributes:
        limits: Floor and ceiling, unramped.
        rule: ``namespace/name``.
        reason: The decision's word.
        epoch: Of the leader that asks.
        median_need: Replicas that the forecast's median needs: no ceiling is cut below; None without a forecast.
        ceiling_before: What a rollback would bring back and is above the rule's ``max``; None: nothing.
    """

    limits: Limits
    rule: str
    reason: str
    epoch: int
    median_need: int | None = None
    ceiling_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look at the object and its workload says.

    Attributes:
        limits: The bounds as they stand.
        stamp: What we left there; None without one.
        ready: Ready replicas; None where nobody knows, and then no ceiling is cut.
        holds: What forbids a step.
    """

    limits: Limits
    stamp: Stamp | None
    ready: int | None
    holds: Holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Nothing is written; ``why`` where more was wanted."""

    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Set these bounds, those that have a ``Set`` in the stamp, and these annotations."""

    limits: Limits
    stamp: Stamp
    why: str = ""
    """What kept it from going all the way; empty: it went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """The bounds are the baseline: take every trace of ours away."""


Step = Rest | Write | Clean


def towards(wanted: Wanted, seen: Seen, *, now: datetime) -> Step:
    """The next step.

    Never below the baseline's floor nor above its ceiling: those belong to whoever wrote the autoscaler.

    Raises:
        RefusedError: The object has been written by a newer leader, or its bounds contradict each other.
    """
    found = seen.limits
    if found.low > found.high:
        raise RefusedError(f"its bounds {found} contradict each other")
    if seen.holds.everything:
        return Rest(why=f"held, {seen.holds.everything}")
    stamp = None if seen.stamp is None else seen.stamp.after(found)
    if stamp is not None and stamp.epoch > wanted.epoch:
        raise RefusedError(f"its stamp has epoch {stamp.epoch}, ours is {wanted.epoch}: a newer leader writes here")
    baseline = found if stamp is None else stamp.baseline
    goal = _within(wanted.limits, baseline)
    high = rollback.ceiling(goal.high, wanted.ceiling_before, stands=found.high, before_us=baseline.high)
    goal = replace(goal, high=min(high, baseline.high))
    after, why = _limits(goal, wanted, seen, stamp, now)
    return _written(wanted, seen, stamp, baseline, after, why or _capped(wanted.limits, goal), now)


def _within(wanted: Limits, baseline: Limits) -> Limits:
    high = min(max(wanted.high, baseline.low), baseline.high)
    return Limits(low=min(max(wanted.low, baseline.low), high), high=high)


def cut(goal: int, wanted: Wanted, seen: Seen, *, low: int, last: Set | None, now: datetime) -> tuple[int, str]:
    """The next ceiling, and what else than the ramp keeps it from going lower.

    Never below what is ready, what the floor holds, or what the median of the forecast needs.
    """
    found = seen.limits.high
    high = ramp.ceiling(found, goal, last=last, now=now)
    if high >= found:
        return high, ""
    if seen.holds.downs or seen.ready is None:
        return found, ""
    median = wanted.median_need or 0
    after = min(found, max(high, seen.ready, low, median))
    why = f"held, the forecast's median needs {median}: no ceiling is cut below that"
    return after, why if median == after > max(high, seen.ready, low) else ""


def _limits(goal: Limits, wanted: Wanted, seen: Seen, stamp: Stamp | None, now: datetime) -> tuple[Limits, str]:
    """The bounds after this step, and what limited it."""
    found, downs = seen.limits, seen.holds.downs
    low = ramp.floor(found.low, goal.low, last=None if stamp is None else stamp.low, now=now)
    if downs:
        low = max(low, found.low)
    high, kept = cut(goal.high, wanted, seen, low=low, last=None if stamp is None else stamp.high, now=now)
    after = Limits(low=low, high=high)
    if after == goal:
        return after, ""
    if downs and (after.low > goal.low or after.high > goal.high):
        return after, f"held, {downs}"
    return after, kept or (f"one step on the way to {goal}" if after != found else f"waits for its next step to {goal}")


def _written(
    wanted: Wanted, seen: Seen, stamp: Stamp | None, baseline: Limits, after: Limits, why: str, now: datetime
) -> Step:
    found = seen.limits
    if after == baseline == found and (stamp is None or not _is_recent(stamp, now)):
        return Rest(why=why) if stamp is None else Clean()
    low = _side(None if stamp is None else stamp.low, after.low, found.low, now)
    high = _side(None if stamp is None else stamp.high, after.high, found.high, now)
    new = Stamp(
        baseline=baseline, low=low, high=high, expires_at=now, epoch=wanted.epoch, rule=wanted.rule,
        reason=wanted.reason,
    )  # fmt: skip
    new = replace(new, expires_at=(now + new.lasts()).replace(microsecond=0))
    same = after == found and stamp is not None and stamp == seen.stamp and stamp.rule == wanted.rule
    if same and stamp is not None and not stamp.is_due(now):
        return Rest(why=why)
    return Write(limits=after, stamp=new, why=why)


def _is_recent(stamp: Stamp, now: datetime) -> bool:
    """Whether its notes are still needed: without them a ceiling that came up could be cut again at once."""
    return any(one is not None and now - one.at < ramp.CUT_EVERY for one in (stamp.low, stamp.high))


def _side(last: Set | None, after: int, found: int, now: datetime) -> Set | None:
    """One bound's note: untouched it has none, unchanged it keeps its own."""
    return last if after == found else ramp.noted(after, found, last=last, now=now)


def _capped(wanted: Limits, goal: Limits) -> str:
    """Where the baseline does not allow what the rule wants."""
    if goal.low < wanted.low:
        return f"a floor of {wanted.low} is above the ceiling {goal.high}, which is not ours to raise"
    return ""
