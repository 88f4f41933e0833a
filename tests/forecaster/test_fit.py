from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domain.errors import FitFailedError, ForetideError, HistoryTooShortError
from forecaster.fit import fit, reference
from tests.forecaster.synthetic import SEASON, SEASON_LENGTH, START, STEP, curve, noise, request


def test_a_combination_is_served_with_its_error_beside_the_others() -> None:
    forecast = fit(request(curve(2016) + 10 * noise(2016)))
    assert forecast.model == "weighted"
    assert forecast.fallback_reason == ""
    assert forecast.backtest is not None
    assert forecast.backtest.wape < 1.1 * min(forecast.backtest.wape_by_model.values())
    assert set(forecast.backtest.wape_by_model) == {
        "naive", "seasonal_naive", "drift", "fourier_ar", "mean_last_5", "weighted", "quantile_ridge", "waves",
    }  # fmt: skip
    assert np.abs(forecast.mean - curve(2064)[2016:]).mean() < 4


def test_a_combination_is_served_where_the_series_is_not_clean() -> None:
    """Noise in proportion, a level that wanders and a job every hour: no single model holds all of them."""
    jobs = np.where(np.arange(2016) % 4 == 1, 120.0, 0.0)
    values = (curve(2016) + jobs) * np.exp(0.1 * noise(2016) + 0.03 * np.cumsum(noise(2016, 1)))
    forecast = fit(request(values, quantiles=(0.05, 0.9, 0.95)))
    assert forecast.model == "weighted"
    assert forecast.backtest is not None
    errors = forecast.backtest.wape_by_model
    assert errors["weighted"] < min(errors["naive"], errors["seasonal_naive"])
    assert forecast.values.shape == (48, 3)
    assert (forecast.values[:, 0] <= forecast.mean).all()
    assert 0.8 <= forecast.backtest.coverage[0.95] <= 1


def test_forecast_says_when_and_what_it_is() -> None:
    forecast = fit(request(curve(2016) + noise(2016), generated=True, quantiles=(0.05, 0.5, 0.9)))
    assert forecast.cutoff == START + 2015 * STEP
    assert forecast.end == forecast.cutoff + timedelta(minutes=12)
    assert forecast.history_start == START
    assert forecast.generated
    assert forecast.values.shape == (48, 3)
    assert forecast.reference is None


def test_the_asked_model_is_served_though_another_errs_less() -> None:
    forecast = fit(request(curve(960) + 10 * noise(960), model="seasonal_naive"))
    assert forecast.model == "seasonal_naive"
    assert forecast.fallback_reason == ""


def test_naive_is_served_where_no_model_beats_it() -> None:
    """A step every three hours and nothing between: whoever expects more than the last value is wrong."""
    forecast = fit(request(1000 + np.repeat(np.cumsum(noise(80, seed=5)), 12), horizon=2))
    assert forecast.model == "naive"
    assert forecast.fallback_reason.startswith("naive errs least: WAPE 0.")


def test_two_quantiles_keep_their_promise_over_many_origins() -> None:
    """80 forecasts of 48 steps, noise known (8 % of the level): the truth lies below q as often as q says.

    Bounds: the forecasts overlap, 80 of them see 1,500 steps of noise, and two standard deviations of a share of 0.9
    in 1,500 are 0.016; the calibrations, each on the last third of its history, add about as much.
    """
    truth = curve(3000) * (1 + 0.08 * noise(3000, seed=7))
    below = []
    for origin in np.linspace(1500, 2950, 80).astype(int):
        forecast = fit(request(truth[:origin], quantiles=(0.05, 0.5, 0.9, 0.95)))
        below.append(truth[origin : origin + 48, None] <= forecast.values[: 3000 - origin])
    low, half, nine, most = np.concatenate(below).mean(axis=0)
    assert 0.03 <= low <= 0.08
    assert 0.45 <= half <= 0.55
    assert 0.865 <= nine <= 0.935
    assert 0.925 <= most <= 0.975


