"""When the triggers of a rule told of work, tick by tick: what keeps a workload awake that may go to 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app.backtesting.recorded import Recorded
from domain.series import FloatArray, IntArray
from rules.schema import ScalingRule, Trigger


def told(
    rule: ScalingRule, values: Mapping[str, FloatArray], peaks: Mapping[str, FloatArray], recorded: Recorded
) -> dict[str, IntArray]:
    """By trigger 1 where it said that there is work, else 0; nothing for a rule that never idles.

    Args:
        rule: The rule.
        values: What each trigger saw, as recorded.
        peaks: The peak of each forecast by quantile.
        recorded: Further columns.
    """
    if rule.spec.replicas.idle_after is None:
        return {}
    return {one.name: _of(rule, one, values, peaks, recorded).astype(np.int64) for one in rule.spec.triggers}


def _of(
    rule: ScalingRule, trigger: Trigger, values: Mapping[str, FloatArray], peaks: Mapping[str, FloatArray],
    recorded: Recorded,
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:  # fmt: skip
    nothing = np.full(recorded.ticks, np.nan)
    if trigger.forecast is not None and trigger.forecast.price is None:
        source = trigger if trigger.forecast.of is None else rule.trigger(trigger.forecast.of)
        return np.greater(peaks.get(trigger.name, nothing), float(source.activate or 0))
    if trigger.forecast is not None or trigger.schedule is not None:  # what they ask for is work
        return np.ones(recorded.ticks, dtype=np.bool_)
    seen = values.get(trigger.name, nothing)
    if trigger.event is not None:
        return np.greater(seen, 0)
    some = np.greater(seen, float(trigger.activate or 0))
    if trigger.queue is None or trigger.activate is not None:
        return some
    return some | np.greater(recorded.columns.get(f"{trigger.name}.arrivals", nothing), 0)
