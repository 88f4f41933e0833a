from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from forecaster.blend import Folds, band, blend, middle_mean

HISTORY = np.tile(np.array([0.0, 10.0]), (2, 50))


def _folds(past: np.ndarray, came: np.ndarray, ahead: np.ndarray, simple: int = 1) -> Folds:
    return Folds(members=tuple("abcdefgh"[: len(past)]), past=past, came=came, ahead=ahead, simple=simple)


def test_the_middle_mean_ignores_who_strays_on_either_side() -> None:
    points = np.array([-1e6, 4.0, 5.0, 6.0, 1e6])[:, None, None]
    assert middle_mean(points, np.full((5, 1), 0.2))[0, 0] == pytest.approx(5)


def test_a_member_with_more_than_half_of_the_weight_and_the_middle_decides_alone() -> None:
    points = np.array([1.0, 5.0, 9.0])[:, None, None]
    assert middle_mean(points, np.array([[0.2], [0.6], [0.2]]))[0, 0] == pytest.approx(5)


@given(
    arrays.arrays(np.float64, (5, 3, 4), elements=st.floats(-1e6, 1e6)),
    arrays.arrays(np.float64, (5, 3), elements=st.floats(0.01, 1)),
)
def test_the_middle_mean_lies_among_the_members(points: np.ndarray, raw: np.ndarray) -> None:
    made = middle_mean(points, raw / raw.sum(axis=0))
    slack = 1e-9 * (1 + np.abs(points).max())
    assert (made >= points.min(axis=0) - slack).all()
    assert (made <= points.max(axis=0) + slack).all()


def test_members_weigh_by_the_inverse_square_of_their_loss() -> None:
    came = np.zeros((2, 2, 3))
    past = np.stack([came + 1, came + 2])
    made = blend(_folds(past, came, np.full((2, 2, 3), 5.0)), HISTORY)
    np.testing.assert_allclose(made.weights[:, 0], [0.8, 0.2], rtol=1e-6)


def test_a_member_beyond_reason_has_no_weight_for_that_series_alone() -> None:
    came = np.full((2, 2, 3), 5.0)
    past = np.stack([came + 1, came + 1])
    ahead = np.full((2, 2, 3), 5.0)
    ahead[0, 1] = np.inf
    made = blend(_folds(past, came, ahead), HISTORY)
    assert made.weights[:, 1].tolist() == [0, 1]
    assert made.weights[0, 0] == pytest.approx(0.5)
    assert np.isfinite(made.mean).all()


def test_folds_of_which_too_little_was_measured_tell_nothing() -> None:
    came = np.full((2, 2, 10), np.nan)
    came[0, 0, :6] = 5.0
    past = np.full((2, 2, 2, 10), 6.0)
    made = blend(_folds(past, came, past[:, 0]), HISTORY)
    assert made.sound.tolist() == [True, False]
    np.testing.assert_allclose(made.loss, [1, 0])
    np.testing.assert_allclose(made.errors[:, 0], -1)


def test_where_no_member_is_sound_the_blend_says_so() -> None:
    came = np.full((1, 2, 3), 5.0)
    lost = np.full((2, 1, 2, 3), np.nan)
    made = blend(_folds(lost, came, lost[:, 0]), HISTORY)
    assert made.sound.tolist() == [False, False]


def test_a_naive_member_that_errs_far_less_is_served_alone() -> None:
    came = np.full((3, 2, 4), 5.0)
    others = [came + shift for shift in (6.0, 6.5, 7.0, 7.5, 8.0)]
    past = np.stack([came + 1.5, *others])
    ahead = np.stack([np.full((2, 4), value) for value in (1.0, 8, 8, 8, 8, 8)])
    made = blend(_folds(past, came, ahead), HISTORY, power=0.5)
    assert made.beaten.all()
    assert (made.mean == 1.0).all()


def test_errors_are_those_of_a_blend_that_had_not_seen_the_fold() -> None:
    came = np.zeros((2, 1, 1))
    past = np.array([[20.0, 20.0], [1.0, 9.0], [9.0, 1.0]]).reshape(3, 2, 1, 1)  # two are right on one fold each
    made = blend(_folds(past, came, np.zeros((3, 1, 1))), HISTORY[:1], power=4)
    assert (np.abs(made.errors) > 8).all()


@given(arrays.arrays(np.float64, (3, 2, 6), elements=st.floats(-20, 20)))
def test_quantiles_never_cross_and_the_median_is_the_blend(came: np.ndarray) -> None:
    past = np.zeros((2, 3, 2, 6))
    made = blend(_folds(past, came, np.full((2, 2, 6), 5.0)), HISTORY)
    values = band(made, (0.05, 0.5, 0.95), edges=[0, 3, 6])
    assert (np.diff(values, axis=2) >= 0).all()
    np.testing.assert_allclose(values[..., 1], made.mean, atol=1e-9)


def test_a_relative_band_widens_with_the_forecast() -> None:
    came = 10 + np.random.default_rng(0).standard_normal((6, 1, 8))
    past = np.full((1, 6, 1, 8), 10.0)
    ahead = np.array([10.0] * 4 + [20.0] * 4).reshape(1, 1, 8)
    values = band(blend(_folds(past, came, ahead), HISTORY[:1]), (0.05, 0.95), edges=[0, 8], floor=np.array([1.0]))
    width = values[0, :, 1] - values[0, :, 0]
    assert width[-1] == pytest.approx(2 * width[0])
