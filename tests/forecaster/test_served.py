from __future__ import annotations

import json
import pickle
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.served import ENOUGH, MOST, Served, doubling, is_off, moved
from tests.forecaster.synthetic import SEASON, START, STEP, noise

LEVELS = (0.05, 0.5, 0.9, 0.95)
NORMAL = np.array([-1.645, 0.0, 1.282, 1.645])
HORIZON = 8


def served(horizon: int = HORIZON, step: timedelta = STEP) -> Served:
    return Served(levels=LEVELS, watched=(0.9, 0.95), horizon=horizon, step=step)


def forecast(known: int, *, level: float = 100.0, width: float = 1.0, horizon: int = HORIZON) -> Forecast:
    """A flat forecast after ``known`` steps, its band right for a noise of ``width``."""
    return Forecast(
        signal="shop/checkout/soon", model="median", made_at=START, cutoff=START + (known - 1) * STEP, step=STEP,
        season=SEASON, mean=np.full(horizon, level), quantiles=LEVELS,
        values=np.tile(level + width * NORMAL, (horizon, 1)), reference=None, backtest=None, history_start=START,
    )  # fmt: skip


def lived(values: FloatArray, *, width: float = 1.0) -> tuple[Served, list[Forecast]]:
    """A signal's life, step by step, as the loop leads it: learn, fit, move, remember."""
    memory, made = served(), []
    for known in range(10, len(values) + 1):
        memory.learn(values[:known], START)
        fitted = forecast(known, width=width)
        made.append(memory.moved(fitted, lowest=0.0))
        memory.remember(fitted, made[-1])
    return memory, made


def test_the_ranges_double_up_to_the_horizon() -> None:
    assert doubling(1) == [(1, 1)]
    assert doubling(11) == [(1, 1), (2, 2), (3, 4), (5, 8), (9, 11)]


def test_a_band_that_is_right_is_left_as_it_was_fitted() -> None:
    memory, made = lived(100 + noise(400))
    assert not memory.recalibrated
    assert made[-1].values.tobytes() == forecast(400).values.tobytes()
    assert memory.coverage()[0.95] == pytest.approx(0.95, abs=0.03)
    first = memory.errors()[0]
    assert (first.first, first.last, first.known, first.moved) == (1, 1, 390, False)
    assert first.wape == pytest.approx(np.sqrt(2 / np.pi) / 100, rel=0.1)


@pytest.mark.parametrize("width", [0.3, 4.0])
def test_a_band_of_the_wrong_width_is_moved_until_it_covers_what_it_promises(width: float) -> None:
    """The noise is 1; a band made for 0.3 is far too narrow, one made for 4 covers all. From 50 on it is right."""
    values = 100 + noise(1000)
    memory, made = lived(values, width=width)
    late = [row for row in range(200, 980)]
    ahead_1 = np.array([made[row].values[0] for row in late])
    truths = values[np.array(late) + 10]
    for column, level in enumerate(LEVELS):
        assert (truths <= ahead_1[:, column]).mean() == pytest.approx(level, abs=0.04)
    assert made[-1].values[-1, -1] - made[-1].values[-1, 0] == pytest.approx(2 * 1.645, rel=0.2)
    assert made[-1].mean.tobytes() == forecast(1000).mean.tobytes()
    assert memory.recalibrated
    assert memory.coverage()[0.95] == pytest.approx(0.95, abs=0.03)


def test_fewer_than_fifty_known_errors_move_nothing() -> None:
    values = 100 + 10 * noise(10 + ENOUGH)
    memory, made = lived(values)
    assert [errors.moved for errors in memory.errors()] == [True, False, False, False]
    assert not lived(values[:-1])[0].recalibrated
    assert made[-2].values.tobytes() == forecast(0).values.tobytes()


def test_steps_without_a_value_are_forgotten() -> None:
    values = 100 + noise(40)
    values[20:30] = np.nan
    assert lived(values)[0].errors()[0].known == 20


def test_a_silent_signal_is_awaited_once() -> None:
    memory = served()
    for _ in range(3):
        memory.remember(forecast(10), forecast(10))
    memory.learn(100 + noise(18), START)
    assert [errors.known for errors in memory.errors()] == [1, 1, 1, 1]


def test_memory_is_bounded() -> None:
    memory, _ = lived(100 + noise(MOST + 200))
    assert [errors.known for errors in memory.errors()] == [MOST] * 4
    slow = served(horizon=1)
    for known in range(300):
        slow.remember(forecast(known, horizon=1), forecast(known, horizon=1))
    assert len(slow._rings[0].awaited) <= 2


