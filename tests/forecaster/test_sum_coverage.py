"""Sums of a backtest are held against the sums of paths: what fits hour by hour may be far too sure of a week."""

from __future__ import annotations

import numpy as np
import pytest

from domain.forecasts import Dependence
from domain.series import FloatArray
from forecaster import sum_coverage
from tests.forecaster.handmade import LEVELS, normal
from tests.forecaster.test_paths import errors

ORIGINS = np.arange(0, 960, 8)
"""So that 200 steps after the last are known, a stretch is of the whole horizon."""


def judged(actuals: FloatArray, dependence: Dependence) -> tuple[int, float]:
    band = normal(np.full(actuals.shape[1], 100.0), 5.0, dependence=None).values
    bands = np.broadcast_to(band, (*actuals.shape, len(LEVELS)))
    steps, shares = sum_coverage.held(ORIGINS, actuals, bands, LEVELS, dependence)
    return steps, shares[0.95] - shares[0.05]


@pytest.mark.parametrize(("lasting", "echo"), [(0.0, 0.0), (0.4, 0.8)])
def test_paths_with_the_errors_own_dependence_hold_nine_sums_in_ten(lasting: float, echo: float) -> None:
    came = 100 + 5 * errors(len(ORIGINS), 48, lasting=lasting, echo=echo)

    steps, share = judged(came, Dependence(lasting=lasting, echo=echo))

    assert steps == 48
    assert share == pytest.approx(0.9, abs=0.15)  # 32 sums: ± 0.053 is one standard error


def test_lasting_errors_taken_for_independent_ones_are_found_out_though_every_hour_fits() -> None:
    came = 100 + 5 * errors(len(ORIGINS), 48, lasting=0.5, echo=0.0)

    assert judged(came, Dependence(lasting=0.0, echo=0.0))[1] < 0.5
    apart = 100 + 5 * errors(len(ORIGINS), 48, lasting=0.0, echo=0.0)
    assert judged(apart, Dependence(lasting=1.0, echo=0.0))[1] > 0.97


def test_a_stretch_is_short_enough_to_be_seen_five_times_and_unknown_steps_are_in_none() -> None:
    came = np.full((len(ORIGINS), 400), np.nan)
    came[ORIGINS < 60, :50] = 100.0  # 8 origins, 56 + 50 steps
    assert judged(came, Dependence(lasting=0.0, echo=0.0))[0] == 106 // 5
    assert sum_coverage.held(ORIGINS, np.full((120, 9), np.nan), np.zeros((120, 9, 5)), LEVELS, None) == (0, {})
