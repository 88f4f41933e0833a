from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecaster.backtest import Replay
from forecaster.calibrate import calibrate, coverage
from forecaster.guard import objection
from forecaster.history import prepare
from tests.forecaster.synthetic import SEASON, START, STEP, curve, noise

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def test_band_holds_the_share_it_promises() -> None:
    points = np.full((4000, 8), 100.0)
    errors = 10 * noise(4000 * 8).reshape(4000, 8)
    band = calibrate(points + errors, points, LEVELS).band(points[0])
    assert band[0] == pytest.approx(100 + 10 * np.array([-1.645, -0.674, 0, 0.674, 1.645]), abs=1.0)


def test_band_widens_where_errors_grow_with_the_distance() -> None:
    points = np.full((200, 16), 50.0)
    errors = noise(200 * 16).reshape(200, 16) * np.sqrt(np.arange(1, 17))
    band = calibrate(points + errors, points, LEVELS).band(points[0])
    width = band[:, -1] - band[:, 0]
    assert 3 < width[15] / width[0] < 5  # √16 = 4


def test_band_is_wider_where_the_level_is_higher() -> None:
    points = np.tile([[20.0], [200.0]], (200, 4))
    errors = 0.1 * points * noise(1600).reshape(400, 4)
    calibration = calibrate(points + errors, points, LEVELS)
    quiet, busy = calibration.band(np.array([[20.0], [200.0]]))[:, 0]
    assert 3 < (busy[-1] - busy[0]) / (quiet[-1] - quiet[0]) < 11


@given(
    actuals=arrays(np.float64, (20, 5), elements=st.floats(-1e6, 1e6)),
    points=arrays(np.float64, (20, 5), elements=st.floats(-1e6, 1e6)),
)
@settings(max_examples=60, deadline=None)
def test_quantiles_are_finite_and_never_cross(actuals: np.ndarray, points: np.ndarray) -> None:
    band = calibrate(actuals, points, LEVELS).band(points)
    assert np.isfinite(band).all()
    assert (np.diff(band, axis=-1) >= 0).all()


def test_coverage_is_counted_on_origins_that_were_not_calibrated_on() -> None:
    """The second half errs ten times as much: a coverage that had seen it would not say so."""
    points = np.zeros((100, 1))
    errors = noise(100).reshape(100, 1)
    errors[50:] *= 10
    past = Replay(origins=np.arange(100, 200), actuals=points + errors, points={"m": points})
    assert coverage(past, "m", (0.5, 0.95))[0.95] < 0.75


def test_coverage_is_empty_where_no_origin_can_be_held_out() -> None:
    past = Replay(origins=np.array([5, 6]), actuals=np.full((2, 3), np.nan), points={"m": np.zeros((2, 3))})
    assert coverage(past, "m", LEVELS) == {}


@pytest.mark.parametrize(
    ("mean", "half_width", "says"),
    [
        (200.0, 10.0, None),
        (np.nan, 10.0, "not finite"),
        (200.0, np.inf, "not finite"),
        (2000.0, 10.0, "left the history's range"),
        (-2000.0, 10.0, "left the history's range"),
        (200.0, 2000.0, "band wider than 10 times"),
    ],
)
def test_guard_rails(mean: float, half_width: float, says: str | None) -> None:
    history = prepare("s", curve(300), start=START, step=STEP, season=SEASON)
    means = np.full(4, mean)
    found = objection(means, np.stack([means - half_width, means, means + half_width], axis=1), history)
    assert (found is None) if says is None else (found is not None and says in found)
