"""Arithmetic and comparison, on numbers and arrays alike, with Go's meaning of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from domain.series import FloatArray
from store.promql.results import BoolArray

ARITHMETIC: Final[Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,  # sign of the dividend, as Go's math.Mod
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISON: Final[Mapping[str, Callable[[FloatArray, FloatArray], BoolArray]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
