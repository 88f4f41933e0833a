"""What an applied change was measured to save."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One measurement; money in a month of 730 hours.

    Attributes:
        id: Of the recommendation.
        changed_at: When the change was in force.
        at: When it was measured: the window's end.
        method: ``beforeAfter``, ``beforeAfterByDemand`` or ``twin``.
        days: Days after the change that it stands on.
        saving: Below 0 where it cost more.
        promised: By the advice that was accepted.
    """

    id: str
    changed_at: datetime
    at: datetime
    method: str
    days: int
    currency: str
    saving: Decimal
    p10: Decimal
    p90: Decimal
    promised: Decimal
