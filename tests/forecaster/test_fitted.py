from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import FitFailedError
from domain.series import FloatArray
from forecaster import combine, engine, history, sparse
from forecaster.fit import QUANTILES, fit, fit_signal
from forecaster.fitted import Fitted
from forecaster.models import naive, seasonal_naive
from forecaster.models.fourier_ar import FourierAr
from forecaster.serving import Banded, Combined
from tests.forecaster.synthetic import SEASON, SEASON_LENGTH, START, STEP, curve, noise, request

NOISY = curve(2300) + 10 * noise(2300)
SPARSE = np.where(noise(2300) > 1, np.abs(noise(2300, 7)), 0.0)
KNOWN = 2016
ZOO: dict[str, dict[str, Any]] = {
    "weighted": {"values": NOISY}, "cold_start": {"values": NOISY, "known": 40},
    "fourier_ar": {"values": NOISY, "model": "fourier_ar"},
    "seasonal_naive": {"values": NOISY, "model": "seasonal_naive"}, "empirical": {"values": SPARSE},
    "naive": {"values": 1000 + np.repeat(np.cumsum(noise(110, seed=5)), 12), "known": 960, "horizon": 2},
}  # fmt: skip


def fitted_on(values: FloatArray, known: int = KNOWN, **changes: Any) -> Fitted:
    return fit_signal(request(values[:known], **changes))


def carried(values: FloatArray, known: int = KNOWN, **changes: Any) -> Fitted:
    """Fitted on the first ``known`` values, given the rest."""
    found = fitted_on(values, known, **changes)
    assert found.update(values[known:], START + known * STEP)
    return found


@pytest.mark.parametrize("model", ZOO)
def test_right_after_the_fit_the_forecast_is_that_of_the_fit_to_the_last_bit(model: str) -> None:
    known = ZOO[model].get("known", KNOWN)
    changes = {name: value for name, value in ZOO[model].items() if name != "known"}
    asked = request(**{**changes, "values": changes["values"][:known]})
    once, kept = fit(asked), pickle.loads(pickle.dumps(fit_signal(asked))).forecast(asked.made_at)
    assert once.model == kept.model == model
    assert once.mean.tobytes() == kept.mean.tobytes()
    assert once.values.tobytes() == kept.values.tobytes()
    assert once.backtest == kept.backtest
    assert kept.fitted_at == kept.made_at == asked.made_at


@pytest.mark.parametrize("steps", [1, 7, 250])
def test_a_combination_after_updates_is_what_the_same_coefficients_say_of_the_longer_history(steps: int) -> None:
    """``engine.replay`` reads its windows another way: from sums over the whole history."""
    found = carried(NOISY[: KNOWN + steps], KNOWN)
    forecast, serving = found.forecast(START), found.serving
    assert isinstance(serving, Combined)
    slow = engine.replay(
        NOISY[None], np.ones((1, len(NOISY)), dtype=bool), np.array([KNOWN, KNOWN + steps]),
        season_length=SEASON_LENGTH, horizon=48, levels=QUANTILES,
    )  # fmt: skip
    members = {name: made[0, 1] for name, made in slow.items()}
    members |= {name: one.made(found.recent, 48, QUANTILES).values for name, one in serving.banded.items()}
    assert {"quantile_ridge", "waves"} & {name for part in serving.parts for name in part.members}
    assert forecast.cutoff == START + (KNOWN + steps - 1) * STEP
    assert forecast.values == pytest.approx(combine.mixed(serving.parts, members), rel=2e-5)  # rings of float32


