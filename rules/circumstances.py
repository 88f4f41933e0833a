"""What stands around a rule's triggers: schedules that edit bounds, ceilings, the SLO that guards, a pause, steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from domain.units import format_duration
from rules.amounts import Boolean, Duration, PodsOrPercent, PositiveQuantity, Replicas
from rules.document import Query, Strict, mistake
from rules.fields import Cron, DnsLabel, DocumentKey, Moment, MomentWithOffset, Sentence, TimeZone


class CronWindow(Strict):
    """A stretch of time that comes again: from each ``start`` to the next ``end``, by the clock of ``timezone``."""

    start: Cron
    end: Cron
    timezone: TimeZone | None = None

    @property
    def zone(self) -> tzinfo:
        """Whose clock; UTC without ``timezone``."""
        return UTC if self.timezone is None else ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.start == self.end:
            raise mistake("end", f"is the same as start ({self.start}); a window needs a length")
        return self


class ScheduledBounds(Strict):
    """Other bounds for a stretch of time: each day by cron, or once."""

    name: DnsLabel
    start: Cron | None = None
    end: Cron | None = None
    at: Moment | None = None
    for_: Duration | None = Field(default=None, alias="for")
    timezone: TimeZone | None = None
    min: Replicas | None = None
    max: Replicas | None = None
    ramp: Duration | None = None

    @property
    def window(self) -> CronWindow | None:
        """The window that comes again; None where it comes once."""
        if self.start is None or self.end is None:
            return None
        return CronWindow(start=self.start, end=self.end, timezone=self.timezone)

    @property
    def begins(self) -> datetime | None:
        """When a window that comes once begins, in UTC; an ``at`` without offset goes by the clock of ``timezone``."""
        if self.at is None:
            return None
        zone = UTC if self.timezone is None else ZoneInfo(self.timezone)
        return (self.at if self.at.tzinfo is not None else self.at.replace(tzinfo=zone)).astimezone(UTC)

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        if self.start is not None and self.start == self.end:
            raise mistake("end", f"is the same as start ({self.start}); a window needs a length")
        if self.at is not None and self.at.tzinfo is None and self.timezone is None:
            raise mistake("at", "write a UTC offset (2026-11-27T08:00:00Z), or give timezone")
        if self.ramp is not None and self.ramp > timedelta(days=1):
            raise mistake("ramp", f"must be at most 1d; found {format_duration(self.ramp)}")
        return self

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min is not None and self.max is not None and self.max < self.min:
            raise mistake("max", f"must be at least min ({self.min}); found the number {self.max}")
        return self


class DownstreamCeiling(Strict):
    """As many pods as what stands behind them takes: what is there divided by what one pod takes (see ``checks``)."""

    name: DnsLabel
    per_replica: PositiveQuantity
    limit: PositiveQuantity | None = None
    query: Query | None = None


class WhenBurning(Strict):
    """What the guard does while the error budget burns."""

    block_scale_down: Boolean = True
    add: PodsOrPercent | None = None


class Guard(Strict):
    """An SLO of this namespace (or ``namespace/name``) whose burning holds or raises, and never lowers."""

    slo: DocumentKey
    when_burning: WhenBurning = Field(default_factory=WhenBurning)


class Pause(Strict):
    """An operator's word: no scale-in, no scale-out, or neither, until then; with ``replicas``, exactly so many."""

    direction: Literal["in", "out", "all"] = "all"
    until: MomentWithOffset | None = None
    reason: Sentence
    replicas: Replicas | None = None

    def holds_at(self, now: datetime) -> bool:
        """Whether it lasts still."""
        return self.until is None or now < self.until

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.replicas is not None and self.direction != "all":
            raise mistake("replicas", f"a fixed number is neither in nor out; leave direction: {self.direction} away")
        return self


class Steps(Strict):
    """The most that one decision may add or remove."""

    up: PodsOrPercent | None = None
    down: PodsOrPercent | None = None


class BacktestOverride(Strict):
    """Enforce although the backtest says no, for a reason that everybody can read."""

    reason: Sentence


def pods(amount: int | str, of: int) -> int:
    """``4`` or ``20%`` of a number of replicas: a begun replica counts, so that a percentage is never nothing."""
    if isinstance(amount, int):
        return amount
    millionths = round(float(amount.removesuffix("%")) * 10_000)
    return -(-of * millionths // 1_000_000)
