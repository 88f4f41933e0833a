from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import FitFailedError
from forecaster.models import COMPETING, fourier_ar, holt_winters, naive, seasonal_naive
from tests.forecaster.synthetic import SEASON_LENGTH, curve, noise


def test_naive_holds_the_last_known_value() -> None:
    made = naive.paths(np.array([3.0, 1.0, 4.0, 1.0, 5.0]), np.array([3, 5]), season_length=2, horizon=3)
    assert made.tolist() == [[4, 4, 4], [5, 5, 5]]


def test_seasonal_naive_averages_the_same_phase_of_three_seasons() -> None:
    values = np.array([9.0, 9, 1, 10, 2, 20, 6, 30])
    made = seasonal_naive.paths(values, np.array([8]), season_length=2, horizon=2)
    assert made.tolist() == [[3, 20]]


def test_seasonal_naive_takes_fewer_seasons_where_fewer_are_known_and_tiles_back() -> None:
    values = np.array([1.0, 10, 3, 30])
    made = seasonal_naive.paths(values, np.array([2, 4]), season_length=2, horizon=5)
    assert made.tolist() == [[1, 10, 1, 10, 1], [2, 20, 2, 20, 2]]


def test_fourier_ar_learns_a_curve_from_noise() -> None:
    values = curve(2016) + 10 * noise(2016)
    made = fourier_ar.paths(values, np.array([2016]), season_length=SEASON_LENGTH, horizon=48)[0]
    assert np.abs(made - curve(2064)[2016:]).mean() < 2.0  # noise 10: averaging it away over 21 seasons leaves about 1


def test_fourier_ar_knows_the_weekend_once_two_weeks_are_known() -> None:
    length, weekend = 24, 0.4
    day = 100 - 50 * np.cos(2 * np.pi * np.arange(length) / length)
    values = np.concatenate([day * (weekend if d % 7 >= 5 else 1) for d in range(29)])
    first_saturday = np.array([26 * length])
    error = np.abs(
        fourier_ar.paths(values, first_saturday, season_length=length, horizon=length)[0]
        - values[26 * length : 27 * length]
    ).mean()
    yesterday = np.abs(values[25 * length : 26 * length] - values[26 * length : 27 * length]).mean()
    assert yesterday > 50
    assert error < 0.3 * yesterday


def test_fourier_ar_carries_a_fresh_level_and_lets_it_fade() -> None:
    echo = np.zeros(2016)
    for t in range(1, 2016):
        echo[t] = 0.9 * echo[t - 1] + noise(2016)[t]
    values = curve(2016) + echo
    values[-12:] += 60
    made = fourier_ar.paths(values, np.array([2016]), season_length=SEASON_LENGTH, horizon=96)[0]
    above = made - curve(2112)[2016:]
    assert above[0] > 30
    assert abs(above[-1]) < 0.2 * above[0]


def test_one_spike_does_not_bend_the_day() -> None:
    values = curve(960)
    values[480:484] = 20_000
    made = fourier_ar.paths(values, np.array([960]), season_length=SEASON_LENGTH, horizon=96)[0]
    assert np.abs(made - curve(1056)[960:]).max() < 25


@pytest.mark.parametrize("name", list(COMPETING))
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(200, 590))
@settings(max_examples=15, deadline=None)
def test_no_model_peeks(name: str, seed: int, cut: int) -> None:
    """Whatever comes after an origin may change: its forecast stays, to the last bit."""
    values = curve(600) + 10 * noise(600, seed)
    shuffled = values.copy()
    np.random.default_rng(seed).shuffle(shuffled[cut:])
    shuffled[cut:] *= 3
    origins = np.unique(np.linspace(110, 600, 40).astype(int))
    before = origins <= cut
    first = COMPETING[name](values, origins, season_length=SEASON_LENGTH, horizon=20)
    second = COMPETING[name](shuffled, origins, season_length=SEASON_LENGTH, horizon=20)
    assert np.array_equal(first[before], second[before])


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.0, 0.2))
@settings(max_examples=30, deadline=None)
def test_fourier_ar_never_explodes(seed: int, scale: float) -> None:
    """Even a random walk with a drift, which is nothing but a unit root, stays near its own range."""
    values = np.cumsum(noise(500, seed) + scale)
    made = fourier_ar.paths(values, np.array([500]), season_length=SEASON_LENGTH, horizon=500)
    assert np.abs(made).max() <= np.abs(values).max() + 3 * np.ptp(values)


def test_holt_winters_follows_the_curve() -> None:
    made = holt_winters.path(curve(960) + 5 * noise(960), season_length=SEASON_LENGTH, horizon=96)
    assert np.abs(made - curve(1056)[960:]).mean() < 6


def test_holt_winters_averages_a_fine_season_and_spreads_it_again() -> None:
    phase = 2 * np.pi * np.arange(288 * 6) / 288
    values = 100 - 50 * np.cos(phase)
    made = holt_winters.path(values[: 288 * 5 + 100], season_length=288, horizon=100)
    assert made.shape == (100,)
    assert np.abs(made - values[288 * 5 + 100 : 288 * 5 + 200]).max() < 3


def test_holt_winters_says_why_it_did_not_fit() -> None:
    with pytest.raises(FitFailedError, match="Holt-Winters did not fit: .*seasonal cycles"):
        holt_winters.path(curve(100), season_length=SEASON_LENGTH, horizon=10)
