from __future__ import annotations

import numpy as np
import pytest

from forecaster import daily
from tests.forecaster.hourly import days

LEVELS = (0.05, 0.5, 0.95)


def test_a_quarter_ahead_of_week_year_and_growth() -> None:
    values = days(1300, noise=0.05)
    made = daily.forecast(values[None, :1210], horizon=90, levels=LEVELS)
    came = days(1300)[1210:]
    last_week = values[1203:1210][np.arange(90) % 7]
    assert np.abs(made.mean[0] - came).mean() < 0.6 * np.abs(last_week - came).mean()
    assert (came <= made.values[0, :, 2]).mean() > 0.85
    assert (np.diff(made.values, axis=2) >= 0).all()


@pytest.mark.parametrize("length", [daily.needed(30), 100, 400, 900])
@pytest.mark.parametrize("horizon", [1, 30])
def test_any_length_from_the_shortest_on(length: int, horizon: int) -> None:
    made = daily.forecast(days(length, noise=0.1)[None], horizon=horizon, levels=LEVELS)
    assert made.mean.shape == (1, horizon)
    assert made.values.shape == (1, horizon, 3)
    assert np.isfinite(made.values).all()


def test_what_goes_below_zero_keeps_a_band() -> None:
    made = daily.forecast(days(400, noise=0.1)[None] - 1500, horizon=14, levels=LEVELS)
    assert (made.values[0, :, 2] - made.values[0, :, 0] > 50).all()
    assert made.mean.min() < 0


def test_a_spike_a_year_ago_does_not_come_back() -> None:
    values = days(1000)
    struck = values.copy()
    struck[1000 - 364 + 10] *= 50
    plain, spiked = (daily.forecast(v[None], horizon=30, levels=LEVELS).mean[0] for v in (values, struck))
    assert np.abs(spiked / plain - 1).max() < 0.25


def test_days_that_are_mostly_zero_do_not_get_a_band_of_hundreds() -> None:
    sparse = np.random.default_rng(0).poisson(0.1, 400).astype(float)
    made = daily.forecast(sparse[None], horizon=30, levels=LEVELS)
    assert made.values.min() >= 0
    assert made.values.max() <= 3
