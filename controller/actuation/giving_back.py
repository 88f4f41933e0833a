"""The next write towards what was there before us: the ceiling at once and first, then the floor by a tenth a minute.

A floor that falls at once may take the replicas with it within one sync: HPA's stabilisation remembers what the metrics
said, not what the floor held.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.actuation import ramp
from controller.actuation.limits import Limits
from controller.actuation.stamp import Stamp
from controller.actuation.step import Clean, Rest, Step, Write


def next_step(found: Limits, stamp: Stamp, *, now: datetime, at_once: bool = False) -> Step:
    """Of one object; what somebody else has set since is theirs and stays.

    Args:
        found: Its bounds as they stand.
        stamp: What we left there.
        now: Time of the step.
        at_once: The floor in one step, for whoever says so.
    """
    stamp = stamp.after(found)
    baseline = stamp.baseline
    if found == baseline:
        return Clean()
    if found.high != baseline.high:
        high = ramp.noted(baseline.high, found.high, last=stamp.high, now=now)
        limits = replace(found, high=baseline.high)
        if not at_once:
            return Write(limits=limits, stamp=replace(stamp, high=high))
        found, stamp = limits, replace(stamp, high=high)
    low = baseline.low if at_once else ramp.floor(found.low, baseline.low, last=stamp.low, now=now)
    if low == found.low and not at_once:
        return Rest(why=f"waits for its next step to {baseline.low}")
    noted = stamp.low if low == found.low else ramp.noted(low, found.low, last=stamp.low, now=now)
    return Write(limits=replace(found, low=low), stamp=replace(stamp, low=noted))
