"""What a batch engine hands back."""

from __future__ import annotations

from dataclasses import dataclass

from domain.series import FloatArray
from forecaster.blend import Blend


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Forecasts of one batch.

    Attributes:
        mean: Shape ``(series, horizon)``: the point forecast, chosen for absolute and scaled error.
        values: Quantiles, shape ``(series, horizon, levels)``, never crossing.
        members: Names of what was blended.
        blend: Weights and errors.
    """

    mean: FloatArray
    values: FloatArray
    members: tuple[str, ...]
    blend: Blend
