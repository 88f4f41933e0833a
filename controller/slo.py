"""Whether an SLO burns: error ratios over pairs of windows, against how fast the budget would be gone.

The pairs are those of the alerts that page somebody (``rules.burn_rates``): 2 % of the budget in an hour, 5 % in six.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from controller.guardrails import SloState
from controller.triggers.wording import number
from domain.units import format_duration
from rules.burn_rates import PAGE_WINDOWS, WORKBOOK_WINDOW, Pair, Severity, pairs

WINDOWS: Final = PAGE_WINDOWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """The state of an SLO, the sentence about it, and whether a latency objective held in the last five minutes.

    ``fast``: it burns by the shorter pair of windows, so that its budget is gone within fifty hours.
    """

    state: SloState
    said: str
    held: bool | None = None
    fast: bool = False


def unknown(why: str) -> Burn:
    """Nothing is known, which protects like burning."""
    return Burn(state=SloState.UNKNOWN, said=why)


def burn_of(
    error_ratios: Mapping[timedelta, float | None], budget: float, *, window: timedelta = WORKBOOK_WINDOW, why: str = ""
) -> Burn:
    """What the error ratios by window come to.

    One window of a pair below its burn rate is enough to know that the pair does not burn; where both are missing, or
    one is and the other is above, nobody knows.

    Args:
        error_ratios: Share of the bad, 0 to 1; None where there are no data.
        budget: Share that may be bad.
        window: Over which it may.
        why: What a query said that gave no number.
    """
    rates = {over: None if ratio is None else ratio / budget for over, ratio in error_ratios.items()}
    judged = [one for one in pairs(window=window, budget=budget) if one.severity is Severity.PAGE]
    known = [pair.reached(rates) for pair in judged]
    for pair, burns in zip(judged, known, strict=True):
        if burns:
            return Burn(state=SloState.BURNING, said=_said(pair, rates), fast=pair is judged[0])
    for pair, burns in zip(judged, known, strict=True):
        if burns is None:
            return unknown(f"{_said(pair, rates)}{f'; {why}' if why else ''}")
    return Burn(state=SloState.OK, said=_said(judged[0], rates))


def _said(pair: Pair, rates: Mapping[timedelta, float | None]) -> str:
    told = [f"{_rate(rates.get(window))} over {format_duration(window)}" for window in (pair.long, pair.short)]
    return f"burn rate {' and '.join(told)}, burning from {number(pair.burn_rate)}"


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else number(rate)
