"""Hourly and daily series whose truth is known."""

from __future__ import annotations

import numpy as np

from domain.series import FloatArray

DAY, WEEK = 24, 168


def hours(length: int, *, seed: int = 0, noise: float = 0.0) -> FloatArray:
    """A day between 50 and 150, weekends at 60 %, and noise; positive."""
    at = np.arange(length)
    day = 100 - 50 * np.cos(2 * np.pi * (at + 3 * seed) / DAY)
    weekend = np.where(at // DAY % 7 >= 5, 0.6, 1.0)
    shaken: FloatArray = day * weekend + noise * np.random.default_rng(seed).standard_normal(length)
    return np.maximum(shaken, 0.0)


def days(length: int, *, noise: float = 0.0) -> FloatArray:
    """Weekends at half, summers at double, growing by a fifth a year."""
    at = np.arange(length)
    year = 1.5 - 0.5 * np.cos(2 * np.pi * at / 365.25)
    shaken = 1000 * np.where(at % 7 >= 5, 0.5, 1.0) * year * (1 + 0.2 * at / 365.25)
    lively: FloatArray = shaken * (1 + noise * np.random.default_rng(1).standard_normal(length))
    return lively
