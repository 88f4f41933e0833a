from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domain.forecasts import Backtest, Forecast
from domain.series import FloatArray
from forecaster.level_shift import LevelShift, naive
from tests.forecaster.synthetic import START, noise

STEP = timedelta(minutes=5)
DAY = timedelta(days=1)
HORIZON = 24
LEVELS = (0.05, 0.5, 0.95)
OFFSETS = np.array([-2.0, 0.0, 2.0])


def usual(known: int, level: float = 100.0) -> Forecast:
    """A flat forecast of a day's signal after ``known`` steps."""
    return Forecast(
        signal="shop/checkout/soon", model="median", made_at=START, cutoff=START + (known - 1) * STEP, step=STEP,
        season=DAY, mean=np.full(HORIZON, level), quantiles=LEVELS, values=np.tile(level + OFFSETS, (HORIZON, 1)),
        reference=None, history_start=START,
        backtest=Backtest(wape=0.1, coverage={0.95: 0.9}, origins=8, wape_by_model={"naive": 0.2, "median": 0.1}),
    )  # fmt: skip


def lived(values: FloatArray, *, level: float = 100.0, covered_from: int = 10_000) -> list[Forecast]:
    """What was served after 40, 41 … steps; the fit expects ``level`` throughout, 200 from ``covered_from`` on."""
    guard, made = LevelShift(season=DAY, step=STEP), []
    for known in range(40, len(values) + 1):
        guard.learn(values[:known], START)
        made.append(guard.answer(usual(known, 200.0 if known >= covered_from else level), values[:known]))
    return made


def shifted(made: list[Forecast]) -> list[int]:
    """Number of steps known where naive was served."""
    return [40 + i for i, forecast in enumerate(made) if forecast.model == "naive"]


def step_up(at: int, length: int, back: int | None = None) -> FloatArray:
    values = 100 + 0.5 * noise(length)
    values[at:back] += 100
    return values


def test_three_steps_above_the_band_serve_naive_and_say_since_when() -> None:
    made = lived(step_up(50, 60))
    assert shifted(made) == list(range(53, 61))
    first = made[13]
    assert first.fallback_reason == f"level shift at {(START + 50 * STEP).isoformat()}"
    assert first.mean == pytest.approx(np.full(HORIZON, 200), abs=2)
    assert (first.values[:, 0] <= first.mean).all()
    assert (first.values[:, -1] >= first.mean).all()
    assert first.backtest is not None
    assert first.backtest.wape == 0.2


def test_two_steps_above_it_do_not() -> None:
    assert shifted(lived(step_up(50, 80, back=52))) == []


def test_a_step_without_a_value_neither_counts_nor_ends_the_row() -> None:
    values = step_up(50, 60)
    values[51] = np.nan
    assert shifted(lived(values))[0] == 54


def test_a_level_that_is_back_ends_it() -> None:
    """High from step 50 to 61; two of the last three are low again with 64 steps known."""
    made = lived(step_up(50, 100, back=62))
    assert shifted(made) == list(range(53, 64))
    assert made[-1].fallback_reason == ""


def test_an_hour_after_the_last_breach_it_ends_even_where_the_fit_does_not_cover_the_level() -> None:
    """The fit expects 100 for half an hour and 40 afterwards: never the level of now for a whole hour."""
    values, guard, made = step_up(50, 100, back=62), LevelShift(season=DAY, step=STEP), []
    for known in range(40, 101):
        falling = usual(known)
        falling.values[6:] -= 60
        guard.learn(values[:known], START)
        made.append(guard.answer(falling, values[:known]))
    assert shifted(made) == list(range(53, 74))  # the last breach is step 61, 12 steps later 73 + 1 are known


def test_a_fit_that_covers_the_new_level_ends_it_sooner() -> None:
    assert shifted(lived(step_up(50, 100), covered_from=56)) == [53, 54, 55]


def test_a_second_shift_has_its_own_time() -> None:
    values = step_up(50, 140, back=55)
    values[120:130] += 100
    reasons = {forecast.fallback_reason for forecast in lived(values) if forecast.fallback_reason}
    assert reasons == {f"level shift at {(START + at * STEP).isoformat()}" for at in (50, 120)}


def test_a_short_season_is_guarded_for_a_quarter_of_it() -> None:
    guard = LevelShift(season=timedelta(minutes=24), step=timedelta(seconds=15))
    assert guard._pause == timedelta(minutes=6)


def test_the_naive_band_is_half_as_wide_again_as_what_naive_erred_by() -> None:
    values = 100 + np.cumsum(noise(2000))
    values += 1000
    made = naive(usual(2000), values, since=START)
    steps = np.diff(values[-3 * 288 :])
    assert made.values[0] == pytest.approx(values[-1] + 1.5 * np.quantile(steps, LEVELS))
    width = made.values[:, -1] - made.values[:, 0]
    assert width[-1] > 2 * width[0]


@given(
    past=arrays(np.float64, 60, elements=st.one_of(st.floats(0, 300), st.just(float("nan")))),
    future=arrays(np.float64, 20, elements=st.floats(0, 1e6)),
)
@settings(deadline=None, max_examples=60)
def test_whatever_comes_the_band_is_sane_and_the_future_changes_nothing(past: FloatArray, future: FloatArray) -> None:
    past[0] = 1.0
    known, more = lived(past), lived(np.concatenate([past, future]))
    for one, other in zip(known, more, strict=False):
        assert one.values.tobytes() == other.values.tobytes()
        assert one.fallback_reason == other.fallback_reason
    for one in more:
        assert np.isfinite(one.values).all()
        assert one.values.min() >= 0
        assert (np.diff(one.values, axis=1) >= 0).all()


def test_a_forecast_without_a_season_can_be_replaced_too() -> None:
    made = naive(replace(usual(30), season=None, backtest=None), 100 + noise(30), since=START)
    assert made.values.shape == (HORIZON, 3)
    assert made.backtest is None
