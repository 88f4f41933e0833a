"""Fits that are carried forward with a calendar around them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecaster.calendar import Calendar
from forecaster.dated import Dated, fit_signal
from forecaster.events import widened
from forecaster.fitted import Fitted
from tests.forecaster.test_calendar import DAY, PARIS, START, STEP, asked, demand, error, event, of

SALE = event("sale", 21, days=0.5, change=0.5)


def test_without_a_clock_change_or_an_event_in_sight_nothing_is_kept_around_the_fit() -> None:
    calendar = Calendar(timezone="Europe/Paris")

    assert isinstance(fit_signal(asked(demand(START, 15 * 96), calendar=calendar)), Fitted)


def test_an_event_that_comes_is_told_though_nothing_is_fitted_again() -> None:
    truth = demand(START, 23 * 96)
    truth[of(SALE)] *= 1.5
    kept = fit_signal(asked(truth[: 21 * 96 - 20], calendar=Calendar(occasions=(SALE,))))
    assert isinstance(kept, Dated)

    for end in range(21 * 96 - 19, 22 * 96, 7):  # before, during and after it
        first = (kept.read_from - START) // STEP
        assert kept.update(truth[first:end], kept.read_from)
        told = kept.forecast(START + end * STEP)
        assert told.cutoff == START + (end - 1) * STEP
        assert error(told, truth[end : end + 96]) < 0.25
        assert told.events == (("sale",) if told.cutoff < SALE.end - STEP else ())
    assert kept.known[-48:] == pytest.approx(truth[end - 48 : end])


def test_after_a_clock_change_it_is_to_be_fitted_again() -> None:
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    start = change - 15 * DAY
    truth = demand(start, 16 * 96, zone=PARIS)
    kept = fit_signal(asked(truth[: 15 * 96 - 4], start, calendar=Calendar(timezone="Europe/Paris")))

    assert kept.update(truth[15 * 96 - 8 : 15 * 96], start + (15 * 96 - 8) * STEP)
    assert kept.forecast(change).cutoff == change - STEP
    assert not kept.update(truth[15 * 96 - 4 : 15 * 96 + 1], start + (15 * 96 - 4) * STEP)


def test_what_is_kept_is_small_and_can_be_sent() -> None:
    values = demand(START, 21 * 96)
    kept = fit_signal(asked(values, calendar=Calendar(occasions=(SALE,))))
    assert isinstance(kept, Dated)

    assert len(pickle.dumps(kept.view)) < 40_000
    again = pickle.loads(pickle.dumps(kept))
    at = START + 21 * DAY
    assert again.forecast(at).mean.tobytes() == kept.forecast(at).mean.tobytes()


@settings(deadline=timedelta(seconds=2))
@given(
    arrays(float, (6, 3), elements=st.floats(0, 1e9)), arrays(float, 6, elements=st.floats(0, 20)),
    arrays(float, 6, elements=st.floats(0, 2)),
)  # fmt: skip
def test_quantiles_never_cross_and_doubt_never_narrows_them(
    values: np.ndarray, factors: np.ndarray, doubt: np.ndarray
) -> None:
    values = np.sort(values, axis=1)

    told = widened(values, values[:, 1], (0.05, 0.5, 0.95), factors, doubt)

    moved = values * factors[:, None]
    assert (np.diff(told, axis=1) >= 0).all()
    assert np.isfinite(told).all()
    assert (told >= 0).all()
    room = 1e-9 * moved[:, 2]
    assert (told[:, 2] >= moved[:, 2] - room).all()
    assert (told[:, 0] <= moved[:, 0] + room).all()
