"""The guarding SLO in a replay: its recorded error ratios, looked at once a minute and judged as live."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from app.backtesting.recorded import TICK_SECONDS, Recorded
from controller import slo
from controller.guardrails import SloState
from controller.reading import BURN_EVERY
from controller.simulate import rule_loop
from domain.series import IntArray
from domain.units import format_duration
from rules.schema import SLO

COLUMNS: Final = {window: f"guard.{format_duration(window)}" for window in slo.WINDOWS}
"""Of the error ratio over each window: 0 to 1, 0 where there were no requests, nothing where nobody knows."""
_STATES: Final = {
    SloState.OK: rule_loop.KEPT, SloState.BURNING: rule_loop.BURNING, SloState.UNKNOWN: rule_loop.UNKNOWN,
}  # fmt: skip


def states(document: SLO | None, recorded: Recorded) -> IntArray | None:
    """State of the SLO at every tick; None where the document or a column is not there."""
    if document is None or any(name not in recorded.columns for name in COLUMNS.values()):
        return None
    every = max(round(BURN_EVERY.total_seconds() / TICK_SECONDS), 1)
    looked = [
        _STATES[slo.burn_of(_ratios(recorded, tick), document.budget, window=document.spec.window).state]
        for tick in range(0, recorded.ticks, every)
    ]  # fmt: skip
    return np.repeat(np.array(looked, dtype=np.int64), every)[: recorded.ticks]


def _ratios(recorded: Recorded, tick: int) -> dict[timedelta, float | None]:
    seen = {window: float(recorded.columns[name][tick]) for window, name in COLUMNS.items()}
    return {window: value if np.isfinite(value) else None for window, value in seen.items()}
