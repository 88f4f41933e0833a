from __future__ import annotations

import numpy as np

from forecaster.models import pooled_ridge
from forecaster.models.pooled_ridge import Pool, Sums
from tests.forecaster.hourly import WEEK, hours


def test_sums_over_chunks_are_the_sums_over_all() -> None:
    series = [hours(400, seed=seed, noise=3.0) for seed in range(4)]
    offsets = np.array([48, 0])
    whole = pooled_ridge.pool_sums(series, offsets, lags=24, horizon=12)
    parts = [pooled_ridge.pool_sums(part, offsets, lags=24, horizon=12) for part in (series[:1], series[1:])]
    for k in range(2):
        np.testing.assert_allclose((parts[0][k] + parts[1][k]).gram, whole[k].gram)
        assert (parts[0][k] + parts[1][k]).count == whole[k].count


def test_a_later_origin_counts_every_window_once() -> None:
    values = hours(400, noise=3.0)
    both = pooled_ridge.pool_sums([values], np.array([100, 0]), lags=24, horizon=12)
    alone = pooled_ridge.pool_sums([values], np.array([0]), lags=24, horizon=12)
    assert both[1].count == alone[0].count == 400 - 24 - 12 + 1
    np.testing.assert_allclose(both[1].cross, alone[0].cross)


def test_a_series_without_a_window_of_its_own_takes_the_pools_coefficients() -> None:
    pool = Pool.of(pooled_ridge.pool_sums([hours(600)], np.array([0]), lags=24, horizon=12)[0])
    assert pool.shrink(Sums.none(24, 12), 7.0).tolist() == pool.coefficients.tolist()


def test_a_short_history_forecasts_with_what_the_pool_knows() -> None:
    pools = [
        Pool.of(pooled_ridge.pool_sums([hours(900, seed=s) for s in range(5)], np.array([0]), lags=WEEK, horizon=24)[0])
    ]
    short = hours(WEEK + 5 + 24, seed=9)
    made = pooled_ridge.paths(short[None, : WEEK + 5], np.array([WEEK + 5]), lags=WEEK, horizon=24, pools=pools)[0, 0]
    assert np.abs(made - short[WEEK + 5 :]).mean() < 5


def test_a_flat_window_forecasts_its_level() -> None:
    pools = [Pool.of(pooled_ridge.pool_sums([hours(600)], np.array([0]), lags=24, horizon=12)[0])]
    values = np.concatenate([hours(100), np.full(50, 70.0)])
    made = pooled_ridge.paths(values[None], np.array([150]), lags=24, horizon=12, pools=pools)[0, 0]
    np.testing.assert_allclose(made, 70, rtol=1e-3)
