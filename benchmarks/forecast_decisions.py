"""What a forecast is worth to a decision: four days of capacity, one decision each 5 minutes, 10 minutes ahead.

Ours holds the larger of the 0.95 quantile and the load that is there; the reactive peer holds 1/0.8 of that load. Unmet
demand is told in mean loads; the newsvendor cost takes a missing unit as 19 times as bad as an idle one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from benchmarks.forecast_traces import AHEAD, HISTORY, LEVELS, SEASON, FloatArray, Trace
from forecaster import engine
from forecaster.history import prepare_batch

DAYS: Final = 4
LEAD: Final = 2
TARGET: Final = 0.8
UNDER_TO_OVER: Final = 19


class Outcome(NamedTuple):
    """``unmet``: mean over the traces; ``cost``: geometric mean, with one level set over against another by ratio."""

    unmet: float
    cost: float


def outcomes(traces: Sequence[Trace]) -> tuple[Outcome, Outcome]:
    """Ours and reactive."""
    ends = [len(trace.values) - DAYS * SEASON for trace in traces]
    caps, loads, now = _replay(traces, ends)
    ours = np.maximum(caps, now)
    return _outcome(ours, loads), _outcome(now / TARGET, loads)


def _replay(traces: Sequence[Trace], ends: Sequence[int]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The 0.95 quantile made ``LEAD`` steps before each, what came, and what was there; refitted each day."""
    caps, now = [], []
    for day in range(DAYS):
        begins = [end + day * SEASON - (LEAD - 1) for end in ends]
        known = np.stack([_window(trace.values, begin) for trace, begin in zip(traces, begins, strict=True)])
        filled, measured = prepare_batch(known, SEASON)
        state = engine.fit(filled, measured, season_length=SEASON, horizon=AHEAD, levels=LEVELS)
        for step in range(SEASON):
            caps.append(state.forecast(LEAD)[:, LEAD - 1, LEVELS.index(0.95)])
            now.append(state.scale.hard(state.newest[:, -1].astype(np.float64)))
            state.update(np.array([trace.values[begin + step] for trace, begin in zip(traces, begins, strict=True)]))
    loads = np.stack([trace.values[end : end + DAYS * SEASON] for trace, end in zip(traces, ends, strict=True)])
    # The first load is the step LEAD ahead of the last that the first decision knows.
    return np.stack(caps, axis=1), loads, np.stack(now, axis=1)


def _window(values: FloatArray, end: int) -> FloatArray:
    known = values[max(end - HISTORY, 0) : end]
    return np.concatenate([np.full(HISTORY - len(known), np.nan), known])


def _outcome(caps: FloatArray, loads: FloatArray) -> Outcome:
    mean = np.nanmean(loads, axis=1)
    unmet = np.nanmean(np.maximum(loads - caps, 0), axis=1) / mean
    idle = np.nanmean(np.maximum(caps - loads, 0), axis=1) / mean
    cost = UNDER_TO_OVER * unmet + idle
    return Outcome(unmet=float(unmet.mean()), cost=float(np.exp(np.log(np.maximum(cost, 1e-9)).mean())))
