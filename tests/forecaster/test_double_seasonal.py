from __future__ import annotations

import numpy as np

from forecaster.models import double_seasonal
from tests.forecaster.hourly import DAY, WEEK, hours


def _ahead(values: np.ndarray, horizon: int) -> np.ndarray:
    return double_seasonal.paths(values[None], np.array([len(values)]), short=DAY, long=WEEK, horizon=horizon)[0, 0]


def test_an_exact_week_is_repeated_beyond_its_length() -> None:
    made = _ahead(hours(672), 200)
    np.testing.assert_allclose(made, hours(872)[672:], atol=1e-6)


def test_a_risen_level_is_followed() -> None:
    values = hours(672)
    values[400:] += 100
    assert np.abs(_ahead(values, 48) - hours(720)[672:] - 100).mean() < 10


def test_a_fresh_shock_echoes_and_fades() -> None:
    values, echo = hours(840), np.zeros(840)
    shocks = np.random.default_rng(0).standard_normal(840)
    for at in range(1, 840):
        echo[at] = 0.9 * echo[at - 1] + shocks[at]
    values = values + echo
    values[-1] += 20
    above = _ahead(values, 48) - hours(888)[840:]
    assert above[0] > 8
    assert abs(above[-1]) < 0.5 * above[0]
