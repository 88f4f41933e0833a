"""Events and holidays: stretches of time in which demand is a factor of what is usual.

The factor of a stretch that has passed is measured: its values over the median of the same moments of the weeks (else
the seasons) beside it. History is divided by it before the fit, so that a sale does not become a season; the forecast
is multiplied by the factor of what is to come: announced, replayed from a past day, another weekday's, or learned from
the stretches of the same name, with a wider band the less is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

HOLIDAY: Final = "holiday"
SMALLEST: Final = 0.05
"""Below a 20th of the usual too little is left to divide: those steps are left out, as gaps."""
LARGEST: Final = 20.0
"""No measured factor beyond it is believed. A guess."""
_WEEKS: Final = 4
_SEASONS: Final = 7
_ENOUGH: Final = 2
"""Moments beside it that tell what is usual; one alone may itself have been unusual."""
_SMOOTHED: Final = 48
"""Factors are smoothed over a 48th of the season to each side: half an hour of a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """A stretch of time ``(start, end]`` in which demand is another than usual.

    Attributes:
        name: As the operator calls it.
        start: Its beginning; a step at ``start`` tells of the time before.
        end: Its end.
        change: Announced: 0.4 is 40 % more than usual.
        replays: Beginning of the past stretch whose factor is replayed.
        weekday: The weekday (0 is Monday) whose demand it has, and ``of`` the one it falls on.
        of: Its own weekday.
        kind: ``holiday`` for those: one that was never seen learns from the others.
    """

    name: str
    start: datetime
    end: datetime
    change: float | None = None
    replays: datetime | None = None
    weekday: int | None = None
    of: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An occasion on the grid of history and horizon: steps ``first`` … ``end`` − 1 of it lie there.

    Attributes:
        skipped: Steps of it before ``first``, which lie before the history.
        replayed: Step at which the stretch that it replays begins; None where it replays none.
    """

    occasion: Occasion
    first: int
    end: int
    skipped: int = 0
    replayed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A word about the steps ``first`` … ``end`` − 1."""

    word: str
    first: int
    end: int

    def earlier(self, steps: int) -> Said:
        """The same word on a grid that begins so many steps later."""
        return Said(word=self.word, first=self.first - steps, end=self.end - steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What the marks do at each step of history and horizon.

    Attributes:
        factors: 1 where nothing happens or nobody can tell, NaN where too little of the past is left to divide.
        doubt: Standard deviation of the logarithm of ``factors``; 0 in the past.
        moves: Names of the occasions that move steps ahead.
        unknown: Why an occasion moves nothing though it should.
    """

    factors: FloatArray
    doubt: FloatArray
    moves: tuple[Said, ...]
    unknown: tuple[Said, ...]


def effects(values: FloatArray, marks: Sequence[Mark], *, season: int, day: int, ahead: int) -> Effects:
    """The factors of all marks on a history and the steps after it.

    Args:
        values: The history on a regular grid, NaN where nothing was measured; none of it negative.
        marks: In order of their beginning.
        season: Steps per season.
        day: Steps per day; for holidays only.
        ahead: Steps after the history.
    """
    steps = len(values)
    factors, doubt = np.ones(steps + ahead), np.zeros(steps + ahead)
    known = _Usual.of(values, marks, season)
    over = [mark for mark in marks if mark.end <= steps]
    moves: list[Said] = []
    unknown: list[Said] = []
    for mark in marks:
        if mark.end <= steps:
            continue
        expected = _expected(mark, over, known, day)
        if expected is None:
            unknown.append(Said(word=_why(mark), first=mark.first, end=mark.end))
            continue
        factors[mark.first : mark.end] *= expected.factors
        first = max(mark.first, steps)
        doubt[first : mark.end] = np.hypot(doubt[first : mark.end], expected.doubt)
        if not np.allclose(expected.factors[first - mark.first :], 1.0):
            moves.append(Said(word=mark.occasion.name, first=first, end=mark.end))
    _measure(factors, marks, known)
    past = factors[:steps]
    past[past < SMALLEST] = np.nan
    return Effects(factors=factors, doubt=doubt, moves=tuple(moves), unknown=tuple(unknown))


def widened(
    values: FloatArray, middle: FloatArray, levels: Sequence[float], factors: FloatArray, doubt: FloatArray
) -> FloatArray:
    """Quantiles with what is to come, never below 0, as much wider as the factors are in doubt.

    Args:
        values: Of the usual forecast, shape ``(horizon, levels)``.
        middle: Its median path, or its point forecast. The distances of the band and of the factor's doubt from it
            are taken as independent: the root of the sum of their squares.
        levels: Rising.
        factors: Of each step, shape ``(horizon,)``.
        doubt: Standard deviation of their logarithms.
    """
    moved = values * factors[:, None]
    if not doubt.any():
        return moved
    centre = (middle * factors)[:, None]
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    own, beside = moved - centre, centre * np.expm1(doubt[:, None] * normal)
    both = np.where(own * normal >= 0, np.sign(normal) * np.hypot(own, beside), own + beside)
    wider = np.sort(np.maximum(centre + np.where(normal == 0, own, both), 0.0), axis=1)
    return np.where(doubt[:, None] > 0, wider, moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """The factor at each step of a mark, and the doubt about its logarithm."""

    factors: FloatArray
    doubt: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usual:
    """A history without its marked steps, and what is usual at any moment."""

    values: FloatArray
    quiet: FloatArray
    season: int
    floor: float

    @classmethod
    def of(cls, values: FloatArray, marks: Sequence[Mark], season: int) -> _Usual:
        quiet = values.copy()
        for first, end in _marked(marks, len(values)):
            quiet[first:end] = np.nan
        level = float(np.nanmean(values)) if not np.isnan(values).all() else 0.0
        return cls(values=values, quiet=quiet, season=season, floor=SMALLEST * level)

    def at(self, moments: IntArray) -> FloatArray:
        """The median of the same moments of the weeks beside them, or of the seasons; NaN where too few are known."""
        beside = np.arange(1, _SEASONS + 1)
        lags = np.concatenate([-beside[::-1], beside]) * self.season
        weeks = self._median(moments, 7 * lags[np.abs(lags) <= _WEEKS * self.season], fewest=_ENOUGH)
        if not np.isnan(weeks).any():
            return weeks
        return np.where(np.isnan(weeks), self._median(moments, lags, fewest=_ENOUGH), weeks)

    def on_weekday(self, moments: IntArray, day: int, days: int) -> FloatArray:
        """The median of the moments that lie ``days`` days beside, and whole weeks from there; NaN without one."""
        weeks = np.arange(-2 * _WEEKS, 2 * _WEEKS + 1)
        return self._median(moments, (days + 7 * weeks) * day, fewest=1)

    def measured(self, first: int, end: int) -> FloatArray:
        """Factor of each step of a stretch of the history, smoothed; NaN where nothing is known of any step."""
        usual = self.at(np.arange(first, end))
        return self.ratio(self.values[first:end], usual)

    def ratio(self, values: FloatArray, usual: FloatArray) -> FloatArray:
        """Smoothed ratio of two paths; steps that miss one of them take their neighbours', else that of all."""
        known = ~(np.isnan(values) | np.isnan(usual))
        if not known.any():
            return np.full(len(values), np.nan)
        above, below = np.where(known, values, 0.0), np.where(known, usual, 0.0)
        reach = max(1, self.season // _SMOOTHED)
        counts = _box(known.astype(np.float64), reach)
        floor = self.floor * counts
        whole = (above.sum() + self.floor * known.sum()) / max(below.sum() + self.floor * known.sum(), 1e-300)
        near = (_box(above, reach) + floor) / np.maximum(_box(below, reach) + floor, 1e-300)
        found = np.where(counts > 0, near, whole) if self.floor > 0 else np.ones(len(values))
        return np.clip(found, 0.0, LARGEST)

    def _median(self, moments: IntArray, lags: IntArray, *, fewest: int) -> FloatArray:
        at = moments[:, None] + lags[None, :]
        inside = (at >= 0) & (at < len(self.quiet))
        found = np.where(inside, self.quiet[np.clip(at, 0, len(self.quiet) - 1)], np.nan)
        enough = (~np.isnan(found)).sum(axis=1) >= fewest
        medians = np.full(len(moments), np.nan)
        if enough.any():
            medians[enough] = np.nanmedian(found[enough], axis=1)
        return medians


def _measure(factors: FloatArray, marks: Sequence[Mark], known: _Usual) -> None:
    """Write what was measured over the occasions that have passed and over what is replayed."""
    steps = len(known.values)
    over = [mark for mark in marks if mark.end <= steps]
    for mark in over:
        factors[mark.first : mark.end] = 1.0 + (mark.occasion.change or 0.0)
    for first, end in [(mark.first, mark.end) for mark in over] + _replays(marks, steps):
        found = known.measured(first, end)
        factors[first:end] = np.where(np.isnan(found), factors[first:end], found)


def _expected(mark: Mark, over: Sequence[Mark], known: _Usual, day: int) -> _Expected | None:
    """What an occasion that is not over does at each of its steps; None where nobody can tell."""
    occasion, length = mark.occasion, mark.end - mark.first
    if occasion.change is not None:
        return _Expected(factors=np.full(length, 1.0 + occasion.change))
    if occasion.replays is not None:
        return _replayed(mark, known)
    if occasion.weekday is not None:
        moments = np.arange(mark.first, mark.end)
        days = (occasion.weekday - occasion.of + 3) % 7 - 3
        like, own = known.on_weekday(moments, day, days), known.on_weekday(moments, day, 0)
        factors = known.ratio(like, own)
        return None if np.isnan(factors).any() else _Expected(factors=factors)
    return _learned(mark, over, known)


def _replayed(mark: Mark, known: _Usual) -> _Expected | None:
    if mark.replayed is None:
        return None
    first = mark.replayed + mark.skipped
    end = first + mark.end - mark.first
    if first < 0 or end > len(known.values):
        return None
    factors = known.measured(first, end)
    return None if np.isnan(factors).any() else _Expected(factors=factors)


def _learned(mark: Mark, over: Sequence[Mark], known: _Usual) -> _Expected | None:
    """From the occasions of that name that are over, shrunk to 1 as far as these are few or disagree.

    Normal effects on the logarithm around 0, as large as the seen ones; among ``n`` seen ones these spread by their
    own variance and one more as large as the effect. So one alone is taken half, three that agree nine tenths.
    """
    seen = [one for one in over if one.occasion.name == mark.occasion.name]
    if not seen and mark.occasion.kind == HOLIDAY:
        seen = [one for one in over if one.occasion.kind == HOLIDAY]
    paths = [(one, np.log(np.maximum(known.measured(one.first, one.end), SMALLEST))) for one in seen]
    paths = [(one, path) for one, path in paths if not np.isnan(path).any()]
    if not paths:
        return None
    means = np.array([path.mean() for _, path in paths])
    count, size = len(means), float(np.mean(means**2))
    among = (size + float(((means - means.mean()) ** 2).sum())) / count
    trust = count * size / (count * size + among) if size > 0 else 0.0
    offsets = mark.skipped + np.arange(mark.end - mark.first)
    effect = trust * np.mean([_aligned(one, path, offsets) for one, path in paths], axis=0)
    spread = float(means.var(ddof=1)) if count > 1 else 0.0
    return _Expected(factors=np.exp(effect), doubt=float(np.sqrt(size * (1.0 - trust) + spread)))


def _aligned(one: Mark, path: FloatArray, offsets: IntArray) -> FloatArray:
    """Its effect so many steps after its beginning; its mean where it had no such step."""
    at = offsets - one.skipped
    inside = (at >= 0) & (at < len(path))
    return np.where(inside, path[np.clip(at, 0, len(path) - 1)], path.mean())


def _marked(marks: Sequence[Mark], steps: int) -> list[tuple[int, int]]:
    """The parts of the history that are marked, or replayed by a mark."""
    return [(mark.first, min(mark.end, steps)) for mark in marks if mark.first < steps] + _replays(marks, steps)


def _replays(marks: Iterable[Mark], steps: int) -> list[tuple[int, int]]:
    """The parts of the history that are replayed: they were as unusual as what replays them."""
    firsts = [(mark.replayed, mark.skipped + mark.end - mark.first) for mark in marks if mark.replayed is not None]
    parts = [(max(first, 0), min(first + length, steps)) for first, length in firsts]
    return [(first, end) for first, end in parts if first < end]


def _box(values: FloatArray, reach: int) -> FloatArray:
    """Sums over ``reach`` steps to each side, inside the stretch."""
    sums: FloatArray = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    found: FloatArray = sums[np.minimum(at + reach + 1, len(values))] - sums[np.maximum(at - reach, 0)]
    return found


def _why(mark: Mark) -> str:
    occasion = mark.occasion
    if occasion.replays is not None:
        return f"event {occasion.name}: the day to replay is not in the history"
    if occasion.weekday is not None:
        return f"holiday {occasion.name}: the history knows too few days to compare"
    return f"event {occasion.name}: none of that name has passed yet"
