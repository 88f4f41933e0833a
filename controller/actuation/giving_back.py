"""The next write towards what was there before us: the ceiling at once and first, then the floor by a tenth a minute.

Only an HPA that we had taken over may have had a lower ceiling before us: that comes down as any other cut.

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
    if found.high < baseline.high:
        noted = ramp.noted(baseline.high, found.high, last=stamp.high, now=now)
        limits = replace(found, high=baseline.high)
        if not at_once:
            return Write(limits=limits, stamp=replace(stamp, high=noted))
        found, stamp = limits, replace(stamp, high=noted)
    low = baseline.low if at_once else ramp.floor(found.low, baseline.low, last=stamp.low, now=now)
    high = baseline.high if at_once else ramp.ceiling(found.high, baseline.high, last=stamp.high, now=now)
    after = Limits(low=low, high=max(high, low))
    if after == found and not at_once:
        return Rest(why=f"waits for its next step to {baseline}")
    low_note = stamp.low if low == found.low else ramp.noted(low, found.low, last=stamp.low, now=now)
    high_note = stamp.high
    if after.high != found.high:
        high_note = ramp.noted(after.high, found.high, last=stamp.high, now=now)
    return Write(limits=after, stamp=replace(stamp, low=low_note, high=high_note))