def test_an_alarm_stays_until_the_coverage_is_clearly_right() -> None:
    exact = np.repeat([[1.0], [-1.0]], [5, 95], axis=0)
    a_little_off = np.repeat([[1.0], [-1.0]], [9, 91], axis=0)
    clearly_off = np.repeat([[1.0], [-1.0]], [11, 89], axis=0)
    for residuals, fresh, kept in ((exact, False, False), (a_little_off, False, True), (clearly_off, True, True)):
        assert is_off(residuals, (0.95,), (0,), already=False) is fresh
        assert is_off(residuals, (0.95,), (0,), already=True) is kept


def test_zeros_at_a_quantile_of_zero_are_no_fault() -> None:
    assert not is_off(np.zeros((100, 4)), LEVELS, (0, 1, 2, 3), already=False)


FINITE = st.floats(-1e9, 1e9)


@given(
    values=arrays(np.float64, (6, 4), elements=FINITE).map(lambda rows: np.sort(rows, axis=1)),
    residuals=arrays(np.float64, st.tuples(st.integers(1, 80), st.just(4)), elements=st.floats(-1e6, 1e6)),
)
@settings(deadline=None)
def test_moved_quantiles_are_finite_and_never_cross(values: FloatArray, residuals: FloatArray) -> None:
    found = moved(values, residuals, LEVELS)
    assert found.shape == values.shape
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0).all()


@given(
    past=arrays(np.float64, 80, elements=st.floats(0, 1e6)),
    future=arrays(np.float64, 20, elements=st.one_of(st.floats(0, 1e99), st.just(float("nan")))),
)
@settings(deadline=None, max_examples=40)
def test_the_future_changes_no_forecast_and_none_falls_below_zero(past: FloatArray, future: FloatArray) -> None:
    _, known = lived(past)
    memory, more = lived(np.concatenate([past, future]))
    for one, other in zip(known, more, strict=False):
        assert one.values.tobytes() == other.values.tobytes()
    for one in more:
        assert np.isfinite(one.values).all()
        assert one.values.min() >= 0
        assert (np.diff(one.values, axis=1) >= 0).all()
    assert all(0 <= share <= 1 for share in memory.coverage().values())


def restored(body: dict[str, object]) -> Served:
    memory = served()
    memory.restore(json.loads(json.dumps(body)))
    return memory


@pytest.mark.parametrize("length", [5, 90, 1000])
def test_memory_goes_on_after_a_restart_as_if_there_had_been_none(length: int) -> None:
    values = 100 + noise(length + 200)
    memory, _ = lived(values[:length], width=0.5)
    other = restored(memory.body())
    assert other.errors() == memory.errors()
    for known in range(length, length + 200):
        moved_by = []
        for one in (memory, other):
            one.learn(values[known - 4 : known], START + (known - 4) * STEP)
            moved_by.append(one.moved(forecast(known, width=0.5), lowest=0.0))
            one.remember(forecast(known, width=0.5), moved_by[-1])
        assert moved_by[0].values.tobytes() == moved_by[1].values.tobytes()
    assert other.errors() == memory.errors()
    assert other.coverage() == memory.coverage()


def test_a_body_of_other_forecasts_is_refused_and_changes_nothing() -> None:
    body = lived(100 + noise(200))[0].body()
    fresh = served(horizon=2)
    with pytest.raises(ValueError, match="other levels or ranges"):
        fresh.restore(body)
    assert [errors.known for errors in fresh.errors()] == [0, 0]
    with pytest.raises(ValueError, match="reshape"):
        served().restore({**body, "rings": [{**ring, "marks": ""} for ring in body["rings"]]})


def test_of_far_ranges_some_forecasts_are_awaited_and_not_all() -> None:
    """96 steps ahead 24 forecasts wait at a time; the window stays as long."""
    memory = served(horizon=128)
    for known in range(10, 1500):
        memory.learn(np.full(5, 100.0), START + (known - 5) * STEP)
        memory.remember(forecast(known, horizon=128), forecast(known, horizon=128))
    assert [(one.last, one.known) for one in memory.errors()] == [
        (1, 500), (2, 500), (4, 500), (8, 500), (16, 500), (32, 500), (64, 250), (128, 125),
    ]  # fmt: skip
    assert max(len(ring.awaited) for ring in memory._rings) <= 25
    assert len(pickle.dumps(memory)) < 100_000
