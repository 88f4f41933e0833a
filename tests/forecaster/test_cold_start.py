from __future__ import annotations

import io
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from domain.series import FloatArray
from forecaster import cold_start
from forecaster.models import quantile_ridge
from forecaster.shipped import coefficients, train
from forecaster.shipped.workloads import workload
from forecaster.windows import Windows, features, moments

SHIPPED = Path(coefficients.__file__).with_name(coefficients.FILE)
LEVELS = (0.05, 0.5, 0.9, 0.95)


def unseen(season_length: int, count: int = 60) -> list[FloatArray]:
    """Made workloads of a seed that the trainer does not use."""
    rng = np.random.default_rng([7, season_length])
    return [workload(rng, season_length=season_length, seasons=6) for _ in range(count)]


def test_the_shipped_file_is_small_of_this_version_and_of_the_shape_that_is_read() -> None:
    assert SHIPPED.stat().st_size < 200_000
    with np.load(SHIPPED, allow_pickle=False) as stored:
        assert int(stored["version"]) == coefficients.VERSION
        assert set(stored.files) == {"version", *(f"season_{season}" for season in coefficients.SEASONS)}
        reads = Windows(np.ones((1, 900)) * np.arange(900) % 7, 288)
        columns = features(reads, moments(reads, np.array([600])), np.array([1])).rows.shape[-1]
        for season in coefficients.SEASONS:
            ranges = len(quantile_ridge.ranges(season))
            expected = (len(coefficients.KNOWN), ranges, len(coefficients.LEVELS), columns)
            assert stored[f"season_{season}"].shape == expected


def test_the_trainer_makes_the_shipped_coefficients() -> None:
    """All of the shortest season: another machine's rounding passes 25 Newton steps, hence the tolerance.

    Two features that say nearly the same share what they say: 2 of 9,396 were seen 0.02 and 0.05 away.
    """
    held = io.BytesIO(SHIPPED.read_bytes())
    with np.load(held) as stored:
        away = np.abs(train.train(24) - stored["season_24"].astype(float))
    assert np.quantile(away, 0.999) < 0.02
    assert away.max() < 0.1


def test_made_workloads_are_the_same_each_time_never_negative_and_varied() -> None:
    made = unseen(96)
    assert all(np.array_equal(one, other) for one, other in zip(made, unseen(96), strict=True))
    assert all((one >= 0).all() and np.isfinite(one).all() for one in made)
    daily = [float(np.corrcoef(one[96:], one[:-96])[0, 1]) for one in made if np.ptp(one) > 0]
    assert min(daily) < 0.2 < 0.8 < max(daily)


@pytest.mark.parametrize("season_length", [24, 60, 96, 144, 288, 480])
def test_at_any_season_length_it_loses_less_than_the_last_value_and_keeps_its_promise(season_length: int) -> None:
    """A day known; 60, 144 and 480 steps a day are between the trained season lengths."""
    loss, flat, below = [], [], []
    for values in unseen(season_length):
        known, came = values[2 * season_length : 3 * season_length], values[3 * season_length : 4 * season_length]
        if np.ptp(known) == 0:
            continue
        made = cold_start.quantiles(known, season_length=season_length, horizon=season_length, levels=LEVELS)
        assert (np.diff(made, axis=1) >= 0).all()
        loss.append(np.abs(came - made[:, 1]).mean() / (known.mean() + 1e-9))
        flat.append(np.abs(came - known[-1]).mean() / (known.mean() + 1e-9))
        below.append((came <= made[:, 3]).mean())
    assert np.median(loss) < 0.9 * np.median(flat)
    assert 0.89 <= np.mean(below) <= 0.98


@pytest.mark.parametrize("steps", [36, 72, 144])
def test_hours_of_a_day_keep_the_promise(steps: int) -> None:
    below = []
    for values, end in product(unseen(288), (300, 521, 742, 963, 1184, 1405)):
        known, came = values[end - steps : end], values[end : end + 288]
        if np.ptp(known) > 0:
            made = cold_start.quantiles(known, season_length=288, horizon=288, levels=LEVELS)
            below.append((came <= made[:, 3]).mean())
    assert 0.88 <= np.mean(below) <= 0.98


def test_levels_between_the_trained_ones_lie_between() -> None:
    known = unseen(96, 5)[2][:200]
    levels = (0.01, 0.05, 0.07, 0.1, 0.5, 0.6, 0.9, 0.97, 0.99, 0.995)
    made = cold_start.quantiles(known, season_length=96, horizon=10, levels=levels)
    assert (np.diff(made, axis=1) >= 0).all()
    alone = cold_start.quantiles(known, season_length=96, horizon=10, levels=(0.05, 0.5))
    assert alone == pytest.approx(made[:, [1, 4]], rel=1e-6)


def test_a_longer_history_changes_the_forecast_without_a_jump() -> None:
    at = np.arange(400)
    values = 200 + 80 * np.sin(2 * np.pi * at / 96) + 3 * np.sin(at * 1.7)
    made = [
        cold_start.quantiles(values[200 - length : 200], season_length=96, horizon=1, levels=(0.5,))[0, 0]
        for length in range(90, 192)
    ]
    assert np.abs(np.diff(made)).max() < 0.1 * np.ptp(values)


def test_tiling_repeats_what_is_known_backwards() -> None:
    assert cold_start.tiled(np.arange(1.0, 4.0), 5, 8).tolist() == [2, 3, 1, 2, 3, 1, 2, 3]
    assert cold_start.tiled(np.arange(7.0), 5, 9).tolist() == [3, 4, 0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("steps", "season_length", "suited"), [(35, 288, False), (36, 288, True), (9, 24, False),
                                                                (10, 24, True), (100, 12, False)])  # fmt: skip
def test_it_begins_at_an_eighth_of_a_season_and_ten_steps(steps: int, season_length: int, suited: bool) -> None:
    assert cold_start.suits(steps, season_length) is suited
