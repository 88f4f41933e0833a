"""From a forecast of the load to what a controller may do at every tick: add to here, give back to there.

Functions of the load only: computed once for a forecast and replayed against any number of controllers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from controller import ahead as policy
from controller import price
from controller.ahead import Terms
from controller.simulate.loop import FloatArray, Plan
from controller.simulate.pods import IntArray
from domain.load_ahead import LoadAhead, Outlook


def no_plan() -> Plan:
    """Nothing is forecast."""
    none = np.zeros((1, 0), dtype=np.int64)
    return Plan(raise_below=none, raise_to=none, lower_above=none, lower_to=none, written=none, violated_budget=0.0,
                gain=0.0, first_level=0.0)  # fmt: skip


def floors(ahead: LoadAhead, *, safe_rps: float, missed: float, by: Any = price) -> IntArray:
    """The cheapest replicas at every tick when a missed tick costs ``missed`` idle replicas; ``by`` may be compiled."""
    rooms = policy.rooms(safe_rps, ahead.offset)
    first = policy.search_from(ahead, rooms)
    made = np.empty(len(ahead.centre), dtype=np.int64)
    if by is not price:
        by.floors(
            ahead.centre, ahead.scale, ahead.tails, ahead.row, ahead.lowest, ahead.step, rooms, first, missed, made
        )
        return made
    # Plain Python reads a list five times as fast as an array.
    scratch: Any = made.tolist()
    centre, scale, tails, row, log_room, start = (
        values.tolist() for values in (ahead.centre, ahead.scale, ahead.tails, ahead.row, rooms, first)
    )
    price.floors(centre, scale, tails, row, ahead.lowest, ahead.step, log_room, start, missed, scratch)
    made[:] = scratch
    return made


def following(
    add: LoadAhead,
    keep: LoadAhead,
    *,
    safe_rps: float,
    missed: Sequence[float],
    violated_budget: float = 0.0,
    gain: float = 0.0,
    surge_rps: FloatArray | None = None,
    release_share: float = 1.0,
    by: Any = price,
) -> Plan:
    """Add what will be missing one start-up from now; give back what will not be needed until then.

    Args:
        add: Load at the time when what starts now is ready.
        keep: Load until then.
        safe_rps: Of one replica.
        missed: Price of a missed tick in idle replicas, one for each level of caution, rising.
        violated_budget: Share of time that may miss the objective; 0 stays at the first level.
        gain: Levels of caution for a missed tick.
        release_share: Price of a miss when it is about giving back, relative to adding: a half is 1 % cheaper and moves
            twice as often.
        surge_rps: Load to be ready for in any case, by tick.
        by: The price rule, plain or compiled.
    """
    raises = np.stack([floors(add, safe_rps=safe_rps, missed=one, by=by) for one in missed])
    keeps = np.stack([floors(keep, safe_rps=safe_rps, missed=release_share * one, by=by) for one in missed])
    if surge_rps is not None:
        raises = np.maximum(raises, np.ceil(surge_rps / safe_rps).astype(np.int64))
    keeps = np.maximum(keeps, raises)
    first_level = (len(missed) - 1) / 2 if violated_budget else 0.0
    return no_plan()._replace(
        raise_below=raises, raise_to=raises, lower_above=keeps, lower_to=keeps, violated_budget=violated_budget,
        gain=gain, first_level=first_level,
    )  # fmt: skip


def priced(outlook: Outlook, *, capacity: float, terms: Terms, by: Any = price) -> Plan:
    """What a live price trigger asks for, at every tick of a history and every level of caution.

    Args:
        outlook: Of the history.
        capacity: Load that a replica carries within the objective.
        terms: Price and budget.
        by: The price rule, plain or compiled.
    """
    first = terms.first_price(outlook.peak / capacity)
    levels = np.arange(policy.LEVELS) if terms.budget else np.array([int(policy.FIRST_LEVEL)])
    missed = [first * 2.0 ** (level - policy.FIRST_LEVEL) for level in levels]
    raises = np.stack([np.maximum(_floors_by(outlook.add, capacity, one, by), _surges(outlook, capacity, one, by))
                       for one in missed])  # fmt: skip
    keeps = np.maximum(np.stack([_floors_by(outlook.keep, capacity, one, by) for one in missed]), raises)
    return calmer(no_plan()._replace(
        raise_below=raises, raise_to=raises, lower_above=keeps, lower_to=keeps, violated_budget=terms.budget,
        gain=policy.GAIN, first_level=policy.FIRST_LEVEL if terms.budget else 0.0,
    ))  # fmt: skip


def _surges(outlook: Outlook, capacity: float, missed: FloatArray, by: Any) -> IntArray:
    """For the surge that is due, at a price like everything else; 0 where none is."""
    least = np.ceil(outlook.surge / capacity).astype(np.int64)
    if not least.any():
        return least
    made = np.maximum(least, _floors_by(policy.surge_ahead(outlook), capacity, missed, by))
    return np.where(outlook.surge > 0.0, made, 0)


def _floors_by(ahead: LoadAhead, capacity: float, missed: FloatArray, by: Any) -> IntArray:
    rooms = policy.rooms(capacity, ahead.offset)
    made = np.empty(len(ahead.centre), dtype=np.int64)
    by.floors_by(
        ahead.centre, ahead.scale, ahead.tails, ahead.row, ahead.lowest, ahead.step, rooms,
        policy.search_from(ahead, rooms), missed, made,
    )  # fmt: skip
    return made


def calmer(plan: Plan) -> Plan:
    """Half as many moves of a large workload: a little more than is asked for, and nothing given back for a little."""
    return plan._replace(raise_to=policy.spared(plan.raise_to), lower_above=policy.idle(plan.lower_above))


def at_least(replicas: FloatArray) -> Plan:
    """A floor by tick, rounded up."""
    wanted = np.ceil(replicas).astype(np.int64)[None]
    return no_plan()._replace(raise_below=wanted, raise_to=wanted, lower_above=wanted, lower_to=wanted)


def perfect(load_rps: FloatArray, *, lead_ticks: int, safe_rps: float) -> Plan:
    """What a controller would do that knows the load until ``lead_ticks`` ahead."""
    padded = np.concatenate([load_rps[1:], np.full(lead_ticks, load_rps[-1])])
    most = np.lib.stride_tricks.sliding_window_view(padded, lead_ticks).max(axis=1)
    return at_least(most[: len(load_rps)] / safe_rps - 1e-12)


def written(floor: IntArray) -> Plan:
    """A lower bound under the reactive controller, and nothing else."""
    return no_plan()._replace(written=floor[None])
