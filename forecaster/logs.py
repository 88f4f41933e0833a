"""Logarithms of the series that have one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray

OFFSET: Final = 0.05
"""Of the mean, added before the logarithm, so that a night of zeros is low and not minus infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """To logarithms and back for a batch, shape ``(series, …)``; what is negative or all zero passes through unchanged.

    Attributes:
        offset: Added before the logarithm, shape ``(series, 1)``.
        usable: Which series have a logarithm, shape ``(series, 1)``.
    """

    offset: FloatArray
    usable: NDArray[np.bool_]

    @classmethod
    def of(cls, batch: FloatArray) -> Logs:
        """What fits these histories."""
        mean = batch.mean(axis=1, keepdims=True)
        usable = (batch.min(axis=1, keepdims=True) >= 0) & (mean > 0)
        return cls(offset=OFFSET * np.where(usable, mean, 1.0), usable=usable)

    def forward(self, values: FloatArray) -> FloatArray:
        """Logarithms, or the values themselves."""
        logs: FloatArray = np.where(self.usable, np.log(np.where(self.usable, values, 0.0) + self.offset), values)
        return logs

    def back(self, points: FloatArray) -> FloatArray:
        """From logarithms; infinite where a forecast exploded (the blend then drops it)."""
        with np.errstate(over="ignore"):
            plain = np.exp(np.where(self.usable, points, 0.0)) - self.offset
        back: FloatArray = np.where(self.usable, plain, points)
        return back
