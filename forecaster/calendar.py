"""What is known about the days of one signal, around its fit: the history is told without it, the forecast with it.

First the wall clock (``wall_clock``), then events and holidays on it (``events``). A signal without a time zone, or
with no clock change and no event in sight, passes untouched, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from domain.forecasts import Forecast
from domain.series import FloatArray, IntArray
from forecaster.events import Effects, Mark, Occasion, effects, widened
from forecaster.wall_clock import WallClock

KEPT: Final = 512
"""Steps of the history that are remembered after the fit; only those read again, or left out at its end, are asked."""
NEGATIVE: Final = "negative values are known: events are left out, which are factors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What is known about days; picklable.

    Attributes:
        timezone: Whose wall clock the season follows; None for UTC.
        occasions: Events and holidays in order of their beginning, those of the past included.
    """

    timezone: str | None = None
    occasions: tuple[Occasion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A history as a fit shall see it, and the way back, for as long as steps follow it that it knows about.

    Attributes:
        values: Usual demand on the wall clock.
        start: Time of ``values[0]`` by the clock of the cutoff's UTC offset; the cutoff's time is the same on both.
        horizon: Wall steps to forecast for ``steps`` steps of the signal.
        steps: Steps of the signal to forecast.
    """

    values: FloatArray
    start: datetime
    horizon: int
    steps: int
    _cutoff: datetime
    _clock: WallClock
    _effects: Effects | None
    _warning: str = ""

    @classmethod
    def of(
        cls, values: FloatArray, *, start: datetime, step: timedelta, season: timedelta, horizon: int,
        calendar: Calendar, beyond: int = 0,
    ) -> View:  # fmt: skip
        """See ``values`` from ``start`` on without what the calendar knows.

        Args:
            values: On the grid of ``step``, NaN where nothing was measured; at least one was.
            start: Time of ``values[0]``.
            step: Distance of two steps.
            season: Length of the season.
            horizon: Steps to forecast.
            calendar: What is known.
            beyond: Steps that may follow the history before it is seen anew.
        """
        values = values[: np.flatnonzero(~np.isnan(values))[-1] + 1]
        zone = ZoneInfo(calendar.timezone) if calendar.timezone else UTC
        clock = WallClock.of(zone, start=start, steps=len(values), step=step, horizon=horizon + beyond)
        laid = clock.lay(values)
        marks = [mark for one in calendar.occasions if (mark := _mark(one, clock, start)) is not None]
        negative = bool((laid < 0).any())
        found = None
        if marks and not negative:
            lengths = {"season": max(2, round(season / step)), "day": round(timedelta(days=1) / step)}
            found = effects(laid, marks, ahead=clock.horizon, **lengths)
        return cls(
            values=laid if found is None else laid / found.factors[: len(laid)], start=clock.start,
            horizon=horizon + clock.ahead_of_utc, steps=horizon, _cutoff=start + (len(values) - 1) * step,
            _clock=clock, _effects=found, _warning=NEGATIVE if marks and negative else "",
        )  # fmt: skip

    @property
    def changes_nothing(self) -> bool:
        """Whether all that is seen, and all that is told for as long as it knows, is as it is without it."""
        return self._clock.is_even and self._effects is None and not self._warning

    def began(self, wall: datetime) -> datetime:
        """The time of a step of what is seen."""
        return self._clock.time_of(wall)

    def trimmed(self) -> View:
        """The same without the history but for its end: what is kept from one fit to the next."""
        clock, found = self._clock, self._effects
        past = clock.past[-KEPT:]
        dropped = int(past[past >= 0].min())
        if found is not None:
            found = replace(
                found, factors=found.factors[dropped:], doubt=found.doubt[dropped:],
                moves=tuple(one.earlier(dropped) for one in found.moves),
                unknown=tuple(one.earlier(dropped) for one in found.unknown),
            )  # fmt: skip
        clock = replace(
            clock, start=clock.start + dropped * clock.step, past=np.where(past < 0, -1, past - dropped),
            length=clock.length - dropped,
        )  # fmt: skip
        return replace(self, values=np.empty(0), _clock=clock, _effects=found)

    def taken(self, values: FloatArray, start: datetime) -> FloatArray | None:
        """Steps that came since, as the fit shall see them; None where it must be made anew: the clock has changed.

        Args:
            values: On the grid of the history; from a step of it, or the first after it.
            start: Time of ``values[0]``.
        """
        first = self._position(start)
        walls = self._clock.indices[first : first + len(values)]
        straight = np.arange(len(values)) + first + self._clock.length - len(self._clock.past)
        if first < 0 or len(walls) < len(values) or not np.array_equal(walls, straight):
            return None
        return values if self._effects is None else values / self._effects.factors[walls]

    def measured(self, seen: FloatArray, cutoff: datetime) -> FloatArray:
        """The last steps that were seen, as they were measured; those before what is kept stay as they were seen."""
        if self._effects is None:
            return seen
        end = int(self._clock.indices[self._position(cutoff)]) + 1
        factors = self._effects.factors[max(end - len(seen), 0) : end]
        known: FloatArray = seen * np.concatenate([np.ones(len(seen) - len(factors)), factors])
        return known

    def told(self, usual: Forecast) -> Forecast | None:
        """A forecast of what the fit saw, as the forecast of the signal; None where it must be made anew."""
        walls = self._walls(usual.cutoff)
        if walls is None:
            return None
        ahead = _ahead(walls, usual.horizon)
        read = replace(
            usual, mean=usual.mean[ahead], values=usual.values[ahead],
            reference=None if usual.reference is None else usual.reference[ahead],
        )  # fmt: skip
        return self._moved(read, walls[1:])

    def path(self, usual: FloatArray, cutoff: datetime) -> FloatArray | None:
        """The same of a path alone."""
        walls = self._walls(cutoff)
        if walls is None:
            return None
        read = usual[_ahead(walls, len(usual))]
        return read if self._effects is None else read * np.nan_to_num(self._effects.factors[walls[1:]], nan=0.0)

    def _walls(self, cutoff: datetime) -> IntArray | None:
        """Wall steps of a cutoff and of the horizon after it."""
        at = self._position(cutoff)
        walls = self._clock.indices[max(at, 0) : at + 1 + self.steps]
        return walls if at >= 0 and len(walls) == self.steps + 1 else None

    def _position(self, at: datetime) -> int:
        """Index of a time on the grid of history and horizon."""
        return len(self._clock.past) - 1 + round((at - self._cutoff) / self._clock.step)

    def _moved(self, read: Forecast, walls: IntArray) -> Forecast:
        """The forecast with the events among its steps."""
        said = [read.fallback_reason, self._warning]
        if self._effects is None:
            return replace(read, fallback_reason="; ".join(filter(None, said)))
        first, end = int(walls.min()), int(walls.max()) + 1
        factors = np.nan_to_num(self._effects.factors[walls], nan=0.0)
        middle = read.values[:, read.quantiles.index(0.5)] if 0.5 in read.quantiles else read.mean
        said += [one.word for one in self._effects.unknown if one.first < end and first < one.end]
        moves = [one.word for one in self._effects.moves if one.first < end and first < one.end]
        return replace(
            read, mean=read.mean * factors,
            values=widened(read.values, middle, read.quantiles, factors, self._effects.doubt[walls]),
            reference=None if read.reference is None else read.reference * factors,
            fallback_reason="; ".join(filter(None, said)), events=tuple(dict.fromkeys(moves)),
        )  # fmt: skip


def _mark(occasion: Occasion, clock: WallClock, start: datetime) -> Mark | None:
    """An occasion on the wall steps; None where it lies outside."""
    walls = clock.indices
    begins, ends = _after(occasion.start, clock, start), _after(occasion.end, clock, start)
    inside = walls[max(begins, 0) : max(ends, 0)]
    inside = inside[inside >= 0]
    if not len(inside):
        return None
    replayed = None
    if occasion.replays is not None:
        first = _after(occasion.replays, clock, start)
        replayed = int(walls[min(max(first, 0), len(walls) - 1)]) + min(first, 0)
    return Mark(
        occasion=occasion, first=int(inside.min()), end=int(inside.max()) + 1, skipped=max(-begins, 0),
        replayed=replayed,
    )  # fmt: skip


def _after(at: datetime, clock: WallClock, start: datetime) -> int:
    """Index of the first step after a time: a step tells of the time that led to it."""
    return (at - start) // clock.step + 1


def _ahead(walls: IntArray, horizon: int) -> IntArray:
    """Which steps of a forecast made at ``walls[0]`` the others are."""
    steps: IntArray = np.clip(walls[1:] - walls[0] - 1, 0, horizon - 1)
    return steps
