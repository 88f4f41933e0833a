"""Sampled paths keep each step's quantiles and the dependence that was asked for, and learn it from errors."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.special import ndtri

from domain.forecasts import Dependence
from domain.series import FloatArray
from forecaster import paths
from forecaster.fit import fit
from tests.forecaster.handmade import LEVELS, NOON, normal
from tests.forecaster.synthetic import curve, noise, request

INDEPENDENT = Dependence(lasting=0.0, echo=0.0)


def errors(origins: int, horizon: int, *, lasting: float, echo: float) -> FloatArray:
    """Normal scores with that dependence, a row for each origin."""
    rng = np.random.default_rng(5)
    news = rng.standard_normal((origins, horizon))
    news[:, 1:] *= np.sqrt(1 - echo**2)
    fading = lfilter([1.0], [1.0, -echo], news, axis=1)
    made: FloatArray = np.sqrt(lasting) * rng.standard_normal((origins, 1)) + np.sqrt(1 - lasting) * fading
    return made


def test_each_step_keeps_the_quantiles_of_the_forecast() -> None:
    forecast = normal(np.array([50.0, 60, 80]), 5.0, dependence=Dependence(lasting=0.3, echo=0.8))

    made = paths.sample(forecast, count=1000)

    assert np.quantile(made, LEVELS, axis=0).T == pytest.approx(forecast.values, abs=0.05)


def test_the_same_forecast_has_the_same_paths_in_every_process() -> None:
    program = (
        "from datetime import datetime, UTC; from forecaster.paths import seed;"
        "print(seed('shop/spend/daily', datetime(2026, 11, 19, 12, tzinfo=UTC)))"
    )
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert int(elsewhere) == paths.seed("shop/spend/daily", NOON)
    assert paths.seed("shop/spend/daily", NOON) != paths.seed("shop/spend/hourly", NOON)
    assert paths.seed("shop/spend/daily", NOON) != paths.seed("shop/spend/daily", NOON + timedelta(days=1))
    forecast = normal(np.full(5, 100.0), 5.0, dependence=None)
    assert paths.sample(forecast).tolist() == paths.sample(forecast).tolist()


@pytest.mark.parametrize(("lasting", "echo"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.8), (0.4, 0.9)])
def test_steps_depend_on_each_other_as_asked(lasting: float, echo: float) -> None:
    forecast = normal(np.full(60, 1000.0), 10.0, dependence=Dependence(lasting=lasting, echo=echo))

    correlation = np.corrcoef(paths.sample(forecast, count=8000).T)

    for lag in (1, 5, 30):
        assert correlation[20, 20 + lag] == pytest.approx(lasting + (1 - lasting) * echo**lag, abs=0.05)


def test_a_forecast_that_nothing_is_known_of_errs_alike_at_all_steps() -> None:
    made = paths.sample(normal(np.full(9, 100.0), 5.0, dependence=None))

    assert np.corrcoef(made.T).min() == pytest.approx(1.0)


def test_nothing_falls_below_zero_where_no_quantile_does() -> None:
    forecast = normal(np.array([9.0]), 5.0, dependence=INDEPENDENT)

    assert paths.sample(forecast).min() == 0  # the 0.05 quantile is 0.8; its line would go to −8
    assert paths.sample(normal(np.array([1.0]), 5.0, dependence=INDEPENDENT)).min() < 0


def test_a_single_level_is_a_path_without_width() -> None:
    assert paths.shaped(np.array([[1.0], [2.0]]), np.array([[7.0]]), (0.9,)).tolist() == [[7.0], [7.0]]


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(0, 2**32), count=st.integers(2, 40), steps=st.integers(1, 20),
    lasting=st.floats(0, 1), echo=st.floats(0, 0.99),
)  # fmt: skip
def test_whatever_the_dependence_a_step_holds_the_same_values(
    start: int, count: int, steps: int, lasting: float, echo: float
) -> None:
    rows = np.sort(np.random.default_rng(start).normal(size=(steps, 3)), axis=1)
    drawn = paths.drivers(start, count, steps)

    made = paths.shaped(paths.dependent(drawn, Dependence(lasting=lasting, echo=echo)), rows, (0.1, 0.5, 0.9))
    plain = paths.shaped(drawn[:, 1:], rows, (0.1, 0.5, 0.9))

    assert np.sort(made, axis=0).tolist() == np.sort(plain, axis=0).tolist()


@pytest.mark.parametrize(("lasting", "echo"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.9), (0.6, 0.5)])
def test_the_dependence_of_errors_is_learned(lasting: float, echo: float) -> None:
    came = errors(400, 64, lasting=lasting, echo=echo)
    bands = np.broadcast_to(ndtri(np.array(LEVELS)), (*came.shape, len(LEVELS)))

    found = paths.learned(64 * np.arange(400), came, bands, LEVELS)

    assert found is not None
    for size in (4, 64):
        assert spread(found, size) == pytest.approx(spread(Dependence(lasting=lasting, echo=echo), size), rel=0.15)


def test_few_stretches_make_sums_wider_than_they_were_seen() -> None:
    came = errors(3, 64, lasting=0.0, echo=0.0)
    bands = np.broadcast_to(ndtri(np.array(LEVELS)), (*came.shape, len(LEVELS)))

    few = paths.learned(64 * np.arange(3), came, bands, LEVELS)

    assert few is not None
    assert spread(few, 64) > 1.2


def test_nothing_known_teaches_nothing() -> None:
    origins, unknown = np.array([5, 6]), np.full((2, 4), np.nan)

    assert paths.learned(origins, unknown, np.zeros((2, 4, 5)), LEVELS) is None
    assert paths.learned(origins, np.zeros((2, 1)), np.zeros((2, 1, 5)), LEVELS) is None
    assert paths.learned(origins, np.zeros((2, 4)), np.zeros((2, 4, 1)), (0.9,)) is None


def test_scores_undo_the_shape() -> None:
    rows = np.array([[10.0, 20, 40], [0, 0, 0]])
    came = np.array([[5.0, np.nan], [40.0, 7.0]])

    found = paths.scores(came, np.stack([rows, rows]), (0.1, 0.5, 0.9))

    assert found[0, 0] == pytest.approx(-1.5 * 1.2816, abs=1e-3)
    assert found[1, 0] == pytest.approx(1.2816, abs=1e-3)
    assert np.isnan(found[0, 1])
    assert found[1, 1] == paths.FARTHEST


def test_a_group_keeps_what_its_members_share() -> None:
    apart = [
        normal(np.full(40, 100.0), 10.0, dependence=Dependence(lasting=0.5, echo=0.5), signal=name) for name in "abcd"
    ]

    deviations = {shared: paths.sample_group(apart, shared=shared).sum(axis=0).std() for shared in (0.0, 0.5, 1.0)}

    assert deviations[0.0] == pytest.approx(20, rel=0.1)
    assert deviations[0.5] == pytest.approx(10 * np.sqrt(4 + 12 * 0.5), rel=0.1)
    assert deviations[1.0] == pytest.approx(40, rel=0.1)


def test_a_group_needs_one_grid() -> None:
    pair = [normal(np.full(size, 1.0), 1.0, dependence=None) for size in (3, 4)]

    with pytest.raises(ValueError, match="same cutoff"):
        paths.sample_group(pair, shared=0.5)


def test_what_signals_share_is_the_correlation_of_their_scores() -> None:
    common, own = errors(50, 20, lasting=0.0, echo=0.0), np.random.default_rng(8).standard_normal((3, 50, 20))
    found = [0.8 * common + 0.6 * one for one in own]

    assert paths.shared_by(found) == pytest.approx(0.64, abs=0.06)
    assert paths.shared_by(found[:1]) == 0.0


def test_a_fit_hands_over_what_it_learned() -> None:
    forecast = fit(request(curve(960) + 10 * noise(960)))

    assert forecast.dependence is not None
    assert forecast.dependence.lasting < 0.5, "white noise does not last"


def spread(dependence: Dependence, size: int) -> float:
    """Deviation of the sum of so many steps ÷ that of independent ones."""
    lags = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    echoes = np.where(lags == 0, 1.0, dependence.echo**lags)
    return float(np.sqrt((dependence.lasting + (1 - dependence.lasting) * echoes).sum() / size))
