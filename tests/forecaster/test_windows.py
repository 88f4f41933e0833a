from __future__ import annotations

import numpy as np
import pytest

from forecaster.windows import Newest, Windows, features, lag_means, moments, running_peak
from tests.forecaster.synthetic import curve, noise

SEASON = 48


def histories(steps: int = 500) -> np.ndarray:
    return np.stack([curve(steps) + 20 * noise(steps, seed) for seed in range(3)])


@pytest.mark.parametrize("horizon", [1, 20, 48, 130])
def test_the_newest_window_is_the_same_however_it_is_read(horizon: int) -> None:
    values = histories()
    ahead, end = np.arange(1, horizon + 1), np.array([500])
    dense = Windows(values, SEASON)
    lean = Newest(values, SEASON, dense.spread)
    expected = features(dense, moments(dense, end), ahead)
    made = features(lean, moments(lean, end), ahead)
    assert made.rows == pytest.approx(expected.rows, abs=1e-9)
    assert made.scale == pytest.approx(expected.scale)
    assert expected.rows.shape == (3, horizon, 29)


@pytest.mark.parametrize("horizon", [12, 47, 48, 49, 330, 336, 337])
def test_no_feature_looks_behind_its_window(horizon: int) -> None:
    """Everything from the window's end on is changed; not one bit of a feature may change with it."""
    values = histories(900)
    end, ahead = np.array([700]), np.arange(1, horizon + 1)
    changed = values.copy()
    changed[:, 700:] = 1e6 * noise(200, 9)
    rows = []
    for one in (values, changed):
        reads = Windows(one, SEASON)
        reads.spread = np.ones(3)  # told by the whole history, which the fit knows
        rows.append(features(reads, moments(reads, end), ahead).rows)
    assert np.allclose(rows[0], rows[1], rtol=0, atol=1e-6)


def test_running_peak_and_lag_means_against_the_plain_way() -> None:
    values = histories(100)
    for length in (1, 2, 6, 13):
        plain = np.stack([values[:, max(i - length + 1, 0) : i + 1].max(axis=1) for i in range(100)], axis=1)
        assert np.array_equal(running_peak(values, length), plain)
    plain = np.stack([values[:, i::-7][:, :3].mean(axis=1) for i in range(100)], axis=1)
    assert lag_means(values, 7, 3) == pytest.approx(plain)