def test_the_reported_coverage_is_right_on_average() -> None:
    """One history tells a coverage to ± 0.05 only (its 64 held-out origins overlap); ten histories to ± 0.016."""
    backtests = [fit(request(curve(2016) * (1 + 0.08 * noise(2016, seed)))).backtest for seed in range(10)]
    reported = np.mean([[b.coverage[0.5], b.coverage[0.95]] for b in backtests if b is not None], axis=0)
    assert reported == pytest.approx([0.5, 0.95], abs=0.035)


def test_the_same_request_gives_the_same_forecast_to_the_last_bit() -> None:
    values = curve(960) + 10 * noise(960)
    first, second = fit(request(values)), fit(pickle.loads(pickle.dumps(request(values))))
    assert first.mean.tobytes() == second.mean.tobytes()
    assert first.values.tobytes() == second.values.tobytes()
    assert first.backtest == second.backtest


def test_less_than_an_eighth_of_a_season_gives_a_flat_line_that_says_why() -> None:
    forecast = fit(request(curve(11)))
    assert forecast.model == "naive"
    assert forecast.fallback_reason == "history 2m30s of 48m (two seasons)"
    assert set(forecast.mean) == {curve(11)[-1]}
    assert forecast.backtest is None
    width = forecast.values[:, -1] - forecast.values[:, 0]
    assert (np.diff(width) >= 0).all()
    assert width[-1] > width[0] > 0


def test_less_than_two_seasons_are_forecast_by_what_was_learned_elsewhere_and_say_so() -> None:
    forecast = fit(request(curve(13)))
    assert forecast.model == "cold_start"
    assert forecast.fallback_reason == "history 3m of 48m (two seasons)"
    assert forecast.backtest is None
    assert forecast.quality is not None
    assert forecast.quality.cold_start
    assert (np.diff(forecast.values, axis=1) >= 0).all()


def test_nine_steps_give_nothing() -> None:
    with pytest.raises(HistoryTooShortError):
        fit(request(curve(9)))


def test_a_constant_stays_with_a_token_band() -> None:
    forecast = fit(request(np.full(960, 40.0)))
    assert set(forecast.mean) == {40.0}
    assert forecast.fallback_reason == "the history is constant"
    assert forecast.values[0] == pytest.approx([38, 38.889, 40, 41.111, 42], abs=0.001)
    assert not fit(request(np.zeros(960))).values.any()


def test_a_demand_is_never_forecast_below_zero_but_a_balance_may_be() -> None:
    bursts = np.maximum(noise(960), 0) ** 3
    assert fit(request(bursts)).values.min() >= 0
    assert fit(request(curve(960) - 500)).mean.max() < 0


@pytest.mark.parametrize("horizon", [0, -3, 1_000_000])
def test_a_horizon_beyond_reason_is_refused(horizon: int) -> None:
    with pytest.raises(FitFailedError, match=rf"shop/checkout/soon: a horizon of {horizon} steps"):
        fit(request(curve(960), horizon=horizon))


def test_holes_cost_little() -> None:
    values = curve(2016) + 10 * noise(2016)
    holes = values.copy()
    holes[np.random.default_rng(1).random(2016) < 0.2] = np.nan
    for first in (300, 800, 1500, 1800):
        holes[first : first + 40] = np.nan
    truth = curve(2064)[2016:]
    whole, patched = (np.abs(fit(request(one)).mean - truth).mean() for one in (values, holes))
    assert patched < whole + 2


def test_changing_the_future_changes_no_forecast() -> None:
    values = curve(1200) + 10 * noise(1200)
    known = fit(request(values[:1000]))
    unknown = np.concatenate([values[:1000], np.full(200, np.nan)])
    assert np.array_equal(fit(request(unknown)).mean, known.mean)


GARBAGE = st.one_of(
    st.floats(allow_nan=True, allow_infinity=False, width=64),
    st.floats(0, 1000),
    st.just(float("nan")),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, float("inf"), 5e-324, 1e-300, 1e99, -1e99]),
)


