"""``lead`` one tick at a time: what the walk over a whole history would say at its newest tick, from a small state.

The state keeps a week of loads, sums that forget, and what waits for its outcome; a tick costs some tenths of a
millisecond in numpy. ``begun`` reads a history with the walk itself, in a worker; from there on every tick adds one
load, and every hour the weights and tails are learned anew, with the walk's own functions. A property test holds both
to the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.load_ahead import LoadAhead, Outlook, Windows
from forecaster import lead, lead_features, lead_ridge, lead_surge, lead_watch
from forecaster.lead import Clock, Walk
from forecaster.lead_features import DAYS, FloatArray, Means, Recent
from forecaster.lead_week import Week


@dataclass(slots=True)
class Sums:
    """What one block of an hour adds to what is learned; the blocks that may not be used yet wait for it."""

    squares: FloatArray
    products: FloatArray
    size_squares: FloatArray
    size_products: FloatArray
    counts: FloatArray

    @classmethod
    def none(cls, features: int, sizes: int) -> Sums:
        """Of an empty block."""
        return cls(
            np.zeros((features, features)), np.zeros((features, 1)), np.zeros((sizes, sizes)), np.zeros((sizes, 1)),
            np.zeros(lead.POINTS),
        )  # fmt: skip

    def fold(self, newer: Sums, fit_kept: float, tail_kept: float) -> None:
        """Forget a little and add a block."""
        for name, kept in (("squares", fit_kept), ("products", fit_kept), ("size_squares", fit_kept),
                           ("size_products", fit_kept), ("counts", tail_kept)):  # fmt: skip
            setattr(self, name, kept * getattr(self, name) + getattr(newer, name))

    def add(
        self, features: FloatArray, outcome: FloatArray, sizes: FloatArray, size: FloatArray, weight: FloatArray,
        *, decay: FloatArray | float = 1.0,
    ) -> None:  # fmt: skip
        """Rows to learn from: load and its outcome, errors so far and the size of the next one."""
        turned = features.T * (weight * decay)
        self.squares += turned @ features
        self.products += turned @ outcome[:, None]
        turned = sizes.T * (np.sqrt(weight) * decay)
        self.size_squares += turned @ sizes
        self.size_products += turned @ size[:, None]


@dataclass(slots=True)
class Pending:
    """Forecasts whose outcome is not known yet, in a ring by tick."""

    features: FloatArray
    sizes: FloatArray
    scalars: FloatArray
    """Shape ``(ring, 6)``: predicted, base, days, scale, weight, and the first cell that counts as a miss."""


@dataclass(slots=True)
class WindowState:
    """All that is kept for one window ahead."""

    first: int
    last: int
    learned: Sums
    waiting: list[Sums]
    pending: Pending
    means: FloatArray
    half_hours: FloatArray
    """Usual errors by time of day, in a ring of a week of samples."""
    minutes: FloatArray
    """Usual errors by the minute, in a ring of a day and of what is not known of it."""
    missed: NDArray[np.bool_]
    ahead: LoadAhead
    is_widened: bool
    weights: FloatArray = field(default_factory=lambda: np.zeros(0))
    size_weights: FloatArray = field(default_factory=lambda: np.zeros(0))
    tail: FloatArray = field(default_factory=lambda: np.zeros(0))
    edge: int = 0

    def learn(self, clock: Clock) -> None:
        """Weights and tails for the next hour."""
        learned = self.learned
        self.weights = lead_ridge.solved(learned.squares, learned.products, None, lead_ridge.STRENGTH)[:, 0]
        self.size_weights = lead_ridge.solved(
            learned.size_squares, learned.size_products, np.array(lead.USUAL_SCALE), lead.SCALE_STRENGTH
        )[:, 0]
        self.tail = lead.beyond(learned.counts, clock)
        self.edge = int(lead_watch.edges(self.tail))

    def fold(self, clock: Clock) -> None:
        """A block ends: the oldest one that waits may be used, and a new one begins."""
        self.learned.fold(self.waiting.pop(0), 0.5 ** (1 / clock.fit_half_life), clock.tail_kept)
        self.waiting.append(Sums.none(len(self.weights), len(self.size_weights)))
        self.learn(clock)


class LeadState:
    """One signal's state; ``advance`` it by one load each tick."""

    def __init__(
        self, *, clock: Clock, unit: float, week: Week, states: tuple[WindowState, ...], surge_last: int, usual: float,
        peak: float,
    ) -> None:  # fmt: skip
        """As ``begun`` makes it."""
        self._clock, self._unit, self._week, self._windows = clock, unit, week, states
        self._surge_last, self._usual, self._peak = surge_last, usual, peak
        self._kept = 0.5 ** (1 / np.array(lead_features.half_lives(clock.day, clock.minute)))
        self._usual_kept = 0.5 ** (clock.minute / clock.day)
        self._surge = self._surge_due()

    @property
    def clock(self) -> Clock:
        """Its grid."""
        return self._clock

    @property
    def tick(self) -> int:
        """Of the newest load, counted from the first one of the history."""
        return self._week.end - 1

    @property
    def newest(self) -> float:
        """The newest load."""
        return self._week.at(self.tick)

    def a_day_ago(self) -> float:
        """The load of the tick that comes, a day before it."""
        return self._week.at(self.tick + 1 - self._clock.day)

    @property
    def nbytes(self) -> int:
        """What its arrays take."""
        held = [self._week.nbytes]
        for state in self._windows:
            sums = [state.learned, *state.waiting]
            held += [getattr(one, name).nbytes for one in sums for name in Sums.__slots__]
            held += [getattr(state.pending, name).nbytes for name in Pending.__slots__]
            held += [state.means.nbytes, state.half_hours.nbytes, state.minutes.nbytes, state.missed.nbytes,
                     state.weights.nbytes, state.size_weights.nbytes, state.tail.nbytes]  # fmt: skip
        return sum(held)

    def advance(self, load: float) -> None:
        """The load of the next tick."""
        clock, week = self._clock, self._week
        week.append(load)
        tick = week.end - 1
        if tick % clock.block == 0:
            for state in self._windows:
                state.fold(clock)
        if tick % clock.day == 0:
            self._peak = lead_watch.peak(week.last_days(tick, clock), clock.minute)
        if tick % clock.minute == 0:
            self._note_surge()
            self._surge = self._surge_due()
        offset = lead.OFFSET_SHARE * self._unit
        recent = week.recent(clock, offset)
        days = week.levels(clock, offset)
        for state in self._windows:
            self._settle(state, tick, offset, float(recent.base[0]))
            self._predict(state, tick, offset, recent, days)

    def outlook(self) -> Outlook:
        """What is known of the load ahead of the newest tick."""
        add, keep = (state.ahead for state in self._windows)
        wide = np.array([self._windows[0].is_widened])
        return Outlook(add=add, keep=keep, surge=np.array([self._surge]), peak=np.array([self._peak]), widened=wide)

    def _settle(self, state: WindowState, tick: int, offset: float, base: float) -> None:
        """The outcome of the forecast of ``last + delay`` ticks ago is known now."""
        clock, known = self._clock, state.last + self._clock.delay
        made = tick - known
        place = made % len(state.pending.scalars)
        predicted, its_base, days, scale, weight, edge = state.pending.scalars[place].tolist()
        outcome = math.log(self._week.largest(made + state.first, made + state.last) + offset) - its_base
        error = outcome - predicted
        size = abs(error)
        block = state.waiting[made // clock.block - tick // clock.block - 1]
        if made % clock.block % lead_ridge.EVERY == 0:
            row = slice(place, place + 1)
            block.add(
                state.pending.features[row], np.array([outcome]), state.pending.sizes[row],
                np.array([min(size / days, lead.LARGEST_ERROR)]), np.array([weight]),
            )  # fmt: skip
        cell = int(min(max(math.floor((error / scale - lead.LOWEST) / lead.STEP + 0.5), 0), lead.POINTS - 1))
        block.counts[cell] += weight
        state.missed[tick % len(state.missed)] = cell >= edge
        state.is_widened = bool(lead_watch.too_many(np.float64(state.missed.sum()), len(state.missed)))
        seen = np.full(len(self._kept), size)
        seen[-1] = base
        state.means = (1 - self._kept) * seen + self._kept * state.means
        step = lead_features.SAMPLED_MINUTES * clock.minute
        if made % step == 0:
            state.half_hours[made // step % len(state.half_hours)] = state.means[1]
        if made % clock.minute == 0:
            state.minutes[made // clock.minute % len(state.minutes)] = state.means[5]

    def _predict(self, state: WindowState, tick: int, offset: float, recent: Recent, levels: FloatArray) -> None:
        clock = self._clock
        backs = levels.shape[1]
        grown = self._peaks(state, tick, clock.day * np.arange(1, backs + 1), offset) - levels
        usual = grown.sum(axis=1) / backs
        week = grown[0, DAYS - 1 :] if backs == DAYS else grown[0, :1]
        ago = self._hours_ago(state, tick)
        hours = self._peaks(state, tick, ago, offset) - self._week.level_then(ago, clock, offset)
        analogs = lead_features.analogs(
            usual[:1], usual[1:], grown[0, :1], week, np.array([hours.sum() / len(ago)]), recent
        )
        features = np.concatenate([recent.features[0], analogs[0]])
        predicted = float(features @ state.weights)

        held = Means(*state.means[:, None])
        days = max(float(state.means[4]), lead.LEAST_SCALE)
        held = held._replace(days=np.array([days]))
        hour = np.array([self._hour_of_day(state, tick, backs)])
        minutes = (tick + clock.minute - ago) // clock.minute % len(state.minutes)
        season = np.array([state.minutes[minutes].sum() / len(ago)])
        sizes = lead_features.error_sizes(held, hour, season, recent)[0] / days
        scale = float(lead.scaled(sizes @ state.size_weights, np.float64(days)))

        base = float(recent.base[0])
        place = tick % len(state.pending.scalars)
        state.pending.features[place], state.pending.sizes[place] = features, sizes
        state.pending.scalars[place] = (predicted, base, days, scale, math.exp(base) / self._unit, state.edge)
        state.ahead = _one(predicted + base, scale, state.is_widened, state.tail, offset)

    def _peaks(self, state: WindowState, tick: int, ago: NDArray[np.int64], offset: float) -> FloatArray:
        """What came of the windows of so many ticks ago, in logarithms."""
        then = (tick - ago).tolist()
        return np.log(np.array([self._week.largest(k + state.first, k + state.last) for k in then]) + offset)

    def _hours_ago(self, state: WindowState, tick: int) -> NDArray[np.int64]:
        """Two, four, … hours in ticks, as far as there is history."""
        clock = self._clock
        backs = lead_features.backs(state.last + clock.delay, clock.day, clock.minute)
        period = clock.day // lead_features.SEASONS
        return period * np.arange(backs.start, max(min(backs.stop, tick // period + 1), backs.start + 1))

    def _hour_of_day(self, state: WindowState, tick: int, backs: int) -> float:
        clock = self._clock
        ahead = lead_features.looked_ahead(clock.day, clock.minute)
        step = lead_features.SAMPLED_MINUTES * clock.minute
        places = (tick + ahead - np.arange(1, backs + 1) * clock.day) // step % len(state.half_hours)
        return float(state.half_hours[places].sum() / backs)

    def _note_surge(self) -> None:
        """At the first tick of a minute: what is usual, one minute later."""
        behind, reach, minute = self._surge_reach()
        ratio = self._week.ratio(minute - reach - behind, reach, behind, self._clock.minute)
        self._usual = (1 - self._usual_kept) * ratio + self._usual_kept * self._usual

    def _surge_due(self) -> float:
        """What is due in this minute, from the minutes before it."""
        ticks = self._clock.minute
        behind, reach, minute = self._surge_reach()
        per_day = self._clock.day // ticks
        known = min(minute // per_day, DAYS)
        past = np.full((DAYS, 1), np.nan)
        for back in range(1, known + 1):
            past[back - 1, 0] = self._week.ratio(minute - back * per_day, reach, behind, ticks)
        level = np.array([self._week.minute_level(minute, behind, ticks)])
        return float(lead_surge.due(past, np.array([self._usual]), level, np.array([known]))[0])

    def _surge_reach(self) -> tuple[int, int, int]:
        clock, last = self._clock, self._surge_last
        behind, reach = lead_surge.late_minutes(clock.delay, clock.minute), lead_surge.reach_minutes(last, clock.minute)
        return behind, reach, self.tick // clock.minute


def begun(load: FloatArray, *, windows: Windows, surge_last: int, clock: Clock, unit: float) -> LeadState:
    """The state after a whole history, as a worker makes it: the walk, and what of it a next tick needs.

    Args:
        load: Of every tick, no NaN, ``lead_outlook.fewest`` at least.
        windows: First and last tick ahead: around the time when what starts now is ready; and all until then.
        surge_last: Longest lead for surges, in ticks.
        clock: The grid.
        unit: Load of one replica.
    """
    exact = load.astype(np.float32).astype(np.float64)
    offset = lead.OFFSET_SHARE * unit
    recent = lead_features.recent(exact, clock.minute, clock.delay, offset)
    states = tuple(
        _window(lead.walk(exact, recent, first=first, last=last, clock=clock, offset=offset, unit=unit), first, last,
                clock)
        for first, last in windows
    )  # fmt: skip
    week = Week(exact, clock)
    end = (len(exact) - 1) // clock.day * clock.day
    peak = lead_watch.peak(exact[max(end - DAYS * clock.day, 0) : end], clock.minute)
    usual = lead_surge.usual_now(exact, last=surge_last, day=clock.day, minute=clock.minute, delay=clock.delay)
    return LeadState(
        clock=clock, unit=unit, week=week, states=states, surge_last=surge_last, usual=usual, peak=peak
    )  # fmt: skip


def _window(walk: Walk, first: int, last: int, clock: Clock) -> WindowState:
    """The end of a walk: sums over its blocks, those that wait, and forecasts without an outcome."""
    known, tick = last + clock.delay, len(walk.base) - 1
    behind = lead_ridge.behind(known, clock.block)
    settled = tick - known + 1
    blocks = np.arange(len(walk.base)) // clock.block
    newest = int(blocks[-1])
    outcome = walk.outcome[:settled]
    error = outcome - walk.predicted[:settled]
    rows = np.flatnonzero(np.arange(settled) % clock.block % lead_ridge.EVERY == 0)
    size = np.minimum(walk.size[:settled] / np.maximum(walk.means.days[:settled], lead.LEAST_SCALE), lead.LARGEST_ERROR)
    cell = lead.cells(error / walk.scale[:settled])

    def summed(blocks_of: NDArray[np.bool_], fit: FloatArray, tail: FloatArray) -> Sums:
        made = Sums.none(walk.features.shape[1], walk.sizes.shape[1])
        at = rows[blocks_of[rows]]
        made.add(walk.features[at], outcome[at], walk.sizes[at], size[at], walk.weight[at], decay=fit[at])
        at = np.flatnonzero(blocks_of)
        made.counts += np.bincount(cell[at], weights=walk.weight[at] * tail[at], minlength=lead.POINTS)
        return made

    ones = np.ones(settled)
    age = (newest - behind) - blocks[:settled]
    fit_kept = 0.5 ** (np.maximum(age, 0) / clock.fit_half_life)
    learned = summed(age >= 0, fit_kept, clock.tail_kept ** np.maximum(age, 0))
    waiting = [summed(age == -k, ones, ones) for k in range(1, behind + 1)]
    missed = _missed(walk, cell, tick, known, clock)
    is_widened = bool(lead_watch.too_many(np.float64(missed.sum()), len(missed)))
    ahead = walk.ahead
    state = WindowState(
        first=first, last=last, learned=learned, waiting=waiting, pending=_pending(walk, known),
        means=np.array([one[tick] for one in walk.means]), half_hours=_half_hours(walk, settled, clock),
        minutes=_minutes(walk, settled, known, clock), missed=missed, is_widened=is_widened,
        ahead=_one(ahead.centre[-1], ahead.scale[-1], is_widened, ahead.tails[ahead.row[-1]], ahead.offset),
    )  # fmt: skip
    state.learn(clock)
    return state


def _one(centre: float, scale: float, is_widened: bool, tail: FloatArray, offset: float) -> LoadAhead:
    wider = lead_watch.WIDER if is_widened else 1.0
    return LoadAhead(
        centre=np.array([centre]), scale=np.array([wider * scale]), tails=tail[None], row=np.zeros(1, dtype=np.int64),
        lowest=lead.LOWEST, step=lead.STEP, offset=offset,
    )  # fmt: skip


def _pending(walk: Walk, known: int) -> Pending:
    ticks, ring = len(walk.base), known + 1
    edges = lead_watch.edges(walk.ahead.tails)
    made = Pending(
        features=np.zeros((ring, walk.features.shape[1])), sizes=np.zeros((ring, walk.sizes.shape[1])),
        scalars=np.zeros((ring, 6)),
    )  # fmt: skip
    at = np.arange(ticks - ring, ticks)
    days = np.maximum(walk.means.days, lead.LEAST_SCALE)
    made.features[at % ring], made.sizes[at % ring] = walk.features[at], walk.sizes[at]
    made.scalars[at % ring] = np.stack(
        [walk.predicted[at], walk.base[at], days[at], walk.scale[at], walk.weight[at], edges[walk.ahead.row[at]]],
        axis=1,
    )
    return made


def _half_hours(walk: Walk, settled: int, clock: Clock) -> FloatArray:
    step = lead_features.SAMPLED_MINUTES * clock.minute
    ring = np.zeros(DAYS * clock.day // step + 2)
    places = np.arange(0, settled, step)[-len(ring) :]
    ring[places // step % len(ring)] = walk.half_hours[places]
    return ring


def _minutes(walk: Walk, settled: int, known: int, clock: Clock) -> FloatArray:
    longest = lead_features.backs(known, clock.day, clock.minute).stop * (clock.day // lead_features.SEASONS)
    ring = np.zeros(longest // clock.minute + 2)
    places = np.arange(0, settled, clock.minute)[-len(ring) :]
    ring[places // clock.minute % len(ring)] = walk.minutes[places]
    return ring


def _missed(walk: Walk, cell: NDArray[np.int64], tick: int, known: int, clock: Clock) -> NDArray[np.bool_]:
    ring = np.zeros(lead_watch.WATCHED_MINUTES * clock.minute, dtype=np.bool_)
    edges = lead_watch.edges(walk.ahead.tails)
    at = np.arange(max(tick - len(ring) + 1, known), tick + 1)
    made = at - known
    ring[at % len(ring)] = cell[made] >= edges[walk.ahead.row[made]]
    return ring
