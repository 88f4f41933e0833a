from __future__ import annotations

import pickle
from datetime import timedelta

import numpy as np
import pytest

from domain.errors import FitFailedError, HistoryTooShortError, NoDataError
from domain.series import FloatArray
from forecaster.history import MOST_STEPS, History, prepare
from tests.forecaster.synthetic import START, STEP, curve

NAN = np.nan


def prepared(values: FloatArray, season_length: int = 8) -> History:
    return prepare("shop/checkout/soon", values, start=START, step=STEP, season=season_length * STEP)


def test_short_gap_is_bridged_by_a_line() -> None:
    values = np.arange(20.0)
    values[5:8] = NAN
    history = prepared(values)
    assert history.values.tolist() == list(range(20))
    assert np.flatnonzero(~history.measured).tolist() == [5, 6, 7]


def test_long_gap_takes_the_season_before() -> None:
    values = np.tile(np.arange(8.0), 4)
    values[17:23] = NAN
    assert prepared(values).values.tolist() == np.tile(np.arange(8.0), 4).tolist()


def test_long_gap_in_the_first_season_takes_the_season_after() -> None:
    values = np.tile(np.arange(8.0), 4)
    values[1:7] = NAN
    assert prepared(values).values.tolist() == np.tile(np.arange(8.0), 4).tolist()


def test_gap_of_several_seasons_repeats_the_last_known_one() -> None:
    values = np.tile(np.arange(8.0), 6)
    values[16:40] = NAN
    assert prepared(values).values.tolist() == np.tile(np.arange(8.0), 6).tolist()


def test_silence_at_both_ends_is_cut_and_moves_start_and_cutoff() -> None:
    values = np.concatenate([np.full(5, NAN), np.arange(12.0), np.full(2, NAN)])
    history = prepared(values)
    assert history.values.tolist() == list(range(12))
    assert history.start == START + 5 * STEP
    assert history.cutoff == START + 16 * STEP


def test_nothing_measured_is_no_data() -> None:
    with pytest.raises(NoDataError, match=r"shop/checkout/soon has no value since 2026-11-01"):
        prepared(np.full(50, NAN))
    with pytest.raises(NoDataError):
        prepared(np.array([]))


def test_too_little_says_how_much_is_needed() -> None:
    with pytest.raises(HistoryTooShortError, match=r"needs 0:02:30 of history, has 0:00:30") as caught:
        prepared(np.array([1.0, NAN, NAN, 2.0]))
    assert caught.value.needed == timedelta(seconds=150)


def test_too_short_crosses_a_process_boundary() -> None:
    error = HistoryTooShortError(needed=timedelta(minutes=48), got=timedelta(minutes=3))
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.needed, copy.got, str(copy)) == (error.needed, error.got, str(error))


@pytest.mark.parametrize("absurd", [np.inf, -np.inf, 1e308])
def test_absurd_value_is_refused_with_its_place(absurd: float) -> None:
    values = curve(100)
    values[[40, 60]] = absurd
    with pytest.raises(FitFailedError, match=r"has 2 absurd values, the first .* at 2026-11-01T00:10:00\+00:00"):
        prepared(values)


def test_only_a_history_with_negative_values_may_be_forecast_below_zero() -> None:
    assert prepared(curve(50)).lowest == 0
    assert prepared(curve(50) - 150).lowest is None


def test_older_steps_are_left_out_but_never_the_last_three_seasons() -> None:
    values = np.arange(MOST_STEPS + 100.0)
    short, long = prepared(values), prepared(values, season_length=8_000)
    assert (len(short.values), short.values[0]) == (MOST_STEPS, 100)
    assert len(long.values) == len(values)
