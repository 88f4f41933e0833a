from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.series import FloatArray
from forecaster.combine import Part, Replayed, apart, blocks, choose, mixed
from forecaster.fit import fit
from tests.forecaster.synthetic import SEASON_LENGTH, noise, request

LEVELS = (0.1, 0.5, 0.9)
BAND = np.array([-1.3, 0.0, 1.3])
HORIZON = 24
USUAL = ("naive", "biased")


def replayed(biases: dict[str, float], *, origins: int = 128, stride: int = 5, seed: int = 0) -> Replayed:
    """Truth is noise around 100; each member knows its band and is off by its bias."""
    truth = 100 + noise(origins * HORIZON, seed).reshape(origins, HORIZON)
    members = {name: 100 + bias + np.zeros((origins, HORIZON, 1)) + BAND for name, bias in biases.items()}
    return Replayed(origins=500 + stride * np.arange(origins), actuals=truth, members=members, levels=LEVELS)


def test_the_median_stays_where_weights_gain_nothing() -> None:
    past = replayed({"naive": 0.0, "biased": 0.0, "third": 0.0})
    assert choose(past, [4, HORIZON], USUAL, season_length=96) == (
        Part(steps=4, members=USUAL),
        Part(steps=HORIZON, members=USUAL),
    )


def test_a_member_that_is_clearly_right_is_taken_and_the_bad_ones_are_dropped() -> None:
    near, far = choose(replayed({"naive": 6.0, "biased": 9.0, "right": 0.0}), [4, HORIZON], USUAL, season_length=96)
    assert near.members == far.members == ("right",)
    assert near.weights == (1.0,)


def test_weights_are_the_inverse_squares_of_the_losses() -> None:
    past = replayed({"naive": 9.0, "one": 0.5, "two": -0.9})
    (part,) = choose(past, [HORIZON], ("naive",), season_length=96)
    above = past.actuals[..., None] - np.stack([past.members["one"], past.members["two"]])
    losses = np.maximum(above * np.array(LEVELS), above * (np.array(LEVELS) - 1)).sum(axis=(1, 2, 3))
    assert part.members == ("one", "two")
    assert part.weights == pytest.approx(losses**-2.0 / (losses**-2.0).sum())


def test_naive_is_served_where_all_others_lose_to_it() -> None:
    assert choose(
        replayed({"naive": 0.0, "biased": 4.0, "other": 4.0}), [HORIZON], ("biased", "other"), season_length=96
    )[0].members == ("naive",)


def test_few_independent_origins_change_the_median_only_for_half_the_loss() -> None:
    """128 origins over 64 steps span less than three horizons of 24."""
    few = {"origins": 64, "stride": 1}
    assert (
        choose(replayed({"naive": 1.0, "biased": 1.0, "right": 0.0}, **few), [HORIZON], USUAL, season_length=96)[
            0
        ].members
        == USUAL
    )
    assert choose(replayed({"naive": 9.0, "biased": 9.0, "right": 0.0}, **few), [HORIZON], USUAL, season_length=96)[
        0
    ].members == ("right",)


def test_a_block_is_judged_with_nothing_that_overlaps_its_truth() -> None:
    origins = 500 + 5 * np.arange(128)
    assert np.concatenate(blocks(128)).tolist() == list(range(128))
    for block in blocks(128):
        taught = origins[apart(origins, block, HORIZON)]
        assert not any(abs(int(one) - int(other)) < HORIZON for one in taught for other in origins[block])


def test_without_any_truth_the_default_is_served() -> None:
    past = replayed({"naive": 0.0, "biased": 3.0})
    unknown = Replayed(
        origins=past.origins, actuals=np.full_like(past.actuals, np.nan), members=past.members, levels=LEVELS
    )
    assert choose(unknown, [HORIZON], USUAL, season_length=96)[0] == Part(steps=HORIZON, members=USUAL)


def test_one_combination_passes_into_the_next_without_a_jump() -> None:
    members = {"low": np.full((48, 3), 100.0) + BAND, "high": np.full((48, 3), 200.0) + BAND}
    made = mixed([Part(steps=12, members=("low",)), Part(steps=48, members=("high",))], members)
    assert made[0, 1] == 100
    assert made[-1, 1] == 200
    assert np.abs(np.diff(made[:, 1])).max() < 20  # a fifth of the distance
    assert (np.diff(made[:, 1]) >= 0).all()


@given(
    levels=st.lists(st.floats(-50, 50), min_size=3, max_size=3),
    widths=st.lists(st.floats(0, 9), min_size=3, max_size=3),
    weights=st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    ends=st.lists(st.integers(1, 47), min_size=0, max_size=3, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_quantiles_never_cross(levels: list[float], widths: list[float], weights: list[float], ends: list[int]) -> None:
    names = ("a", "b", "c")
    members: dict[str, FloatArray] = {
        name: level * np.arange(1, 49)[:, None] + width * BAND
        for name, level, width in zip(names, levels, widths, strict=True)
    }
    total = sum(weights)
    kinds = [Part(steps=0, members=names), Part(steps=0, members=names, weights=tuple(w / total for w in weights))]
    parts = [
        Part(steps=end, members=kinds[i % 2].members, weights=kinds[i % 2].weights)
        for i, end in enumerate([*sorted(ends), 48])
    ]
    assert (np.diff(mixed(parts, members), axis=-1) >= -1e-9).all()


def test_on_a_clean_double_season_the_waves_are_served_and_not_naive() -> None:
    """A day and a week of hours without surprises, nine weeks: whoever holds the last value is wrong by the day."""
    at = np.arange(9 * 7 * 24)
    values = 500 + 200 * np.sin(2 * np.pi * at / 24) + 120 * np.sin(2 * np.pi * at / 168 + 1) + 2 * noise(len(at))
    forecast = fit(request(values, step=request(values).step * 240, season=request(values).step * 240 * 24, horizon=24))
    assert forecast.combination
    served = {name for one in forecast.combination for name in one.members}
    assert "fourier_ar" in served
    assert not served & {"naive", "mean_last_5", "seasonal_naive"}
    assert forecast.backtest is not None
    assert forecast.backtest.wape < 1.05 * forecast.backtest.wape_by_model["fourier_ar"]


def test_by_the_minute_and_finer_the_mean_of_five_steps_competes() -> None:
    values = 200 + 40 * noise(9 * SEASON_LENGTH)
    fine, coarse = (
        fit(request(values)),
        fit(request(values, step=request(values).step * 20, season=request(values).season * 20)),
    )
    assert fine.backtest is not None
    assert coarse.backtest is not None
    assert "mean_last_5" in fine.backtest.wape_by_model
    assert "mean_last_5" not in coarse.backtest.wape_by_model


def test_far_ahead_less_than_a_week_changes_the_median_only_for_half_the_loss() -> None:
    """128 origins, 3 steps apart, span 381 steps: with the horizon seven seasons of 57 and not of 60."""
    past = replayed({"naive": 1.0, "biased": 1.0, "right": 0.0}, stride=3)
    assert choose(past, [HORIZON], USUAL, season_length=57)[0].members != USUAL
    assert choose(past, [HORIZON], USUAL, season_length=60)[0].members == USUAL
    near, far = choose(past, [4, HORIZON], USUAL, season_length=60)
    assert near.members != USUAL
    assert far.members == USUAL