@pytest.mark.parametrize("steps", [1, 7, 250])
def test_the_waves_after_updates_are_those_of_the_fit_and_the_echo_of_what_came(steps: int) -> None:
    found = carried(NOISY[: KNOWN + steps], KNOWN, model="fourier_ar")
    serving = found.serving
    assert isinstance(serving, Banded)
    assert isinstance(serving.point, FourierAr)
    at, rest = np.arange(KNOWN + steps + 48), []
    angles = [2 * np.pi * k / SEASON_LENGTH * at for k in [*range(1, 11), *(k / 7 for k in range(1, 21) if k % 7)]]
    waves = np.ones(len(at)) * serving.point.waves[0]
    for column, angle in enumerate(angles):
        if 2 * column + 2 < len(serving.point.waves):
            waves += serving.point.waves[2 * column + 1] * np.cos(angle)
            waves += serving.point.waves[2 * column + 2] * np.sin(angle)
    rest = list(NOISY[: KNOWN + steps] - waves[: KNOWN + steps])
    for _ in range(48):
        rest.append(sum(weight * rest[-1 - lag] for lag, weight in enumerate(serving.point.echo)))
    mean = waves[-48:] + np.array(rest[-48:])
    forecast = found.forecast(START)
    assert forecast.mean == pytest.approx(mean, rel=1e-9)
    assert forecast.values == pytest.approx(serving.calibration.band(mean), rel=1e-9)


@pytest.mark.parametrize(("model", "paths"), [("naive", naive.paths), ("seasonal_naive", seasonal_naive.paths)])
@pytest.mark.parametrize("steps", [1, 250])
def test_simple_models_follow_what_came(model: str, paths: Any, steps: int) -> None:
    values = ZOO[model]["values"][: ZOO[model].get("known", KNOWN) + steps]
    forecast = carried(**{**ZOO[model], "values": values}).forecast(START)
    expected = paths(values, np.array([len(values)]), season_length=SEASON_LENGTH, horizon=forecast.horizon)[0]
    assert forecast.mean.tobytes() == expected.tobytes()


def test_empirical_quantiles_follow_what_came() -> None:
    values = SPARSE[: KNOWN + 250]
    forecast = carried(values, KNOWN).forecast(START)
    longer = history.prepare("s", values, start=START, step=STEP, season=SEASON)
    expected = sparse.quantiles(longer, np.array([len(values)]), 48, QUANTILES)[0]
    assert forecast.values.tobytes() == expected.tobytes()


def test_a_short_history_grows_until_it_is_to_be_fitted_again() -> None:
    values = curve(250)
    young = fitted_on(values, 11)
    assert young.forecast(START).fallback_reason == "history 2m30s of 48m (two seasons)"
    assert young.outgrown == ""
    young.update(values[11:21], START + 11 * STEP)
    assert (young.outgrown, young.forecast(START).mean[0]) == ("", values[20])
    assert young.forecast(START).fallback_reason == "history 5m of 48m (two seasons)"
    young.update(values[21:22], START + 21 * STEP)
    assert young.outgrown == "grown"
    older = fitted_on(values, 150)
    older.update(values[150:191], START + 150 * STEP)
    assert older.outgrown == ""
    older.update(values[191:192], START + 191 * STEP)
    assert older.outgrown == "grown"
    assert fitted_on(values, 192).outgrown == ""


def test_a_constant_that_moves_is_to_be_fitted_again() -> None:
    still = fitted_on(np.full(960, 40.0), 960)
    still.update(np.full(5, 40.0), START + 960 * STEP)
    assert still.outgrown == ""
    still.update(np.array([41.0]), START + 965 * STEP)
    assert still.outgrown == "moved"


@pytest.mark.parametrize("gap", [range(2020, 2022), range(2030, 2060)])
def test_gaps_are_bridged_as_in_a_history(gap: range) -> None:
    values = NOISY[:2100].copy()
    values[gap] = np.nan
    found = carried(values, KNOWN)
    whole = history.prepare("s", values, start=START, step=STEP, season=SEASON)
    assert found.recent.values.tobytes() == whole.values[-3 * SEASON_LENGTH :].tobytes()
    assert np.array_equal(np.isnan(found.recent.known), np.isnan(values[-3 * SEASON_LENGTH :]))
    assert found.forecast(START).quality is not None
    assert found.forecast(START).quality.missing_ratio == pytest.approx(len(gap) / 2100)


