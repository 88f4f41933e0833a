"""From a forecast of the load to what a controller may do at every tick: add to here, give back to there.

Functions of the load only: computed once for a forecast and replayed against any number of controllers.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from controller import price
from controller.simulate.loop import FloatArray, Plan
from controller.simulate.pods import IntArray
from domain.load_ahead import LoadAhead

MOST_REPLICAS = 4_096


def no_plan() -> Plan:
    """Nothing is forecast."""
    none = np.zeros((1, 0), dtype=np.int64)
    return Plan(raise_below=none, raise_to=none, lower_above=none, lower_to=none, written=none, violated_budget=0.0,
                gain=0.0, first_level=0.0)  # fmt: skip


def floors(ahead: LoadAhead, *, safe_rps: float, missed: float, by: ModuleType = price) -> IntArray:
    """The cheapest replicas at every tick when a missed tick costs ``missed`` idle replicas; ``by`` may be compiled."""
    rooms = np.log(np.arange(MOST_REPLICAS) * safe_rps + ahead.offset)
    sure = np.argmax(ahead.tails < 1.0, axis=1) - 1
    first = ahead.lowest + ahead.step * np.repeat(sure, ahead.block_ticks)[: len(ahead.centre)]
    starts = np.searchsorted(rooms, ahead.centre + ahead.scale * first)
    made = np.empty(len(ahead.centre), dtype=np.int64)
    by.floors(ahead.centre, ahead.scale, ahead.tails, ahead.block_ticks, ahead.lowest, ahead.step, rooms,
              starts, missed, made)  # fmt: skip
    return made


def following(
    add: LoadAhead,
    keep: LoadAhead,
    *,
    safe_rps: float,
    missed: Sequence[float],
    violated_budget: float = 0.0,
    gain: float = 0.0,
    by: ModuleType = price,
) -> Plan:
    """Add what will be missing one start-up from now; give back what will not be needed until then.

    Args:
        add: Load at the time when what starts now is ready.
        keep: Load until then.
        safe_rps: Of one replica.
        missed: Price of a missed tick in idle replicas, one for each level of caution, rising.
        violated_budget: Share of time that may miss the objective; 0 stays at the first level.
        gain: Levels of caution for a missed tick.
        by: The price rule, plain or compiled.
    """
    raises = np.stack([floors(add, safe_rps=safe_rps, missed=one, by=by) for one in missed])
    keeps = np.stack([floors(keep, safe_rps=safe_rps, missed=one, by=by) for one in missed])
    keeps = np.maximum(keeps, raises)
    return Plan(
        raise_below=raises, raise_to=raises, lower_above=keeps, lower_to=keeps, written=np.zeros((1, 0), dtype=np.int64),
        violated_budget=violated_budget, gain=gain, first_level=(len(missed) - 1) / 2 if violated_budget else 0.0,
    )  # fmt: skip


def perfect(load_rps: FloatArray, *, lead_ticks: int, safe_rps: float) -> Plan:
    """What a controller would do that knows the load until ``lead_ticks`` ahead."""
    size = len(load_rps)
    padded = np.concatenate([load_rps[1:], np.full(lead_ticks, load_rps[-1])])
    most = np.lib.stride_tricks.sliding_window_view(padded, lead_ticks).max(axis=1)[:size]
    needed = np.ceil(most / safe_rps - 1e-12).astype(np.int64)[None]
    return Plan(raise_below=needed, raise_to=needed, lower_above=needed, lower_to=needed,
                written=np.zeros((1, 0), dtype=np.int64), violated_budget=0.0, gain=0.0, first_level=0.0)  # fmt: skip
