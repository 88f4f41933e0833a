from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.accuracy import (
    Accuracy,
    Band,
    bands,
    measure,
    naive_paths,
    season_scale,
    seasonal_paths,
    tally,
)

OVER = (Band(name="first", steps=1), Band(name="all", steps=3))
LEVELS = (0.5, 0.9)


@pytest.mark.parametrize(
    ("horizon", "step", "wanted"),
    [
        (288, timedelta(minutes=5), {"15m": 3, "1h": 12, "4h": 48, "all": 288}),
        (600, timedelta(minutes=5), {"15m": 3, "1h": 12, "4h": 48, "24h": 288, "all": 600}),
        (48, timedelta(hours=1), {"1h": 1, "4h": 4, "24h": 24, "all": 48}),
        (90, timedelta(days=1), {"first": 1, "tenth": 9, "half": 45, "all": 90}),
        (48, None, {"first": 1, "tenth": 5, "half": 24, "all": 48}),
        (3, timedelta(minutes=5), {"first": 1, "half": 2, "all": 3}),
        (1, timedelta(minutes=5), {"all": 1}),
    ],
)
def test_bands_follow_the_clock_where_the_step_does(
    horizon: int, step: timedelta | None, wanted: dict[str, int]
) -> None:
    assert {band.name: band.steps for band in bands(horizon, step)} == wanted


@given(st.integers(1, 5000), st.one_of(st.none(), st.timedeltas(timedelta(), timedelta(days=400))))
def test_bands_rise_to_the_horizon(horizon: int, step: timedelta | None) -> None:
    steps = [band.steps for band in bands(horizon, step)]
    assert steps == sorted(set(steps))
    assert steps[0] >= 1
    assert steps[-1] == horizon


def _figures(actuals: list[float], points: list[float], **changes: object) -> tuple[Accuracy, ...]:
    given = {
        "naive": np.full((1, 3), 8.0), "seasonal": np.array([[9.0, 9.0, 9.0]]),
        "quantiles": np.array([[[9.0, 11.0], [10.0, 12.0], [10.0, 30.0]]]), **changes,
    }  # fmt: skip
    sums = tally(np.array([actuals]), np.array([points]), levels=LEVELS, over=OVER, **given)  # type: ignore[arg-type]
    return measure(sums, OVER, LEVELS, 2.0)


def test_figures_by_hand() -> None:
    first, whole = _figures([10, 10, 20], [9, 11, 16])
    assert first.wape == pytest.approx(1 / 10)
    assert whole.wape == pytest.approx(6 / 40)
    assert whole.mase == pytest.approx(6 / 3 / 2)
    assert whole.naive_mase == pytest.approx(16 / 3 / 2)
    assert whole.skill_vs_naive == pytest.approx(1 - 6 / 16)
    assert whole.skill_vs_seasonal_naive == pytest.approx(1 - 6 / 13)
    assert whole.coverage == {0.5: pytest.approx(1 / 3), 0.9: pytest.approx(1.0)}
    assert first.pinball == pytest.approx((0.5 * 1 + 0.1 * 1) / 2)
    assert whole.pinball == pytest.approx((0.5 * (1 + 0 + 10) + 0.1 * (1 + 2 + 10)) / 2 / 3)
    assert whole.scaled_pinball == pytest.approx(whole.pinball / 2)


def test_what_was_not_measured_counts_nowhere() -> None:
    _, whole = _figures([10, np.nan, 20], [9, 11, 16])
    assert whole.wape == pytest.approx(5 / 30)
    assert whole.mase == pytest.approx(5 / 2 / 2)
    assert whole.skill_vs_naive == pytest.approx(1 - 5 / 14)


def test_what_cannot_be_told_is_none() -> None:
    unknown = np.full((1, 3), np.nan)
    first, whole = _figures([0, 0, 0], [1, 1, 1], seasonal=unknown, quantiles=np.full((1, 3, 2), np.nan))
    assert (first.wape, whole.pinball, whole.coverage, whole.skill_vs_seasonal_naive) == (None, None, {}, None)
    assert whole.mase == pytest.approx(0.5)
    assert whole.skill_vs_naive == pytest.approx(1 - 3 / 24)


def test_the_baselines_look_back_only() -> None:
    values = np.arange(10.0)
    origins = np.array([3, 6])
    assert naive_paths(values, origins, 2).tolist() == [[2, 2], [5, 5]]
    seasonal = seasonal_paths(values, origins, 6, 4)
    assert np.isnan(seasonal[0]).all()
    assert seasonal[1].tolist() == [2, 3, 4, 5, 2, 3]


def test_the_scale_is_that_of_measured_seasons() -> None:
    measured = np.array([True, True, True, False, True, True])
    assert season_scale(np.array([1.0, 2, 4, 99, 8, 5]), measured, 2) == pytest.approx((3 + 4) / 2)
    assert season_scale(np.ones(6), measured, 2) is None
    assert season_scale(np.ones(2), measured[:2], 7) is None
