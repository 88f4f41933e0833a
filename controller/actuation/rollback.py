"""When capacity was taken and the SLO burns soon after: it comes back at once, and stays for an hour.

Nobody knows whether the one was because of the other; giving back what was there a quarter of an hour ago is cheap, and
another try an hour later costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from controller.actuation.limits import Limits

WATCH: Final = timedelta(minutes=15)
LOCK: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Bounds before a change that took from them, and when."""

    at: datetime
    before: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Of one rule.

    Attributes:
        taken: Changes of the last quarter of an hour that lowered a bound.
        back: What came back, and does not go below again before ``until``.
        until: When it may.
        why: The sentence.
    """

    taken: tuple[Taken, ...] = ()
    back: Limits | None = None
    until: datetime | None = None
    why: str = ""

    def changed(self, before: Limits, after: Limits, now: datetime) -> Watch:
        """After a change of ours."""
        if after.low >= before.low and after.high >= before.high:
            return self
        recent = tuple(one for one in self.taken if one.at > now - WATCH)
        return replace(self, taken=(*recent, Taken(at=now, before=before)))

    def seen(self, burns: str, now: datetime) -> Watch:
        """After a look at the SLO: ``burns`` is what it says when it burns fast, else empty."""
        watch = self if self.until is None or now < self.until else Watch(taken=self.taken)
        recent = [one for one in watch.taken if one.at > now - WATCH]
        if not burns or not recent:
            return watch
        befores = [one.before for one in recent] + ([watch.back] if watch.back is not None else [])
        back = Limits(low=max(one.low for one in befores), high=max(one.high for one in befores))
        until = now + LOCK
        why = (
            f"rolled back to at least {back} until {until:%Y-%m-%dT%H:%M:%SZ}: the SLO burns, "
            f"{(now - recent[-1].at).total_seconds() / 60:.0f} minutes after we took capacity ({burns})"
        )
        return Watch(back=back, until=until, why=why)

    def raised(self, limits: Limits, *, most: int) -> Limits:
        """What is wanted, no lower than what came back; no floor is above the rule's own ``most``."""
        if self.back is None:
            return limits
        return Limits(low=max(limits.low, min(self.back.low, most)), high=max(limits.high, self.back.high))
