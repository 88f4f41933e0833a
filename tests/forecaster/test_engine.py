from __future__ import annotations

import numpy as np
import pytest

from forecaster import engine
from forecaster.history import prepare_batch
from tests.forecaster.synthetic import SEASON_LENGTH, curve, noise

LEVELS = (0.05, 0.5, 0.9, 0.95)
HORIZON = 48


def workloads(steps: int, count: int = 6) -> np.ndarray:
    """A day's curve with noise in proportion, at six scales, and a job that runs each hour in every second series."""
    made = [(1 + i) * curve(steps) * np.exp(0.15 * noise(steps, i)) for i in range(count)]
    for i in range(0, count, 2):
        made[i][i::4] += 150 * (1 + i)
    return np.stack(made)


def fitted(values: np.ndarray, **changes: object) -> engine.State:
    filled, measured = prepare_batch(values, SEASON_LENGTH)
    return engine.fit(
        filled, measured, **{"season_length": SEASON_LENGTH, "horizon": HORIZON, "levels": LEVELS, **changes}
    )


def pinball(actual: np.ndarray, made: np.ndarray) -> float:
    error = actual[..., None] - made
    return float(np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error).mean())


def test_it_errs_less_than_yesterday_and_learns_the_hourly_job() -> None:
    values = workloads(1600)
    state = fitted(values[:, :1500])
    made = state.forecast()
    actual = values[:, 1500 : 1500 + HORIZON]
    yesterday = values[:, 1500 - SEASON_LENGTH : 1500 - SEASON_LENGTH + HORIZON]
    assert pinball(actual, made) < 0.8 * pinball(actual, np.repeat(yesterday[..., None], len(LEVELS), axis=-1))
    jobs = made[0, :, 1].reshape(-1, 4)
    assert (jobs[:, 0] - jobs[:, 2]).mean() > 75


def test_quantiles_never_cross_and_stay_above_zero() -> None:
    made = fitted(workloads(1000)).forecast()
    assert made.shape == (6, HORIZON, len(LEVELS))
    assert (np.diff(made, axis=-1) >= 0).all()
    assert made.min() >= 0


def test_an_updated_state_forecasts_as_if_it_had_always_known() -> None:
    values = workloads(1400)
    state = fitted(values[:, :1000])
    for step in range(1000, 1400):  # past the end of the ring
        state.update(values[:, step])
    assert np.array_equal(state.newest[:, -400:], state.scale.soft(values)[:, 1000:].astype(np.float32))
    assert state.steps == 1400
    made = state.forecast(12)
    fresh = fitted(values).forecast(12)
    spread = values.max(axis=1) - values.min(axis=1)
    assert (np.abs(made - fresh).mean(axis=(1, 2)) < 0.1 * spread).all()


def test_a_missing_point_repeats_the_last() -> None:
    values = workloads(1000)
    state, other = fitted(values), fitted(values)
    state.update(np.full(6, np.nan))
    other.update(values[:, -1])
    assert state.forecast(4) == pytest.approx(other.forecast(4), rel=1e-5)


def test_a_level_shift_reaches_the_forecast_within_an_hour() -> None:
    values = workloads(1000)
    state, level = fitted(values), 3 * values.max(axis=1)
    assert not state.shifted.any()
    for _ in range(engine.BREACHES):
        state.forecast(2)
        state.update(level)
    assert state.shifted.all()
    made = state.forecast(2)
    assert made[:, 1, 1] == pytest.approx(level, rel=0.1)
    assert (made[:, 1, 3] > level).all()


def test_one_spike_is_no_shift_and_a_shift_is_over_after_an_hour() -> None:
    values = workloads(1000)
    state = fitted(values)
    state.forecast(12)
    state.update(3 * values.max(axis=1))
    state.update(values[:, 0])
    assert not state.shifted.any()
    for _ in range(engine.BREACHES):
        state.forecast(2)
        state.update(9 * values.max(axis=1))
    assert state.shifted.all()
    for step in range(SEASON_LENGTH // 24):
        state.update(values[:, step] * 0)
    assert not state.shifted.any()


def test_the_replay_sees_no_future() -> None:
    values = workloads(1300)
    origins = np.array([900, 1000, 1100])
    changed = values.copy()
    changed[:, 1100:] = 77.0
    made = [
        engine.replay(
            one, np.ones(one.shape, dtype=bool), origins, season_length=SEASON_LENGTH, horizon=HORIZON, levels=LEVELS
        )
        for one in (values, changed)
    ]
    assert set(made[0]) == {"quantile_ridge", "waves", "naive", "median"}
    for name in made[0]:
        assert np.allclose(made[0][name], made[1][name], rtol=1e-6)


def test_the_replay_covers_what_it_promises() -> None:
    """Six series, 40 origins, 48 steps; the origins overlap, so that 0.9 is known to about 0.02."""
    values = workloads(2000)
    origins = np.linspace(1300, 1950, 40).astype(int)
    made = engine.replay(
        values, np.ones(values.shape, dtype=bool), origins, season_length=SEASON_LENGTH, horizon=HORIZON,
        levels=LEVELS,
    )["median"]  # fmt: skip
    actual = values[:, origins[:, None] + np.arange(HORIZON)]
    low, half, nine, most = (actual[..., None] <= made).mean(axis=(0, 1, 2))
    assert 0.02 <= low <= 0.09
    assert 0.43 <= half <= 0.57
    assert 0.86 <= nine <= 0.95
    assert 0.92 <= most <= 0.98


def test_the_same_batch_gives_the_same_bits() -> None:
    values = workloads(900)
    assert fitted(values).forecast().tobytes() == fitted(values.copy()).forecast().tobytes()


def test_odd_series_stop_no_other_and_stay_sane() -> None:
    values = workloads(900)
    values[0] = 40.0
    values[1] = 0.0
    values[2, :] = np.nan
    values[3, :500] = np.nan
    values[4] -= 5000
    values[5, 100] = 1e12
    made = fitted(values).forecast()
    assert np.isfinite(made).all()
    assert made[0] == pytest.approx(np.full((HORIZON, 4), 40.0), abs=1e-3)
    assert not made[1].any()
    assert made[4, :, 1].max() < 0
    assert np.median(made[5, :, 1]) == pytest.approx(np.median(workloads(900)[5]), rel=0.5)


def test_the_boosted_member_takes_the_far_steps() -> None:
    values = workloads(1000)
    plain, boosted = fitted(values, horizon=96), fitted(values, horizon=96, boost=True)
    near, far = slice(0, 48), slice(48, 96)
    assert np.array_equal(plain.forecast()[:, near], boosted.forecast()[:, near])
    assert not np.array_equal(plain.forecast()[:, far], boosted.forecast()[:, far])
