"""Whether an SLO burns: error ratios over pairs of windows, against how fast the budget would be gone.

Source:
    Google's SRE workbook, chapter 5 (multiwindow, multi-burn-rate alerts): 2 % of a month's budget in an hour, or 5 %
    in six; the short window ends it soon after the errors end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from controller.guardrails import SloState
from controller.triggers.wording import number
from domain.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two windows, and the burn rate that both must reach."""

    long: timedelta
    short: timedelta
    burn_rate: float


PAIRS: Final = (
    Pair(long=timedelta(hours=1), short=timedelta(minutes=5), burn_rate=14.4),
    Pair(long=timedelta(hours=6), short=timedelta(minutes=30), burn_rate=6.0),
)
_ROUNDING: Final = 1e-9
"""1 − 0.995 is 0.0050000000000000044."""
WINDOWS: Final = tuple(window for pair in PAIRS for window in (pair.long, pair.short))


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """The state of an SLO, the sentence about it, and whether a latency objective held in the last five minutes.

    ``fast``: it burns by the shorter pair of windows, so that its budget is gone within two days.
    """

    state: SloState
    said: str
    held: bool | None = None
    fast: bool = False


def unknown(why: str) -> Burn:
    """Nothing is known, which protects like burning."""
    return Burn(state=SloState.UNKNOWN, said=why)


def burn_of(error_ratios: Mapping[timedelta, float | None], budget: float, *, why: str = "") -> Burn:
    """What the error ratios by window come to.

    One window of a pair below its burn rate is enough to know that the pair does not burn; where both are missing, or
    one is and the other is above, nobody knows.

    Args:
        error_ratios: Share of the bad, 0 to 1; None where there are no data.
        budget: Share that may be bad.
        why: What a query said that gave no number.
    """
    rates = {window: None if ratio is None else ratio / budget for window, ratio in error_ratios.items()}
    known = [_burns(pair, rates) for pair in PAIRS]
    for pair, burns in zip(PAIRS, known, strict=True):
        if burns:
            return Burn(state=SloState.BURNING, said=_said(pair, rates), fast=pair is PAIRS[0])
    for pair, burns in zip(PAIRS, known, strict=True):
        if burns is None:
            return unknown(f"{_said(pair, rates)}{f'; {why}' if why else ''}")
    return Burn(state=SloState.OK, said=_said(PAIRS[0], rates))


def _burns(pair: Pair, rates: Mapping[timedelta, float | None]) -> bool | None:
    both = [rates.get(pair.long), rates.get(pair.short)]
    if any(rate is not None and rate < pair.burn_rate - _ROUNDING for rate in both):
        return False
    return None if None in both else True


def _said(pair: Pair, rates: Mapping[timedelta, float | None]) -> str:
    told = [f"{_rate(rates.get(window))} over {format_duration(window)}" for window in (pair.long, pair.short)]
    return f"burn rate {' and '.join(told)}, burning from {number(pair.burn_rate)}"


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else number(rate)
