"""What is said about a history whose parts are known."""

from __future__ import annotations

import pickle
from datetime import timedelta

import numpy as np
import pytest

from domain.errors import HistoryTooShortError, NoDataError
from domain.forecasts import Combination
from forecaster.explain import Explanation, explain
from forecaster.explain_words import sentences
from forecaster.history import prepare
from forecaster.replayed import residuals
from tests.forecaster.synthetic import SEASON, SEASON_LENGTH, START, STEP, curve, noise, request

SEASONS = 16


def history(*, spread: float = 5.0) -> np.ndarray:
    return curve(SEASONS * SEASON_LENGTH) + spread * noise(SEASONS * SEASON_LENGTH)


@pytest.fixture(scope="module")
def found() -> Explanation:
    return explain(request(history()), "fourier_ar")


def test_the_parts_add_up_to_what_was_observed(found: Explanation) -> None:
    seasons = sum(one.values for one in found.seasons)
    assert np.allclose(found.trend + seasons + found.remainder, found.observed)
    shares = [found.trend_share, *(one.share for one in found.seasons), found.remainder_share]
    assert sum(shares) == pytest.approx(1)


def test_a_season_is_found_and_told(found: Explanation) -> None:
    assert [one.length for one in found.seasons] == [SEASON, 7 * SEASON]
    assert found.seasons[0].strength > 0.95
    assert found.seasons[0].share > 0.9
    truth = curve(SEASON_LENGTH) - curve(SEASON_LENGTH).mean()
    assert np.abs(found.seasons[0].values[-SEASON_LENGTH:] - truth).max() < 15
    said = sentences(found)[0]
    assert "% of the variation is the season of 24m" in said
    assert "very regular" in said


def test_a_level_that_returns_and_residuals_that_are_noise_are_told(found: Explanation) -> None:
    assert found.adf_p is not None
    assert found.adf_p < 0.05
    assert found.ljung_box_p is not None
    assert found.ljung_box_p > 0.05
    assert found.residuals > 300
    said = " ".join(sentences(found))
    assert "returns to its level" in said
    assert "fourier_ar leaves nothing to learn" in said


def test_the_references_bring_their_parameters_and_follow_the_curve(found: Explanation) -> None:
    smoothing, regression = found.references
    assert (smoothing.model, regression.model) == ("holt_winters", "sarimax")
    assert 0 <= smoothing.parameters["smoothing_level"] <= 1
    assert {"ar.L1", "ma.L1", "sin1", "cos1", "sigma2"} <= set(regression.parameters)
    truth = curve((SEASONS + 1) * SEASON_LENGTH)[SEASONS * SEASON_LENGTH :][:48]
    for reference in found.references:
        assert len(reference.path) == 48
        assert np.abs(reference.path - truth).mean() < 15
        assert np.isfinite(reference.aic)


def test_a_fine_season_is_averaged_down() -> None:
    fine = np.repeat(history(), 4)
    found = explain(request(fine, step=STEP / 4), "naive")
    assert found.step == STEP
    assert found.cutoff == START + (len(fine) - 1) * STEP / 4
    assert len(found.observed) == len(fine) / 4


def test_what_naive_leaves_is_told(found: Explanation) -> None:
    left = explain(request(history(spread=0.5)), "naive")
    assert left.ljung_box_p is not None
    assert left.ljung_box_p < 0.001
    assert "naive leaves something to learn one step ahead (Ljung-Box p < 0.001, autocorrelation" in sentences(left)[-1]


def test_a_walk_is_told() -> None:
    walk = 1000 + np.cumsum(noise(SEASONS * SEASON_LENGTH, 3))
    said = " ".join(sentences(explain(request(walk), "")))
    assert "random walk" in said
    assert "one step ahead" not in said


@pytest.mark.parametrize("model", ["naive", "seasonal_naive", "fourier_ar", "empirical", "median"])
def test_every_model_that_may_be_served_has_residuals(model: str) -> None:
    known = prepare("a/b/c", history(), start=START, step=STEP, season=SEASON)
    left = residuals(known, model)
    assert left is not None
    assert np.isfinite(left).all()


def test_a_combination_has_residuals_of_its_members_together() -> None:
    known = prepare("a/b/c", history(), start=START, step=STEP, season=SEASON)
    both = Combination(until=SEASON, members=("naive", "fourier_ar"), weights={"naive": 0.25, "fourier_ar": 0.75})
    one, other = residuals(known, "naive"), residuals(known, "fourier_ar")
    together = residuals(known, "weighted", (both,))
    assert one is not None
    assert other is not None
    assert together == pytest.approx(0.25 * one + 0.75 * other)
    engine = Combination(until=SEASON, members=("quantile_ridge", "naive"), weights={})
    assert residuals(known, "weighted", (engine,)) is not None


def test_residuals_at_steps_that_were_filled_are_left_out() -> None:
    values = history()
    values[-30:-20] = np.nan
    known = prepare("a/b/c", values, start=START, step=STEP, season=SEASON)
    whole = prepare("a/b/c", history(), start=START, step=STEP, season=SEASON)
    left, all_of_it = residuals(known, "naive"), residuals(whole, "naive")
    assert left is not None
    assert all_of_it is not None
    assert len(left) == len(all_of_it) - 10


def test_a_model_that_nobody_knows_is_not_judged() -> None:
    found = explain(request(history()), "oracle")
    assert (found.ljung_box_p, found.residuals) == (None, 0)
    assert sentences(found)[-1] == "Whether oracle leaves anything to learn cannot be told here."


def test_a_history_with_holes_says_so() -> None:
    values = history()
    values[200:500] = np.nan
    assert "Only 80 % was measured" in " ".join(sentences(explain(request(values), "")))


def test_too_little_history_and_none_that_moves_are_refused() -> None:
    with pytest.raises(HistoryTooShortError) as short:
        explain(request(curve(SEASON_LENGTH)), "naive")
    assert short.value.needed == timedelta(minutes=48)
    with pytest.raises(NoDataError, match="never moved"):
        explain(request(np.full(3 * SEASON_LENGTH, 7.0)), "naive")


def test_it_crosses_processes(found: Explanation) -> None:
    assert pickle.loads(pickle.dumps(found)).signal == found.signal
