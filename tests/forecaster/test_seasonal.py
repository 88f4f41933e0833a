from __future__ import annotations

import numpy as np
import pytest

from forecaster import seasonal
from forecaster.models.aligned_ridge import Seasons
from tests.forecaster.hourly import DAY, WEEK, hours

LEVELS = (0.05, 0.5, 0.95)
TASK = seasonal.Task(seasons=Seasons(short=DAY, long=WEEK), horizon=48)


def _made(batch: np.ndarray, task: seasonal.Task = TASK) -> seasonal.Made:
    return seasonal.forecast(batch, task, seasonal.Pools.of(seasonal.learn(batch, task)), LEVELS)


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    return np.stack([hours(748, seed=seed, noise=8.0) for seed in range(8)])


def test_the_blend_beats_yesterday_and_its_band_covers(noisy: np.ndarray) -> None:
    made = _made(noisy[:, :700])
    came = noisy[:, 700:]
    truth = np.stack([hours(748, seed=seed)[700:] for seed in range(8)])
    assert np.abs(made.mean - truth).mean() < 0.5 * np.abs(noisy[:, 676:700][:, np.arange(48) % 24] - truth).mean()
    assert 0.85 < (came <= made.values[..., 2]).mean() <= 1
    assert 0.85 < (came >= made.values[..., 0]).mean() <= 1
    assert (np.diff(made.values, axis=2) >= 0).all()


def test_shared_sums_of_chunks_add_up_to_those_of_all(noisy: np.ndarray) -> None:
    whole = seasonal.learn(noisy, TASK)
    parts = seasonal.learn(noisy[:3], TASK) + seasonal.learn(noisy[3:], TASK)
    np.testing.assert_allclose(parts.ridge[-1].gram, whole.ridge[-1].gram)
    np.testing.assert_allclose(parts.aligned_log[0][0].cross, whole.aligned_log[0][0].cross)


def test_a_series_does_not_depend_on_its_neighbours_in_the_chunk_but_for_the_band(noisy: np.ndarray) -> None:
    pools = seasonal.Pools.of(seasonal.learn(noisy, TASK))
    together = seasonal.forecast(noisy, TASK, pools, LEVELS)
    alone = seasonal.forecast(noisy[2:3], TASK, pools, LEVELS)
    np.testing.assert_allclose(together.mean[2], alone.mean[0], rtol=1e-9)


def test_a_horizon_beyond_a_week_repeats_the_week(noisy: np.ndarray) -> None:
    task = seasonal.Task(seasons=TASK.seasons, horizon=2 * WEEK + 5)
    made = _made(noisy[:2], task)
    assert made.mean.shape == (2, 2 * WEEK + 5)
    assert made.mean[:, WEEK : 2 * WEEK].tolist() == made.mean[:, :WEEK].tolist()


def test_one_step_is_weighed_by_a_whole_day(noisy: np.ndarray) -> None:
    task = seasonal.Task(seasons=TASK.seasons, horizon=1)
    made = _made(noisy[:2], task)
    assert made.mean.shape == (2, 1)
    assert made.blend.errors.shape[2] == DAY


@pytest.mark.parametrize("length", [TASK.needed, TASK.needed + 47, TASK.needed + 48, TASK.needed + 96, 3000])
def test_folds_leave_two_weeks_before_the_first(length: int) -> None:
    origins = TASK.origins(length)
    assert origins[-1] == length
    assert 2 <= len(origins) <= seasonal.FOLDS + 1
    assert origins[0] >= 2 * WEEK


def test_what_is_never_negative_is_not_forecast_negative_and_what_is_may_be() -> None:
    sparse = np.where(np.random.default_rng(0).random((2, 700)) < 0.8, 0.0, 5.0)
    made = _made(sparse)
    assert made.values.min() >= 0
    below = _made(np.stack([hours(700) - 100, hours(700, noise=4.0) - 100]))
    assert below.mean.min() < -20


def test_what_was_filled_weighs_nothing(noisy: np.ndarray) -> None:
    measured = np.ones((2, 700), dtype=bool)
    measured[0, 600:640] = False
    filled = noisy[:2, :700].copy()
    filled[0, 600:640] = filled[0, 576:616]  # what seasonal naive would have said: it must not be praised for it
    pools = seasonal.Pools.of(seasonal.learn(filled, TASK))
    believed = seasonal.forecast(filled, TASK, pools, LEVELS).blend
    known = seasonal.forecast(filled, TASK, pools, LEVELS, measured=measured).blend
    naive = seasonal.MEMBERS.index("seasonal_naive")
    assert known.weights[naive, 0] < believed.weights[naive, 0]
    assert known.sound.all()
    assert np.isfinite(known.errors).all()


def test_half_hours_work_too() -> None:
    task = seasonal.Task(seasons=Seasons(short=48, long=336), horizon=48)
    at = np.arange(900)
    batch = (100 - 50 * np.cos(2 * np.pi * at / 48) + np.random.default_rng(0).standard_normal(900))[None]
    made = _made(batch, task)
    assert np.abs(made.mean[0] - (100 - 50 * np.cos(2 * np.pi * np.arange(900, 948) / 48))).mean() < 2
