"""Storage that grows is forecast to grow, and its band widens."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from domain.series import FloatArray
from forecaster.calibrate import Walk, calibrate
from forecaster.fit import fit
from forecaster.models import drift
from tests.forecaster.synthetic import request

DAY = timedelta(days=1)


def growth(length: int, *, per_day: float = 1.0, seed: int = 3) -> FloatArray:
    """Gigabytes on a disk: each day some are added."""
    return 40 + np.cumsum(np.random.default_rng(seed).gamma(2, per_day / 2, length))


def test_growth_goes_on() -> None:
    forecast = fit(request(growth(120), step=DAY, season=7 * DAY, horizon=60))

    assert forecast.combination[-1].members == ("drift",)
    assert forecast.quantile(0.5)[-1] == pytest.approx(growth(180)[-1], rel=0.06)
    width = forecast.quantile(0.95) - forecast.quantile(0.05)
    assert width[-1] > 2 * width[3]


def test_a_deletion_bends_the_growth_and_does_not_end_it() -> None:
    values = growth(120)
    values[80:] -= 30

    assert drift.rate(values, 7) > 0.5 * drift.rate(growth(120), 7), "26 days' growth is gone"
    path = drift.paths(values, np.array([120]), season_length=7, horizon=10)[0]
    assert path[0] == pytest.approx(values[-1], abs=3), "from the level after it"


def test_logs_that_rotate_each_day_keep_their_teeth() -> None:
    hours = np.arange(24 * 30)
    values = 100 + 0.02 * hours + 8.0 * (hours % 24) / 24

    path = drift.paths(values[: 24 * 23 + 5], np.array([24 * 23 + 5]), season_length=24, horizon=48)[0]

    assert path == pytest.approx(values[24 * 23 + 5 :][:48], abs=0.2)


def test_a_weekly_clean_up_is_part_of_the_slope() -> None:
    days = np.arange(7 * 12)
    values = 50 + days - 4.0 * (days // 7)

    path = drift.paths(values[: 7 * 10], np.array([7 * 10]), season_length=7, horizon=14)[0]

    assert path == pytest.approx(values[70:], abs=0.5)


def test_a_history_that_stands_still_stays() -> None:
    assert drift.paths(np.full(50, 7.0), np.array([40]), season_length=7, horizon=5).tolist() == [[7.0] * 5]


def test_two_values_are_enough_for_a_slope() -> None:
    assert drift.paths(np.array([1.0, 2.0]), np.array([2]), season_length=7, horizon=2).tolist() == [[3.0, 4.0]]


def test_the_band_of_a_wandering_model_widens_where_few_errors_are_known() -> None:
    actuals = np.random.default_rng(2).standard_normal((60, 32))
    actuals[:, 20:] = np.nan
    points = np.zeros_like(actuals)

    plain = calibrate(actuals, points, (0.1, 0.5, 0.9)).band(np.zeros(64))
    walk = calibrate(actuals, points, (0.1, 0.5, 0.9), walk=Walk(judged=80, behind=100)).band(np.zeros(32))

    assert walk[:8] == pytest.approx(plain[:8])
    assert walk[-1, 2] > 1.5 * plain[31, 2]
    assert walk[-1, 0] < 1.5 * plain[31, 0]
    assert walk[-1, 1] == pytest.approx(plain[31, 1])
