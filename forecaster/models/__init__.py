"""The models: plain functions from a history to point forecasts, pure numpy, no I/O.

All that compete share one signature, ``paths(values, origins, *, season_length, horizon)``: the forecasts made at many
origins of one history at once, of which row ``i`` may look at ``values[:origins[i]]`` only. The forecast that is
served is the last origin, ``len(values)``; the backtest asks for the others. ``holt_winters`` stands apart: it explains
and never competes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from domain.series import FloatArray, IntArray
from forecaster.models import drift, fourier_ar, mean_last, naive, seasonal_naive


class Paths(Protocol):
    """Point forecasts at many origins of one history."""

    def __call__(self, values: FloatArray, origins: IntArray, *, season_length: int, horizon: int) -> FloatArray:
        """Shape ``(len(origins), horizon)``; row ``i`` is made from ``values[:origins[i]]`` alone."""
        ...


COMPETING: Mapping[str, Paths] = MappingProxyType(
    {
        "naive": naive.paths,
        "seasonal_naive": seasonal_naive.paths,
        "drift": drift.paths,
        "fourier_ar": fourier_ar.paths,
    }  # fmt: skip
)
"""Simplest first: of two that err alike the simpler is served."""
FINE: Mapping[str, Paths] = MappingProxyType({**COMPETING, "mean_last_5": mean_last.paths})
"""Where a step is a minute or less."""
FITTED: Mapping[str, Callable[[FloatArray, int], fourier_ar.FourierAr | drift.Drift]] = MappingProxyType(
    {"drift": drift.fit, "fourier_ar": fourier_ar.fit}
)
"""Those that keep coefficients of the whole history, from values and season length, to be carried forward."""
