"""Forecasts as they were when somebody last looked at them: a change of one must be meant.

After a meant change: ``python -m tests.forecaster.test_golden`` writes the files anew; look at the difference.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.fit import fit
from tests.forecaster.synthetic import curve, request

FOLDER = Path(__file__).parent.parent / "golden" / "forecasts"
TOLERANCE = 1e-6
"""Of the history's range. Same code, another CPU: BLAS adds up in another order (1e-12 here), and the clipping of the
Huber steps and the sorting of residuals may each pass that on to a neighbour; a changed model moves 1e-3 and more."""


def jitter(length: int) -> FloatArray:
    """Uniform in ±1 by splitmix64: whole numbers alone, and no generator whose stream could change."""
    bits = np.arange(1, length + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return 2 * ((bits ^ (bits >> np.uint64(31))) / 2.0**64) - 1


def histories() -> dict[str, tuple[FloatArray, dict[str, Any]]]:
    day = curve(2016) * (1 + 0.15 * jitter(2016))
    holes = day.copy()
    holes[500:560] = holes[1990:1993] = np.nan
    return {
        "demo_day": (day, {}),
        "demo_day_with_holes": (holes, {}),
        "asked_seasonal_naive": (day, {"model": "seasonal_naive"}),
        "random_walk": (1000 + 5 * np.cumsum(jitter(960)), {"horizon": 8}),
        "first_minutes": (day[:13], {"horizon": 8}),
        "constant": (np.full(300, 40.0), {"horizon": 3}),
    }


def title(forecast: Forecast) -> str:
    return f"# {forecast.model}" + (f": {forecast.fallback_reason}" if forecast.fallback_reason else "")


def rows(forecast: Forecast) -> list[list[str]]:
    header = ["step", "mean", *(f"q{level:g}" for level in forecast.quantiles)]
    steps = np.column_stack([forecast.mean, forecast.values])
    return [header, *([str(i + 1), *(f"{value:.9g}" for value in row)] for i, row in enumerate(steps))]


@pytest.mark.parametrize("name", list(histories()))
def test_forecast_is_as_it_was(name: str) -> None:
    values, changes = histories()[name]
    forecast = fit(request(values, **changes))
    with (FOLDER / f"{name}.csv").open() as file:
        served = file.readline().rstrip("\n")
        expected = list(csv.reader(file))
    assert title(forecast) == served
    assert rows(forecast)[0] == expected[0]
    spread = max(float(np.nanmax(values) - np.nanmin(values)), 1.0)
    made = np.column_stack([np.arange(1, forecast.horizon + 1), forecast.mean, forecast.values])
    assert made == pytest.approx(np.array(expected[1:], dtype=float), abs=TOLERANCE * spread)


def write() -> None:
    for name, (values, changes) in histories().items():
        forecast = fit(request(values, **changes))
        with (FOLDER / f"{name}.csv").open("w", newline="") as file:
            file.write(title(forecast) + "\n")
            csv.writer(file, lineterminator="\n").writerows(rows(forecast))


if __name__ == "__main__":
    write()
