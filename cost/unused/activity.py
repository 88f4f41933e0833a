"""What was measured over the last week, as far as anybody did; what was not is not there, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cost.unused.finding import Kind, Target
from cost.unused.snapshot import WEEK

HOURS: Final = WEEK // timedelta(hours=1)
MOST_GAPS_RATIO: Final = 0.05
"""Of the hours: an upgrade of whoever measures makes gaps, an eighth day without figures makes no history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Hourly means of a number.

    Attributes:
        known: How many hours have one, of ``HOURS``.
        lowest, highest: Of them.
    """

    known: int
    lowest: float
    highest: float

    @property
    def cover_the_week(self) -> bool:
        """Whether there is a number for nearly every hour."""
        return self.known >= HOURS * (1 - MOST_GAPS_RATIO)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtMax:
    """How long an autoscaler stood at its maximum, of the part of the week that is known."""

    share_ratio: float
    known_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """All that is known; names are namespace and name.

    Attributes:
        traffic: Bytes a second, received and sent, of all pods of a workload; an hour counts where every pod of which
            CPU is known has traffic, too.
        cpu: Cores of all pods of a workload.
        at_max: Of autoscalers.
        filled: Bytes that are used in claims that are mounted; the highest within each hour.
        mounted: When a claim was last seen mounted, within the week.
        missing: Kinds of findings that cannot be made at all, and why.
    """

    traffic: Mapping[Target, Hours] = field(default_factory=dict)
    cpu: Mapping[Target, Hours] = field(default_factory=dict)
    at_max: Mapping[tuple[str, str], AtMax] = field(default_factory=dict)
    filled: Mapping[tuple[str, str], Hours] = field(default_factory=dict)
    mounted: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    missing: Mapping[Kind, str] = field(default_factory=dict)
