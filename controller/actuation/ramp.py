"""How far one write may go. The HPA applies bounds at once, past its behavior and its stabilisation, so we ramp.

Up is fast, because a floor that comes late is worth nothing; down is slow, because the HPA may take away within one
sync what a floor held. Annotations hold whole seconds, rounded up, so that no step comes early.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from controller.actuation.stamp import Lower, Set

FLOOR_EVERY: Final = timedelta(seconds=60)
CUT_EVERY: Final = timedelta(minutes=10)
_ALMOST: Final = timedelta(microseconds=999_999)
TENTH: Final = 10
"""Down by a tenth, of few replicas by one: a share of them would be none for ever."""


def floor(current: int, wanted: int, *, last: Set | None, now: datetime) -> int:
    """The next minReplicas.

    Args:
        current: As it stands.
        wanted: Where it shall end; the caller has kept it within baseline and cap.
        last: When we set it; None where it is not ours: then nothing is known to have risen just now.
        now: Time of the step.
    """
    if wanted > current:
        lowest = min([current, *(one.value for one in _lately(last, now))])
        return max(current, min(wanted, risen(lowest)))
    fresh = last is not None and now - last.at < FLOOR_EVERY
    return current if fresh else max(wanted, lowered(current))


def ceiling(current: int, wanted: int, *, last: Set | None, now: datetime) -> int:
    """The next maxReplicas: up at once, since that takes nothing from anybody, down by a tenth in ten minutes."""
    if wanted >= current:
        return wanted
    if last is not None and now - last.at < CUT_EVERY:
        return current
    return max(wanted, lowered(current))


def risen(low: int) -> int:
    """The most that a floor may be one minute later."""
    return max(2 * low, low + 10)


def lowered(bound: int) -> int:
    """The least that one step down leaves."""
    return bound - max(1, bound // TENTH)


def noted(value: int, current: int, *, last: Set | None, now: datetime) -> Set:
    """The note of a bound that is set to ``value`` now.

    A rise is measured from the lowest of the minute before it, whichever minute that is: so each lower value is noted
    with its own end. With one for all, a floor that climbs a little every 15 s would be measured from its first value
    for as long as it climbs.
    """
    now = (now + _ALMOST).replace(microsecond=0)
    lower: list[Lower] = []
    for one in _lately(last, now):
        while lower and lower[-1].value >= one.value:
            lower.pop()
        if one.value < min(current, value) and not (lower and lower[-1].until >= one.until):
            lower.append(one)
    return Set(value=value, at=now, before=min(current, value), lower=tuple(lower))


def _lately(last: Set | None, now: datetime) -> list[Lower]:
    """What it was within the last minute and is no more, oldest first."""
    if last is None:
        return []
    all_of = (*last.lower, Lower(value=last.before, until=last.at))
    return [one for one in all_of if now - one.until < FLOOR_EVERY]
