from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domain.series import FloatArray
from forecaster import sparse
from forecaster.fit import fit
from forecaster.history import History, prepare
from tests.forecaster.synthetic import SEASON, SEASON_LENGTH, START, STEP, curve, noise, request


def jobs(seasons: int, share: float = 0.2, seed: int = 0) -> FloatArray:
    """Jobs in the first quarter of each season, in a ``share`` of its steps between 5 and 15; zero otherwise."""
    draw = np.random.default_rng(seed)
    values = np.zeros(seasons * SEASON_LENGTH)
    busy = np.arange(len(values)) % SEASON_LENGTH < SEASON_LENGTH // 4
    return np.where(busy & (draw.random(len(values)) < 4 * share), draw.integers(5, 16, len(values)), values)


def history(values: FloatArray) -> History:
    return prepare("shop/checkout/soon", values, start=START, step=STEP, season=SEASON)


def test_a_counter_of_zeros_gets_the_quantiles_of_its_phase_and_says_so() -> None:
    values = jobs(12)
    share = (values[-SEASON_LENGTH:] == 0).mean()
    forecast = fit(request(values, horizon=SEASON_LENGTH, quantiles=(0.05, 0.5, 0.9, 0.95)))
    assert forecast.model == "empirical"
    assert forecast.fallback_reason == f"{100 * share:.0f} % of the last season are zeros"
    assert forecast.values[4:20, -1] == pytest.approx(np.full(16, 15), abs=1.5)
    assert not forecast.values[30:90].any()
    assert forecast.backtest is not None
    assert {"empirical", "naive", "seasonal_naive"} <= set(forecast.backtest.wape_by_model)
    assert forecast.backtest.coverage[0.95] >= 0.93


def test_its_quantiles_keep_their_promise() -> None:
    """Where jobs run 0.8 of the steps are above 0: the pooled 0.9 covers 0.9 there, and all elsewhere."""
    values = jobs(60)
    hits = []
    for origin in range(20 * SEASON_LENGTH, 59 * SEASON_LENGTH, SEASON_LENGTH):
        made = sparse.quantiles(history(values[:origin]), np.array([origin]), SEASON_LENGTH, (0.5, 0.9))[0]
        hits.append(values[origin + 4 : origin + 20] <= made[4:20, 1])
    assert np.mean(hits) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize(("values", "model"), [(curve(960) + noise(960), "auto"), (jobs(10), "seasonal_naive")])
def test_other_signals_and_asked_models_are_left_alone(values: FloatArray, model: str) -> None:
    assert fit(request(values, model=model)).model != "empirical"


def test_six_tenths_of_zeros_are_not_yet_too_many() -> None:
    values = np.tile(np.repeat([0.0, 3.0], [6, 4]), 100)[:960]
    found = prepare("shop/checkout/soon", values, start=START, step=STEP, season=100 * STEP)
    assert sparse.zeros(found) == pytest.approx(0.6)
    assert not sparse.is_sparse(found)


def test_a_signal_that_knows_negative_values_is_not_a_counter() -> None:
    values = jobs(10)
    values[3] = -1
    assert not sparse.is_sparse(history(values))


def test_a_phase_that_was_never_measured_takes_the_quantiles_of_all() -> None:
    values = jobs(3)
    found = history(values)
    at_night = np.arange(len(values)) % SEASON_LENGTH
    dark = History(
        values=values, start=START, step=STEP, season_length=SEASON_LENGTH,
        measured=(at_night < 30) | (at_night > 80),
    )  # fmt: skip
    made = sparse.quantiles(dark, np.array([len(found.values)]), SEASON_LENGTH, (0.5, 0.95))[0]
    assert np.isfinite(made).all()
    assert made[55, 1] == np.quantile(values[dark.measured], 0.95)


@given(
    values=arrays(np.float64, st.integers(40, 160), elements=st.sampled_from([0.0, 0.0, 0.0, 0.0, 1.0, 7.0, np.nan])),
    season_length=st.integers(2, 20),
    horizon=st.integers(1, 60),
)
@settings(deadline=None, max_examples=80)
def test_sparse_forecasts_are_sane_and_do_not_see_the_future(
    values: FloatArray, season_length: int, horizon: int
) -> None:
    values[[0, -1]] = 0.0
    values[5:30] = 0.0
    found = prepare("shop/checkout/soon", values, start=START, step=STEP, season=season_length * timedelta(seconds=15))
    origin = np.array([30])
    made = sparse.quantiles(found, origin, horizon, (0.05, 0.5, 0.95))
    other = History(
        values=np.concatenate([found.values[:30], found.values[30:] + 100]), start=START, step=STEP,
        season_length=season_length, measured=found.measured,
    )  # fmt: skip
    assert made.tobytes() == sparse.quantiles(other, origin, horizon, (0.05, 0.5, 0.95)).tobytes()
    assert made.shape == (1, horizon, 3)
    assert np.isfinite(made).all()
    assert made.min() >= 0
    assert (np.diff(made, axis=2) >= 0).all()


def test_a_silence_longer_than_all_that_is_looked_at_takes_what_was_before_it() -> None:
    values = np.full(38, np.nan)
    values[[*range(9), 37]] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert np.isfinite(fit(request(values, season=STEP, horizon=1)).values).all()
