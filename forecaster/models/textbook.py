"""What the textbook models that explain have in common: a path, the parameters behind it, and how they were counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.series import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Textbook:
    """A fitted reference model.

    Attributes:
        model: ``holt_winters`` or ``sarimax``.
        path: Point forecast, shape ``(horizon,)``.
        parameters: By statsmodels' name; those that do not exist in this form are left out.
        aic: Akaike's criterion; comparable between fits of the same points only.
        points: How many averaged points it was fitted to.
        block: Steps per point.
        note: What the reader should know before trusting the parameters; empty where there is nothing.
    """

    model: str
    path: FloatArray
    parameters: Mapping[str, float]
    aic: float
    points: int
    block: int
    note: str = ""
