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
        """What is wanted, no lower than what came back, as far as the rule's own ``most`` lets it."""
        if self.back is None:
            return limits
        return Limits(low=max(limits.low, min(self.back.low, most)), high=max(limits.high, min(self.back.high, most)))

    def ceiling_above(self, most: int) -> int | None:
        """A ceiling that came back and is above the rule's own ``most``; how far it counts is said by ``ceiling``."""
        return self.back.high if self.back is not None and self.back.high > most else None


def ceiling(wanted: int, before: int | None, *, stands: int, before_us: int | None) -> int:
    """The ceiling that is wanted, with one that a rollback would bring back although the rule allows less.

    What stood there before us comes back: it is not ours to judge, and it was we who began to take it. What we had set
    ourselves for a rule whose ``max`` is lower now does not, for somebody may have lowered it because more replicas do
    harm (connections of a database); but nothing more is taken from what stands.

    Args:
        wanted: By the decision.
        before: What stood before we took capacity; None: nothing came back, or no more than the rule allows.
        stands: The ceiling as it is.
        before_us: The ceiling of whoever had the autoscaler before us; None: nobody had.
    """
    if before is None:
        return wanted
    if before_us is not None and before >= before_us:
        return max(wanted, before_us)
    return max(wanted, min(before, stands))
