from __future__ import annotations

import numpy as np
import pytest

from domain.series import FloatArray, IntArray
from forecaster.backtest import ORIGINS, Replay, replay
from forecaster.history import prepare
from forecaster.models import COMPETING
from tests.forecaster.synthetic import SEASON, SEASON_LENGTH, START, STEP, curve, noise


def history_of(values: FloatArray):
    return prepare("s", values, start=START, step=STEP, season=SEASON)


def test_wape_is_absolute_error_over_absolute_actuals() -> None:
    past = Replay(
        origins=np.array([1, 2]),
        actuals=np.array([[10.0, -10.0], [20.0, np.nan]]),
        points={"m": np.array([[12.0, -9.0], [19.0, 1e9]])},
    )
    assert past.wape("m") == pytest.approx(4 / 40)


def test_wape_of_a_demand_that_was_always_zero() -> None:
    past = Replay(
        origins=np.array([1]), actuals=np.zeros((1, 2)), points={"right": np.zeros((1, 2)), "wrong": np.ones((1, 2))}
    )
    assert past.wape("right") == 0
    assert past.wape("wrong") == float("inf")


def test_origins_lie_in_the_last_third_and_reach_the_last_step() -> None:
    past = replay(history_of(curve(2016) + noise(2016)), COMPETING, horizon=48)
    assert len(past.origins) == ORIGINS
    assert (past.origins[0], past.origins[-1]) == (1344, 2015)
    assert past.actuals[-1, 0] == history_of(curve(2016) + noise(2016)).values[-1]
    assert np.isnan(past.actuals[-1, 1:]).all()


def test_two_seasons_leave_the_first_to_learn_from() -> None:
    past = replay(history_of(curve(2 * SEASON_LENGTH)), COMPETING, horizon=10)
    assert past.origins[0] > SEASON_LENGTH
    assert set(past.points) == set(COMPETING)


def test_filled_steps_are_not_counted_as_truth() -> None:
    values = curve(960)
    values[800:850] = np.nan
    past = replay(history_of(values), COMPETING, horizon=1)
    counted = past.origins[~np.isnan(past.actuals[:, 0])]
    assert len(counted) > 0
    assert not np.isin(counted, np.arange(800, 850)).any()


def test_the_season_wins_where_there_is_one_and_naive_where_there_is_none() -> None:
    seasonal = replay(history_of(curve(960) + 5 * noise(960)), COMPETING, horizon=48)
    walk = replay(history_of(1000 + np.cumsum(noise(960))), COMPETING, horizon=4)
    assert seasonal.wape("fourier_ar") < seasonal.wape("seasonal_naive") < seasonal.wape("naive")
    assert walk.wape("naive") < walk.wape("seasonal_naive")


def test_a_model_that_cannot_be_fitted_takes_no_part() -> None:
    def broken(values: FloatArray, origins: IntArray, *, season_length: int, horizon: int) -> FloatArray:
        raise np.linalg.LinAlgError("not positive definite")

    def absurd(values: FloatArray, origins: IntArray, *, season_length: int, horizon: int) -> FloatArray:
        return np.full((len(origins), horizon), np.inf)

    past = replay(history_of(curve(300)), {**COMPETING, "broken": broken, "absurd": absurd}, horizon=3)
    assert set(past.points) == set(COMPETING)
