from __future__ import annotations

import numpy as np

from forecaster import telemetry

SEASON = 48


def _day(length: int, phase: int = 0) -> np.ndarray:
    return 100 - 50 * np.cos(2 * np.pi * (np.arange(length) + phase) / SEASON)


def _forecast(histories: list[np.ndarray], horizon: int) -> np.ndarray:
    shaken = [values + 0.5 * np.random.default_rng(len(values)).standard_normal(len(values)) for values in histories]
    measured = [np.ones(len(values), dtype=bool) for values in histories]
    return telemetry.forecast(shaken, measured, season_length=SEASON, horizon=horizon, levels=(0.1, 0.5, 0.9))


def test_histories_may_begin_at_different_times() -> None:
    sizes = (400, 300, 350)
    made = _forecast([_day(size, phase=-size) for size in sizes], 12)
    np.testing.assert_allclose(made[..., 1], np.tile(_day(12), (3, 1)), atol=6)
    assert (np.diff(made, axis=2) >= 0).all()


def test_beyond_one_season_the_last_repeats() -> None:
    made = _forecast([_day(500) for _ in range(3)], 2 * SEASON + 5)
    assert made.shape == (3, 2 * SEASON + 5, 3)
    assert made[:, SEASON : 2 * SEASON].tolist() == made[:, :SEASON].tolist()


def test_the_shortest_history_is_enough() -> None:
    size = telemetry.needed(12, SEASON)
    assert np.isfinite(_forecast([_day(size), _day(size)], 12)).all()


def test_the_backtest_tells_each_members_error_of_each_series() -> None:
    generator = np.random.default_rng(1)
    histories = [_day(400) + size * generator.standard_normal(400) for size in (0.5, 10.0)]
    measured = [np.ones(400, dtype=bool), np.arange(400) % 7 > 0]
    wape = telemetry.backtest(histories, measured, season_length=SEASON, horizon=12)
    assert set(wape) == {"median", "quantile_ridge", "waves", "naive"}
    assert wape["median"][0] < 0.05 < wape["median"][1] < 0.3
    assert wape["median"][0] < wape["naive"][0]


def test_a_backtest_without_truth_is_not_a_number() -> None:
    silent = np.arange(400) < 250
    wape = telemetry.backtest([_day(400)], [silent], season_length=SEASON, horizon=12)
    assert np.isnan(wape["median"]).all()