def test_silence_at_the_end_waits_for_the_next_value() -> None:
    found = fitted_on(NOISY, KNOWN)
    assert found.update(np.full(20, np.nan), START + KNOWN * STEP)
    assert found.cutoff == START + (KNOWN - 1) * STEP
    assert found.update(np.concatenate([np.full(20, np.nan), NOISY[2036:2040]]), START + KNOWN * STEP)
    assert found.cutoff == START + 2039 * STEP


def test_a_gap_of_more_than_a_season_is_not_bridged() -> None:
    found = fitted_on(NOISY, KNOWN)
    far = np.concatenate([np.full(SEASON_LENGTH + 1, np.nan), [3.0]])
    assert not found.update(far, START + KNOWN * STEP)
    assert found.cutoff == START + (KNOWN - 1) * STEP
    assert not found.update(np.array([3.0]), START + (KNOWN + 1) * STEP)  # a step was skipped


@pytest.mark.parametrize("model", ["auto", "fourier_ar"])
@pytest.mark.parametrize("late", [1, 3])
def test_what_was_read_too_early_is_read_again(model: str, late: int) -> None:
    """The last steps are another value, or one at all, at the second look."""
    early = NOISY[:2050].copy()
    early[-late:] -= 40.0
    early[-2] = np.nan
    found = carried(early, KNOWN, model=model)
    begin = (found.read_from - START) // STEP
    assert begin == 2046
    found.update(NOISY[begin:2055], found.read_from)
    right = carried(NOISY[:2055], KNOWN, model=model)
    assert found.cutoff == right.cutoff
    assert found.recent.measured_steps == 2055
    assert found.forecast(START).values.tobytes() == right.forecast(START).values.tobytes()


def test_a_step_that_is_gone_at_the_second_look_stays() -> None:
    found = carried(NOISY[:2050], KNOWN)
    found.update(np.full(5, np.nan), found.read_from)
    assert found.cutoff == START + 2049 * STEP
    assert found.forecast(START).values.tobytes() == carried(NOISY[:2050], KNOWN).forecast(START).values.tobytes()


def test_an_absurd_value_is_refused_and_changes_nothing() -> None:
    found = fitted_on(NOISY, KNOWN)
    with pytest.raises(FitFailedError, match="1 absurd values"):
        found.update(np.array([200.0, np.inf]), START + KNOWN * STEP)
    assert found.cutoff == START + (KNOWN - 1) * STEP


def test_a_forecast_beyond_reason_gives_way_to_naive() -> None:
    found = carried(NOISY[:2050], model="fourier_ar")
    wild = found.serving
    assert isinstance(wild, Banded)
    assert isinstance(wild.point, FourierAr)
    found.serving = replace(wild, point=replace(wild.point, echo=wild.point.echo + 1))
    forecast = found.forecast(START)
    assert forecast.fallback_reason.startswith("fourier_ar left the history's range")
    assert forecast.model == "naive"
    assert set(forecast.mean) == {NOISY[2049]}


@given(cuts=st.lists(st.integers(KNOWN, 2299), max_size=6), model=st.sampled_from(["median", "fourier_ar"]))
@settings(max_examples=15, deadline=None)
def test_however_the_steps_are_cut_the_forecast_is_the_same(cuts: list[int], model: str) -> None:
    found = pickle.loads(FITTED[model])
    for first, end in zip([KNOWN, *sorted(cuts)], [*sorted(cuts), 2300], strict=True):
        found.update(NOISY[first:end], START + first * STEP)
    whole = pickle.loads(FITTED[model])
    whole.update(NOISY[KNOWN:], START + KNOWN * STEP)
    assert found.forecast(START).values.tobytes() == whole.forecast(START).values.tobytes()


FITTED = {model: pickle.dumps(fitted_on(NOISY, KNOWN, **{"model": asked})) for model, asked in
          (("median", "auto"), ("fourier_ar", "fourier_ar"))}  # fmt: skip


def test_a_long_history_is_not_carried_along() -> None:
    """21 seasons of 96 steps; the median looks back eight."""
    assert len(FITTED["median"]) < 25_000
    assert len(FITTED["fourier_ar"]) < 8_000
