"""From the load ahead of one tick to a floor: what the price rule asks for, what it lets go, and the sentence.

The numbers are ``price``'s, which a replay calls for a whole history (``simulate/plans``); here they get one tick, the
error budget's level and their words. Below the reactive need nothing is decided: this is a floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

import numpy as np

from controller import price
from controller.price import FloatArray, IntArray
from domain.load_ahead import LoadAhead, Outlook
from domain.units import format_duration

MOST_REPLICAS: Final = 4_096
HOPELESS: Final = 0.95
"""Counts that miss more often than this are not looked at, except one replica: a start for the search."""
LEVELS: Final = 9
FIRST_LEVEL: Final = 2.0
"""Prices of a missed tick: a quarter of the first one to 64 times it, each twice the one before."""
PRICE_OF_PEAK: Final = 1.25
"""``violatedMinute: auto``: so many idle replicas for each replica of the week's peak (50 for 40 of them)."""
LEAST_PRICE: Final = 5.0
BUDGET: Final = 0.007
"""Of the time, where the price is ``auto`` and no budget is given: the preset of docs/elasticity.md."""
GAIN: Final = 0.05
"""Levels for a missed tick: a missed minute makes a miss 15 % dearer."""
LARGE: Final = 20
"""Replicas from which a share of them is a whole one: 3 % of a small workload round up to 11 % of its cost."""
SPARE_SHARE: Final = 0.05
IDLE_SHARE: Final = 0.1
STALE_AFTER: Final = timedelta(minutes=2)
"""A load that was last seen earlier holds the replicas: nothing is given back, and nothing is forecast from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a missed tick costs and how many may be missed.

    Attributes:
        price: In idle replicas; None: from the week's peak.
        budget: Share of time that may be missed, which steers the price; 0: the price stays.
    """

    price: float | None
    budget: float

    @classmethod
    def of(cls, price: float | None, budget: float | None) -> Terms:
        """As a rule gives them: a price alone stays, without a price the budget finds it."""
        if budget is None:
            return cls(price=price, budget=BUDGET if price is None else 0.0)
        return cls(price=price, budget=budget)

    def first_price(self, peak_replicas: FloatArray) -> FloatArray:
        """That of ``FIRST_LEVEL``, by tick."""
        if self.price is not None:
            return np.full(len(peak_replicas), self.price)
        return np.maximum(PRICE_OF_PEAK * peak_replicas, LEAST_PRICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What a tick's forecast asks for.

    Attributes:
        replicas: More than there are: add; as many: hold; fewer: so few would do.
        reason: The sentence.
        level: The level of caution that it was decided at.
    """

    replicas: int
    reason: str
    level: float


@lru_cache(maxsize=256)
def rooms(capacity: float, offset: float) -> FloatArray:
    """Log of the load that 0, 1, 2, … replicas may carry."""
    return np.asarray(np.log(np.arange(MOST_REPLICAS) * capacity + offset))


def search_from(ahead: LoadAhead, room: FloatArray) -> IntArray:
    """The first count at every tick that is worth a look."""
    hopeless = np.argmax(ahead.tails < HOPELESS, axis=1) - 1
    worst = ahead.centre + ahead.scale * (ahead.lowest + ahead.step * hopeless[ahead.row])
    return np.asarray(np.searchsorted(room, worst), dtype=np.int64)


def surge_ahead(outlook: Outlook) -> LoadAhead:
    """The surge that is due as a forecast like any other: in the middle what it was on most days, as spread as ``add``.

    Half of the surges are larger than their median, and their noise comes on top: what that is worth the price says.
    """
    middle = np.log(outlook.surge + outlook.add.offset)
    return replace(outlook.add, centre=middle)


def spared(replicas: IntArray) -> IntArray:
    """What is added to when something must be: a little more, so that the next tick need not add again."""
    return _with_share(replicas, SPARE_SHARE)


def idle(replicas: IntArray) -> IntArray:
    """Up to how many are kept, where fewer would do: a move for a little is not worth it."""
    return _with_share(replicas, IDLE_SHARE)


def _with_share(replicas: IntArray, share: float) -> IntArray:
    return replicas + np.where(replicas >= LARGE, share * replicas, 0).astype(np.int64)


def level_after(level: float | None, *, load: float, ready: int, capacity: float, terms: Terms) -> float:
    """The level of caution once this tick is known to have missed or not."""
    before = FIRST_LEVEL if level is None else level
    return price.steered(before, price.is_missed(load, ready, capacity), terms.budget, GAIN, LEVELS - 1.0)


def floor(
    outlook: Outlook, *, load: float, current: int, ready: int, capacity: float, level: float, terms: Terms,
    leads: tuple[timedelta, timedelta], unit: str = "",
) -> Floor:  # fmt: skip
    """What the forecast asks for at one tick.

    Args:
        outlook: Of this tick alone.
        load: As it is seen now.
        current: Replicas that are asked for.
        ready: Replicas that can take work.
        capacity: Load that one carries within the objective.
        level: Of caution, after this tick's steering.
        terms: Price and budget.
        leads: When a replica that starts now is ready, and how far ahead none is given back; for the sentence.
        unit: Of the load, for the sentence.
    """
    low = int(level)
    first = float(terms.first_price(outlook.peak / capacity)[0])
    prices = [first * 2.0 ** (k - FIRST_LEVEL) for k in (low, min(low + 1, LEVELS - 1))]
    add, keep = _cheapest(outlook.add, capacity, prices), _cheapest(outlook.keep, capacity, prices)
    surges = [0] * len(prices)
    if outlook.surge[0] > 0.0:
        least = int(np.ceil(outlook.surge[0] / capacity))
        surges = [max(least, one) for one in _cheapest(surge_ahead(outlook), capacity, prices)]
    raises = [[max(one, surge)] for one, surge in zip(add, surges, strict=True)]
    keeps = [[max(one, up[0])] for one, up in zip(keep, raises, strict=True)]
    up, down = np.array(raises), np.array(keeps)
    planned = price.planned(up, spared(up), idle(down), down, 0, level - low, current)
    replicas = price.relieved(planned, load, ready, capacity)
    worth = first * 2.0 ** (level - FIRST_LEVEL)
    if replicas > planned:
        said = (
            f"overloaded, {load:.4g}{unit} on {ready} ready of {capacity:.4g}{unit} each:"
            f" at least half as many again → {replicas}"
        )
    elif replicas > current and surges[-1] >= up[0][0]:
        due = f"{outlook.surge[0]:.4g}{unit} ÷ {capacity:.4g}{unit} on half of them"
        costs = f"a violated minute costs {worth:.3g} pod-minutes"
        said = f"{replicas - current:+d} replicas now: a surge is due as on most days, {due}, and {costs} → {replicas}"
    else:
        said = _said(outlook, current, replicas, capacity, worth, leads)
    doubled = ", its spread doubled because it missed too often in the last 30 min" if outlook.widened[0] else ""
    return Floor(replicas=replicas, reason=said + doubled, level=level)


def _cheapest(ahead: LoadAhead, capacity: float, prices: Sequence[float]) -> list[int]:
    """At each price."""
    tail, room = ahead.tails[ahead.row[0]], rooms(capacity, ahead.offset)
    first, centre, scale = int(search_from(ahead, room)[0]), float(ahead.centre[0]), float(ahead.scale[0])
    return [price.cheapest(centre, scale, tail, ahead.lowest, ahead.step, room, first, one) for one in prices]


def _said(
    outlook: Outlook, current: int, replicas: int, capacity: float, worth: float, leads: tuple[timedelta, timedelta]
) -> str:
    """Added, kept or let go, and the odds that decided it."""
    costs = f"a violated minute costs {worth:.3g} pod-minutes"
    soon, later = (format_duration(one) for one in leads)
    if replicas > current:
        odds = _odds(outlook.add, current, capacity)
        return f"{replicas - current:+d} replicas now: p(load > {_room(current)} in {soon}) = {odds}, and {costs}"
    if replicas == current:
        odds = _odds(outlook.keep, current - 1, capacity)
        return f"{current} kept: p(load > {_room(current - 1)} within {later}) = {odds}, and {costs}"
    odds = _odds(outlook.keep, replicas, capacity)
    return f"{replicas} would do: p(load > {_room(replicas)} within {later}) = {odds}, and {costs}"


def _room(replicas: int) -> str:
    return "1 replica's room" if replicas == 1 else f"{replicas} replicas' room"


def _odds(ahead: LoadAhead, replicas: int, capacity: float) -> str:
    room = np.log(max(replicas, 0) * capacity + ahead.offset)
    standard = float((room - ahead.centre[0]) / ahead.scale[0])
    share = 100 * price.miss_share(standard, ahead.tails[ahead.row[0]], ahead.lowest, ahead.step)
    return f"{share:.2g} %" if share < 99.5 else f"{share:.0f} %"


def held(current: int, level: float | None, why: str) -> Floor:
    """Nothing may be given back, and nothing is known that asks for more."""
    return Floor(replicas=current, reason=f"{why}: {current} are held", level=FIRST_LEVEL if level is None else level)
