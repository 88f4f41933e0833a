"""How far one write may go. The HPA applies bounds at once, past its behavior and its stabilisation, so we ramp.

Up is fast, because a floor that comes late is worth nothing; down is slow, because the HPA may take away within one
sync what a floor held. Annotations hold whole seconds, rounded up, so that no step comes early.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from controller.actuation.stamp import Set

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
    fresh = last is not None and now - last.at < FLOOR_EVERY
    if wanted > current:
        lowest = min(last.before, current) if last is not None and fresh else current
        return max(current, min(wanted, risen(lowest)))
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

    A rise is measured from the lowest of the minute before, or two halves of it would make one rise of twice the limit.
    """
    now = (now + _ALMOST).replace(microsecond=0)
    fresh = last is not None and now - last.at < FLOOR_EVERY
    before = min(last.before, current) if last is not None and fresh else current
    return Set(value=value, at=now, before=min(before, value))
