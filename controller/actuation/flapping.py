"""When somebody else keeps undoing what we set: after three times in ten minutes we stop, for an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

REVERTS: Final = 3
WITHIN: Final = timedelta(minutes=10)
STOP_FOR: Final = timedelta(hours=1)
UNDID: Final = "undid what we set"
"""By these words whoever reads the sentence knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverts:
    """Of one object: when what we had set was found changed, oldest first."""

    at: tuple[datetime, ...] = ()
    stopped_until: datetime | None = None

    def with_one(self, now: datetime) -> Reverts:
        """One more; with the third within ten minutes we stop."""
        recent = (*(one for one in self.at if one > now - WITHIN), now)
        if len(recent) < REVERTS:
            return Reverts(at=recent, stopped_until=self.stopped_until)
        return Reverts(stopped_until=now + STOP_FOR)

    def stopped(self, now: datetime) -> str:
        """Why nothing is written; empty: it may be."""
        if self.stopped_until is None or now >= self.stopped_until:
            return ""
        within = f"{REVERTS} times within {WITHIN.total_seconds() / 60:.0f} minutes"
        return (
            f"somebody else (GitOps, an operator, another autoscaler) {UNDID} {within}: nothing is written "
            f"until {self.stopped_until:%Y-%m-%dT%H:%M:%SZ}"
        )