@given(
    values=st.one_of(
        arrays(np.float64, st.integers(0, 80), elements=GARBAGE),
        arrays(np.float64, st.integers(16, 200), elements=st.floats(-1e99, 1e99)),
        arrays(np.float64, st.integers(16, 200), elements=st.sampled_from([0.0, 1.0, np.nan, 5e-324])),
    ),
    season_length=st.integers(1, 40),
    horizon=st.integers(1, 60),
    model=st.sampled_from(["auto", "seasonal_naive", "fourier_ar"]),
)
@settings(max_examples=150, deadline=None)
def test_garbage_gives_an_error_of_ours_or_a_sane_forecast(
    values: np.ndarray, season_length: int, horizon: int, model: str
) -> None:
    try:
        forecast = fit(request(values, season=season_length * STEP, horizon=horizon, model=model))
    except ForetideError:
        return
    assert forecast.mean.shape == (horizon,)
    assert np.isfinite(forecast.mean).all()
    assert np.isfinite(forecast.values).all()
    assert (np.diff(forecast.values, axis=1) >= 0).all()
    if not (values < 0).any():
        assert forecast.values.min() >= 0


@pytest.mark.parametrize("at", [5, 30, 40, 49])
@pytest.mark.parametrize(("small", "large"), [(5e-324, 1.0), (1e-300, 1e99), (-1e-300, 1e99), (1e-99, -1e99)])
def test_a_value_out_of_all_proportion_gives_a_sane_forecast(at: int, small: float, large: float) -> None:
    values = small * np.where(np.arange(50) % 7 == 3, 2.0, 1.0)
    values[at] = large
    try:
        forecast = fit(request(values, season=24 * STEP, horizon=1))
    except ForetideError:
        return
    assert np.isfinite(forecast.values).all()


def test_with_reference_adds_holt_winters_for_explanation() -> None:
    forecast = fit(request(curve(960) + 5 * noise(960), with_reference=True))
    assert forecast.reference is not None
    assert forecast.reference.shape == (48,)
    assert forecast.model == "weighted"


def test_reference_needs_two_seasons() -> None:
    with pytest.raises(HistoryTooShortError):
        reference(request(curve(2 * SEASON_LENGTH - 1)))
    cutoff, path = reference(request(curve(3 * SEASON_LENGTH), horizon=200))
    assert cutoff == START + (3 * SEASON_LENGTH - 1) * STEP
    assert path.shape == (200,)


def test_a_fit_without_reference_does_not_import_statsmodels() -> None:
    program = (
        "import sys, tests.forecaster.synthetic as s; from forecaster.fit import fit; fit(s.request(s.curve(400)));"
        "print([m for m in ('statsmodels', 'scipy', 'pandas', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_season_is_told() -> None:
    assert fit(request(curve(400))).season == SEASON


@pytest.mark.parametrize("model", ["auto", "fourier_ar"])
def test_accuracy_by_horizon_is_told_beside_naive_and_the_last_season(model: str) -> None:
    found = fit(request(curve(2016) + 10 * noise(2016), model=model)).backtest
    assert found is not None
    assert [one.until for one in found.by_horizon] == [steps * STEP for steps in (1, 5, 24, 48)]
    near, whole = found.by_horizon[0], found.by_horizon[-1]
    assert whole.wape == pytest.approx(found.wape)
    assert whole.coverage_95 == pytest.approx(found.coverage[0.95])
    # The season repeats but for noise: two of them differ by √2 as much as one of them from the perfect forecast.
    assert whole.mase == pytest.approx(1 / np.sqrt(2), rel=0.15)
    assert whole.skill_vs_seasonal_naive == pytest.approx(1 - 1 / np.sqrt(2), abs=0.12)
    assert near.skill_vs_naive is not None
    assert whole.skill_vs_naive is not None
    assert near.skill_vs_naive < whole.skill_vs_naive


def test_accuracy_by_horizon_follows_the_clock_where_the_step_fits_it() -> None:
    found = fit(request(curve(960) + noise(960), step=timedelta(minutes=5), season=timedelta(hours=8))).backtest
    assert found is not None
    assert [one.until for one in found.by_horizon] == [timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4)]


def test_accuracy_without_the_quantile_or_the_truth_is_unknown_and_not_a_number() -> None:
    found = fit(request(np.where(np.arange(960) < 500, curve(960), 0.0), quantiles=(0.1, 0.9))).backtest
    assert found is not None
    assert found.by_horizon[-1].wape is None
    assert found.by_horizon[-1].coverage_95 is None
