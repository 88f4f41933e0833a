from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from forecaster.batch import Answer, Ask, forecast_all
from forecaster.panel import PanelSeries, Refusal
from forecaster.ready import season_length
from tests.forecaster.hourly import days, hours

ASK = Ask(horizon=24, levels=(0.05, 0.5, 0.95))


def _series(name: str, values: np.ndarray, *, step: float = 3600.0) -> PanelSeries:
    return PanelSeries(
        unique_id=name, place=f"data.csv:{len(name)}", values=np.asarray(values, dtype=np.float64), end_seconds=0.0,
        step_seconds=step, style="epoch",
    )  # fmt: skip


def _answer(values: np.ndarray, *, step: float = 3600.0, ask: Ask = ASK) -> Answer:
    (made,) = forecast_all([_series("a", values, step=step)], ask)
    assert isinstance(made, Answer), made
    assert made.mean.shape == (ask.horizon,)
    assert made.values.shape == (ask.horizon, len(ask.levels))
    assert np.isfinite(made.values).all()
    assert (np.diff(made.values, axis=1) >= 0).all()
    return made


def test_each_series_goes_to_the_engine_of_its_frequency_and_length() -> None:
    assert _answer(hours(700, noise=3)).engine == "seasonal"
    assert _answer(days(400, noise=0.1), step=86_400).engine == "daily"
    assert _answer(hours(700, noise=3), step=300).engine == "single"
    short = _answer(hours(300, noise=3))
    assert short.engine == "single"
    assert "1w5d12h of 2w1d" in short.fallback_reason


def test_many_series_of_fine_telemetry_go_through_one_batch() -> None:
    phases = 2 * np.pi * (np.arange(288 * 12 + 12) + 9 * np.arange(70)[:, None]) / 288
    truth = 100 - 50 * np.cos(phases)
    values = truth + np.random.default_rng(0).standard_normal(truth.shape)
    begins = [288 * (seed % 4) for seed in range(70)]
    found = [_series(str(i), values[i, begin : 288 * 12], step=300) for i, begin in enumerate(begins)]
    made = [one for one in forecast_all(found, Ask(horizon=12, levels=(0.1, 0.9))) if isinstance(one, Answer)]
    assert {one.engine for one in made} == {"telemetry"}
    assert max(np.abs(one.mean - truth[i, 288 * 12 :]).mean() for i, one in enumerate(made)) < 8
    assert all(one.backtest == {} for one in made)
    judged = forecast_all(found, Ask(horizon=12, levels=(0.1, 0.9), with_backtest=True))
    assert all(0 < one.backtest["wape"] < one.backtest["wape_naive"] for one in judged if isinstance(one, Answer))
    few = forecast_all(found[:2], Ask(horizon=12, levels=(0.1, 0.9)))
    assert [one.engine for one in few if isinstance(one, Answer)] == ["single", "single"]


def test_what_the_blend_is_made_of_is_told() -> None:
    made = _answer(hours(700, noise=3))
    assert made.model == "blend"
    assert sum(made.weights.values()) == pytest.approx(1)
    assert made.backtest["folds"] == 3
    assert made.backtest["skill"] > 0
    assert made.backtest["mae_naive"] > made.backtest["mae"]


@pytest.mark.parametrize(
    ("step", "asked", "length"),
    [(3600, None, 24), (300, None, 288), (86_400, None, 7), (7 * 86_400, None, 52), (30.4 * 86_400, None, 12),
     (3600, 12, 12), (3600, timedelta(hours=8), 8), (3600, timedelta(weeks=1), 24)],
)  # fmt: skip
def test_the_season_follows_from_the_step_or_is_asked_for(
    step: float, asked: int | timedelta | None, length: int
) -> None:
    assert season_length(step, asked) == length


def test_answers_stand_in_the_order_of_the_file_and_refusals_among_them() -> None:
    found = [
        _series("c", hours(700, noise=2)), _series("few", np.arange(5.0)), _series("flat", np.full(700, 7.0)),
        Refusal(unique_id="x", place="data.csv:9", reason="is broken"), _series("b", hours(500, noise=2, seed=1)),
    ]  # fmt: skip
    made = forecast_all(found, ASK)
    names = [one.series.unique_id if isinstance(one, Answer) else one.unique_id for one in made]
    assert names == ["c", "few", "flat", "x", "b"]
    assert isinstance(made[1], Refusal)
    assert "has 5 values; 10 are needed" in made[1].reason
    assert isinstance(made[2], Answer)
    assert made[2].fallback_reason == "the history is constant"
    assert set(made[2].mean) == {7.0}


def test_the_same_numbers_whoever_runs_the_chunks() -> None:
    found = [_series(str(i), hours(520 + 10 * (i % 3), seed=i, noise=4)) for i in range(9)]
    here = forecast_all(found, ASK)
    with ThreadPoolExecutor(3) as pool:
        there = forecast_all(found, ASK, run=pool.map)
    for one, other in zip(here, there, strict=True):
        assert isinstance(one, Answer)
        assert isinstance(other, Answer)
        assert one.values.tobytes() == other.values.tobytes()


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1e9, 1e90])
def test_any_size_of_numbers(size: float) -> None:
    values = hours(700, noise=3)
    np.testing.assert_allclose(_answer(size * values).values, size * _answer(values).values, rtol=1e-5)


def test_one_broken_sample_does_not_become_the_forecast() -> None:
    values = hours(700, noise=3)
    values[690] = 1e90
    made = _answer(values)
    assert made.mean.max() < 1000
    assert "1 values stand out" in made.notes[0]


def test_a_new_level_far_above_is_followed() -> None:
    values = np.where(np.arange(700) < 650, 1e-3, 1e6) * (1 + 0.01 * hours(700, noise=3) / 100)
    assert _answer(values).mean.min() > 5e5


def test_a_gap_of_days_and_a_long_horizon_are_noted() -> None:
    values = hours(700, noise=3)
    values[100:400] = np.nan
    made = _answer(values, ask=Ask(horizon=800, levels=(0.5,)))
    assert any("57% of its steps are measured" in note for note in made.notes)
    assert any("longer than the history" in note for note in made.notes)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arrays.arrays(np.float64, st.sampled_from([12, 90, 400]), elements=st.one_of(
        st.floats(-1e99, 1e99), st.just(np.nan), st.just(0.0), st.floats(0, 100))),
    st.sampled_from([60.0, 3600.0, 86_400.0, 7 * 86_400.0]),
)  # fmt: skip
def test_whatever_is_in_a_file_gives_finite_numbers_or_a_reason(values: np.ndarray, step: float) -> None:
    (made,) = forecast_all([_series("a", values, step=step)], Ask(horizon=9, levels=(0.1, 0.9)))
    if isinstance(made, Refusal):
        assert made.reason
    else:
        assert np.isfinite(made.mean).all()
        assert np.isfinite(made.values).all()
        assert (made.values[:, 1] >= made.values[:, 0]).all()
