from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.batch import Answer, Ask, forecast_all
from forecaster.panel import PanelSeries, Refusal
from forecaster.walk_forward import Scored, _spread_out, overall, walk_forward
from tests.forecaster.hourly import hours

ASK = Ask(horizon=24, levels=(0.1, 0.5, 0.95))


def _series(name: str, values: np.ndarray, *, step: float = 3600.0) -> PanelSeries:
    return PanelSeries(
        unique_id=name, place=f"data.csv:{len(name)}", values=np.asarray(values, dtype=np.float64), end_seconds=0.0,
        step_seconds=step, style="epoch",
    )  # fmt: skip


def _scored(found: list[PanelSeries], *, origins: int = 4) -> list[Scored]:
    made = walk_forward(found, ASK, origins=origins)
    assert all(isinstance(one, Scored) for one in made), made
    return [one for one in made if isinstance(one, Scored)]


def test_one_origin_is_what_a_user_would_have_been_told_a_horizon_ago() -> None:
    values = hours(700, noise=5)
    (told,) = forecast_all([_series("a", values[:-24])], ASK)
    assert isinstance(told, Answer)
    (scored,) = _scored([_series("a", values)], origins=1)
    whole = scored.by_band[-1]
    truth, before = values[-24:], values[:-24]
    error = np.abs(truth - told.mean).sum()
    assert (scored.origins, scored.engines, whole.band.steps) == (1, {"seasonal": 1}, 24)
    assert whole.wape == pytest.approx(error / truth.sum())
    assert whole.mase == pytest.approx(error / 24 / np.abs(before[24:] - before[:-24]).mean())
    assert whole.skill_vs_naive == pytest.approx(1 - error / np.abs(truth - before[-1]).sum())
    assert whole.skill_vs_seasonal_naive == pytest.approx(1 - error / np.abs(truth - before[-24:]).sum())
    assert whole.coverage[0.95] == pytest.approx((truth <= told.values[:, 2]).mean())


def test_scores_stand_in_the_order_of_the_file_and_reasons_among_them() -> None:
    found = [
        _series("b", hours(700, noise=3)), _series("young", np.arange(20.0)), _series("flat", np.full(700, 7.0)),
        Refusal(unique_id="x", place="data.csv:9", reason="is broken"), _series("a", hours(600, noise=3, seed=1)),
    ]  # fmt: skip
    made = walk_forward(found, ASK, origins=3)
    assert [one.unique_id for one in made] == ["b", "young", "flat", "x", "a"]
    young, flat = made[1], made[2]
    assert isinstance(young, Refusal)
    assert young.reason == "has 20 values in 20 steps; 10 values and a horizon of 24 steps after them are needed"
    assert isinstance(flat, Scored)
    assert (flat.by_band[-1].wape, flat.by_band[-1].mase, flat.by_band[-1].skill_vs_naive) == (0.0, None, None)
    assert made[3] == found[3]


def test_a_series_too_short_for_all_origins_has_fewer() -> None:
    long, short = _scored([_series("a", hours(700, noise=3)), _series("b", hours(700, noise=3)),
                           _series("c", hours(150, noise=3))], origins=4)[1:]  # fmt: skip
    assert long.origins == 4
    assert 1 <= short.origins < 4


def test_an_origin_in_a_gap_begins_after_the_last_value_and_counts_once() -> None:
    values = hours(700, noise=3)
    values[560:640] = np.nan
    (scored,) = _scored([_series("a", values)], origins=8)
    assert scored.origins < 8
    assert scored.by_band[-1].wape is not None
    assert scored.by_band[-1].wape < 0.2


def test_all_series_count_the_same_in_the_overall_figures() -> None:
    small, large = _scored([_series("a", hours(700, noise=3)), _series("b", 1e6 * hours(700, noise=9, seed=2))])
    (*_, whole) = overall([small, large], ASK.levels)
    pair = [small.by_band[-1], large.by_band[-1]]
    assert whole.wape == pytest.approx(np.mean([one.wape for one in pair if one.wape is not None]))
    assert whole.pinball is None
    assert whole.mase is not None
    assert whole.naive_mase is not None
    assert whole.skill_vs_naive == pytest.approx(1 - whole.mase / whole.naive_mase)


def test_the_same_scores_whoever_runs_the_chunks() -> None:
    found = [_series(str(i), hours(520 + 10 * (i % 3), seed=i, noise=4)) for i in range(6)]
    here = walk_forward(found, ASK, origins=3)
    with ThreadPoolExecutor(3) as pool:
        assert walk_forward(found, ASK, origins=3, run=pool.map) == here


@pytest.mark.parametrize(("shaken", "alike"), [(24, 2), (30, 1)])
def test_no_origin_sees_what_came_after_it(shaken: int, alike: int) -> None:
    """Of two origins none is given the last horizon, and the older one none of the steps after its cut."""
    values = hours(700, noise=4)
    other = np.append(values[:-shaken], values[-shaken:] + 1000)
    given = [_given(_series("a", one)) for one in (values, other)]
    per_origin = len(given[0]) // 2
    assert per_origin >= 2
    assert given[0][: alike * per_origin] == given[1][: alike * per_origin]
    assert (given[0] == given[1]) == (alike == 2)


def _given(series: PanelSeries) -> list[bytes]:
    """What the engines are given, call by call, the oldest origin first."""
    seen: list[bytes] = []

    def run(work: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterable[Any]:
        listed = list(tasks)
        seen.append(pickle.dumps(listed))
        return map(work, listed)

    walk_forward([series], ASK, origins=2, run=run)
    return seen


@given(st.integers(34, 4000), st.integers(1, 24), st.integers(2, 200), st.integers(1, 40))
def test_origins_leave_a_horizon_and_stay_in_the_last_third_before_it(
    length: int, horizon: int, season: int, origins: int
) -> None:
    distances = _spread_out(length, horizon=horizon, season=season, origins=origins)
    assert len(distances) == origins
    assert distances == sorted(distances)
    assert distances[0] == horizon
    assert distances[-1] <= horizon + length / 3
    assert length - distances[-1] >= 10


def test_origins_a_day_apart_would_all_stand_at_one_hour() -> None:
    hours_of_day = {distance % 24 for distance in _spread_out(576, horizon=24, season=24, origins=8)}
    assert len(hours_of_day) == 8


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.just(float("nan")), st.floats(-1e99, 1e99), st.integers(0, 3)), min_size=2, max_size=60))
def test_any_values_give_scores_or_a_reason(values: list[float]) -> None:
    series = _series("a", np.array([*values, 1.0]))
    (made,) = walk_forward([series], Ask(horizon=3, levels=(0.5,), season=4), origins=3)
    if isinstance(made, Refusal):
        assert made.reason
        return
    assert 1 <= made.origins <= 3
    figures = [one for band in made.by_band for one in (band.wape, band.mase, band.pinball, band.skill_vs_naive)]
    assert np.isfinite([one for one in figures if one is not None]).all()
