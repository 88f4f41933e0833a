from __future__ import annotations

import numpy as np

from forecaster.models import harmonic
from tests.forecaster.hourly import DAY, days, hours


def _ahead(values: np.ndarray, horizon: int, **shape: object) -> np.ndarray:
    return harmonic.paths(values[None], np.array([len(values)]), shape=harmonic.Shape(**shape), horizon=horizon)[0, 0]  # type: ignore[arg-type]


def test_a_spike_does_not_bend_the_season() -> None:
    values = 100 + 20 * np.sin(2 * np.pi * np.arange(480) / DAY)
    struck = values.copy()
    struck[200] = 10_000
    plain, spiked = (_ahead(v, 24, seasons=[(DAY, 3)]) for v in (values, struck))
    assert np.abs(plain - spiked).max() < 1


def test_the_trend_bends_and_then_holds_its_level() -> None:
    at = np.arange(400.0)
    values = np.where(at < 200, 100.0, 100 + (at - 200))
    made = _ahead(values, 90, seasons=[(7, 1)], bends=8, bend_ridge=1e-3)
    assert abs(made[0] - 300) < 15
    assert abs(made[-1] - made[0]) < 5


def test_with_a_half_life_the_new_level_counts() -> None:
    values = np.concatenate([np.full(300, 10.0), np.full(100, 50.0)])
    old, new = (_ahead(values, 10, seasons=[(7, 1)], half_life=life).mean() for life in (None, 20.0))
    assert old < 30 < new


def test_the_residual_echoes_and_fades() -> None:
    values = hours(960, noise=0.0)
    echo = np.zeros(960)
    shocks = np.random.default_rng(3).standard_normal(960)
    for step in range(1, 960):
        echo[step] = 0.9 * echo[step - 1] + shocks[step]
    lifted = values + echo
    lifted[-6:] += 15
    seasons = [(DAY, 10), (168, 40)]
    above = _ahead(lifted, 48, seasons=seasons, order=6) - _ahead(lifted, 48, seasons=seasons)
    assert above[0] > 8
    assert abs(above[-1]) < 0.2 * above[0]


def test_week_and_year_of_days_are_learnt() -> None:
    made = _ahead(days(1200)[:1110], 90, seasons=[(7, 3), (365.25, 4)], bends=4)
    assert np.abs(made / days(1200)[1110:] - 1).mean() < 0.08
