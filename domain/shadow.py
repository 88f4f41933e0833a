"""The score of a rule that does not act: what it would have run, and what really ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSide:
    """What one of the two came to.

    Attributes:
        replica_seconds: Replicas asked for, ready or not: what is paid for.
        violated_seconds: While the load was more than the ready replicas take.
        cost: By the price sheet, in the score's currency.
    """

    replica_seconds: float = 0.0
    violated_seconds: float = 0.0
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowScore:
    """A rule's shadow: replicas that exist only here and follow its own decisions, and the tally so far.

    Attributes:
        rule: ``namespace/name``.
        digest: Of what the rule says, its mode apart: another rule's score begins anew.
        since: Of the first tick.
        at: Of the newest.
        replicas: The shadow's.
        starting: Those of them that are not ready yet: when they will be, and how many; earliest first.
        counted_seconds: Of the time since, that in which both numbers were known.
        judged_seconds: Of that, the time in which the load was known, too.
        shadow: What the rule would have come to.
        real: What came.
        currency: Of the costs; None while nothing has a price.
    """

    rule: str
    digest: str
    since: datetime
    at: datetime
    replicas: int
    starting: tuple[tuple[datetime, int], ...] = ()
    counted_seconds: float = 0.0
    judged_seconds: float = 0.0
    shadow: ShadowSide = field(default_factory=ShadowSide)
    real: ShadowSide = field(default_factory=ShadowSide)
    currency: str | None = None

    @property
    def replicas_change_ratio(self) -> float | None:
        """Replica-hours more (or fewer, negative) than what ran; None before anything was counted."""
        return self.shadow.replica_seconds / self.real.replica_seconds - 1 if self.real.replica_seconds else None

    def ready(self, now: datetime) -> int:
        """How many of the shadow's replicas take load."""
        return self.replicas - sum(count for ready_at, count in self.starting if ready_at > now)


GAP = timedelta(minutes=1)
"""From one tick to the next nothing changes; after a longer gap (we were down) nobody knows what ran."""
