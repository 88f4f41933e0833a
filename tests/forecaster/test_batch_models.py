"""What every batch model owes: the future unseen, and the shape promised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from domain.series import FloatArray, IntArray
from forecaster.models import aligned_ridge, double_seasonal, harmonic, pooled_ridge, profile, year_ago
from forecaster.models.aligned_ridge import Seasons
from forecaster.models.pooled_ridge import Pool
from tests.forecaster.hourly import DAY, WEEK, days, hours

HORIZON = 30
SEASONS = Seasons(short=DAY, long=WEEK)
Paths = Callable[[FloatArray, IntArray], FloatArray]


def _pooled(batch: FloatArray, origins: IntArray) -> FloatArray:
    offsets = batch.shape[1] - origins
    pools = [Pool.of(sums) for sums in pooled_ridge.pool_sums(batch, offsets, lags=WEEK, horizon=HORIZON)]
    return pooled_ridge.paths(batch, origins, lags=WEEK, horizon=HORIZON, pools=pools)


def _aligned(batch: FloatArray, origins: IntArray) -> FloatArray:
    offsets = batch.shape[1] - origins
    sums = aligned_ridge.pool_sums(batch, offsets, seasons=SEASONS, horizon=HORIZON)
    pools = [[Pool.of(one) for one in band] for band in sums]
    return aligned_ridge.paths(batch, origins, seasons=SEASONS, horizon=HORIZON, pools=pools)


HARMONIC = harmonic.Shape(seasons=[(DAY, 6), (WEEK, 20)], bends=3, half_life=400.0, order=12)
MODELS: dict[str, Paths] = {
    "pooled_ridge": _pooled,
    "aligned_ridge": _aligned,
    "double_seasonal": partial(double_seasonal.paths, short=DAY, long=WEEK, horizon=HORIZON),
    "harmonic": partial(harmonic.paths, shape=HARMONIC, horizon=HORIZON),
    "profile": partial(profile.paths, period=WEEK, horizon=HORIZON),
    "year_ago": partial(year_ago.paths, horizon=HORIZON, moved=0.5),
}


@pytest.mark.parametrize("name", MODELS)
def test_no_model_sees_beyond_its_origin(name: str) -> None:
    batch = np.stack([hours(700, seed=seed, noise=5.0) for seed in range(3)])
    origins = np.array([560, 630])
    changed = batch.copy()
    changed[:, 560:] *= 7
    before, after = MODELS[name](batch, origins), MODELS[name](changed, origins)
    assert before.shape == (2, 3, HORIZON)
    np.testing.assert_allclose(before[0], after[0], rtol=1e-9)
    if name not in ("profile", "year_ago"):  # medians are deaf to a part of one week
        assert np.abs(before[1] - after[1]).max() > 1


@pytest.mark.parametrize("name", [name for name in MODELS if name != "year_ago"])
def test_every_hourly_model_learns_a_clean_week(name: str) -> None:
    saturday = 40 * DAY
    batch = np.stack([hours(saturday + HORIZON, seed=seed) for seed in range(3)])
    made = MODELS[name](batch[:, :saturday], np.array([saturday]))[0]
    friday = batch[:, saturday - DAY : saturday][:, np.arange(HORIZON) % DAY]
    came = batch[:, saturday:]
    assert np.abs(made - came).mean() < 0.35 * np.abs(friday - came).mean()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_follows_the_scale_of_its_series(name: str) -> None:
    batch = np.stack([hours(700, seed=seed, noise=5.0) for seed in range(3)])
    origins = np.array([700])
    np.testing.assert_allclose(MODELS[name](1000 * batch, origins), 1000 * MODELS[name](batch, origins), rtol=1e-4)


def test_last_year_returns_on_its_weekday_half_moved_to_todays_level() -> None:
    batch = days(800)[None]
    as_it_was, half, moved = (
        year_ago.paths(batch, np.array([800]), horizon=28, moved=share)[0, 0] for share in (0.0, 0.5, 1.0)
    )
    assert np.argsort(as_it_was[:7])[:2].tolist() == [np.argsort(days(807)[800:])[0], np.argsort(days(807)[800:])[1]]
    np.testing.assert_allclose(half, (as_it_was + moved) / 2)
    assert moved.mean() > as_it_was.mean()


def test_before_a_year_is_known_the_last_weeks_stand_in() -> None:
    batch = days(300)[None]
    made = year_ago.paths(batch, np.array([300]), horizon=14, moved=0.5)
    assert made.tolist() == profile.paths(batch, np.array([300]), period=7, horizon=14).tolist()
