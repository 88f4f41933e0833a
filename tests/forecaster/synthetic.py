"""Series whose truth is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from domain.series import FloatArray
from forecaster.fit import FitRequest

START = datetime(2026, 11, 1, tzinfo=UTC)
STEP = timedelta(seconds=15)
SEASON_LENGTH = 96
SEASON = SEASON_LENGTH * STEP


def curve(length: int) -> FloatArray:
    """A demo day of 96 steps: between 60 and 340, one morning and one higher evening hump."""
    phase = 2 * np.pi * np.arange(length) / SEASON_LENGTH
    return 200 - 100 * np.cos(phase) - 40 * np.sin(2 * phase)


def noise(length: int, seed: int = 0) -> FloatArray:
    """Standard normal, the same each time."""
    return np.random.default_rng(seed).standard_normal(length)


def request(values: FloatArray, **changes: Any) -> FitRequest:
    """A fit of ``values`` as the demo asks for it."""
    given: dict[str, Any] = {
        "signal": "shop/checkout/soon", "values": values, "start": START, "step": STEP, "season": SEASON,
        "horizon": 48, "made_at": START + len(values) * STEP,
    }  # fmt: skip
    return FitRequest(**{**given, **changes})
