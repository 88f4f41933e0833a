"""Burn rates over pairs of windows: burning, kept, or unknown, which protects like burning."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.guardrails import SloState
from controller.slo import WINDOWS, burn_of

BUDGET = 0.005
HOUR, FIVE, SIX, HALF = WINDOWS


@pytest.mark.parametrize(
    ("hour", "five", "six", "half", "state"),
    [
        (0.10, 0.10, 0.01, 0.10, SloState.BURNING),
        (0.10, 0.05, 0.01, 0.01, SloState.OK),  # the errors have ended
        (0.05, 0.10, 0.01, 0.01, SloState.OK),  # they are too young
        (0.05, 0.05, 0.04, 0.05, SloState.BURNING),  # slowly
        (0.0, 0.0, 0.0, 0.0, SloState.OK),
        (0.072, 0.072, 0.0, 0.0, SloState.BURNING),  # exactly 14.4
        (None, 0.0, None, 0.0, SloState.OK),  # it is new, and good
        (None, 0.10, 0.0, 0.0, SloState.UNKNOWN),
        (None, None, None, None, SloState.UNKNOWN),
        (0.10, 0.10, None, None, SloState.BURNING),
    ],
)
def test_states(hour: float | None, five: float | None, six: float | None, half: float | None, state: SloState) -> None:
    ratios: dict[timedelta, float | None] = {HOUR: hour, FIVE: five, SIX: six, HALF: half}
    assert burn_of(ratios, BUDGET).state is state


def test_the_sentence_tells_the_pair_that_decided() -> None:
    burn = burn_of({HOUR: 0.112, FIVE: 0.155, SIX: 0.01, HALF: 0.01}, BUDGET)
    assert burn.said == "burn rate 22.4 over 1h and 31 over 5m, burning from 14.4"
    silent = burn_of({HOUR: None, FIVE: None, SIX: 0.01, HALF: 0.01}, BUDGET, why="query yields no series")
    assert silent.said == "burn rate unknown over 1h and unknown over 5m, burning from 14.4; query yields no series"
