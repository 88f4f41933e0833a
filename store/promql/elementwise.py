"""Functions of each value by itself: mathematics, clamping, dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from domain.series import FloatArray
from store.promql.frame import Frame


def _sign(values: FloatArray) -> FloatArray:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


MATHEMATICS: Final[Mapping[str, Callable[[FloatArray], FloatArray]]] = {
    "abs": np.abs, "ceil": np.ceil, "floor": np.floor, "exp": np.exp, "sqrt": np.sqrt, "sgn": _sign,
    "ln": np.log, "log2": np.log2, "log10": np.log10,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "rad": lambda degrees: degrees * np.pi / 180, "deg": lambda radians: radians * 180 / np.pi,
}  # fmt: skip


def rounded(frame: Frame, to_nearest: FloatArray | float) -> Frame:
    """To the nearest multiple, ties upward; the inverse costs less accuracy than the division."""
    inverse = 1.0 / np.asarray(to_nearest)
    return frame.with_values(np.floor(frame.values * inverse + 0.5) / inverse)


def clamped(frame: Frame, low: FloatArray | float, high: FloatArray | float) -> Frame:
    """Into ``[low, high]``; nothing at steps where the bounds cross, NaN where a bound is NaN."""
    crossed = np.broadcast_to(np.asarray(high) < np.asarray(low), (frame.steps,))
    kept = frame.with_values(np.maximum(low, np.minimum(high, frame.values)))
    return kept.where(~crossed) if crossed.any() else kept


def _days(seconds: FloatArray) -> FloatArray:
    return np.floor(seconds / 86400)


def _calendar(seconds: FloatArray, unit: str) -> FloatArray:
    """Whole months or years since 1970 (UTC)."""
    since: FloatArray = _days(seconds).astype("datetime64[D]").astype(f"datetime64[{unit}]").astype(np.float64)
    return since


def _day_of(seconds: FloatArray, unit: str) -> FloatArray:
    days = _days(seconds).astype("datetime64[D]")
    since: FloatArray = (days - days.astype(f"datetime64[{unit}]").astype("datetime64[D]")).astype(np.float64)
    return since + 1


def _days_in_month(seconds: FloatArray) -> FloatArray:
    month = _days(seconds).astype("datetime64[D]").astype("datetime64[M]")
    days: FloatArray = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.float64)
    return days


_DATES: Final[Mapping[str, Callable[[FloatArray], FloatArray]]] = {
    "minute": lambda s: np.floor(s / 60) % 60,
    "hour": lambda s: np.floor(s / 3600) % 24,
    "day_of_week": lambda s: (_days(s) + 4) % 7,  # 1970-01-01 was a Thursday; Sunday is 0
    "day_of_month": lambda s: _day_of(s, "M"),
    "day_of_year": lambda s: _day_of(s, "Y"),
    "days_in_month": _days_in_month,
    "month": lambda s: _calendar(s, "M") % 12 + 1,
    "year": lambda s: _calendar(s, "Y") + 1970,
}


def date_part(name: str, seconds: FloatArray) -> FloatArray:
    """A part of the UTC date at ``seconds`` since the epoch; NaN for what is no date (NaN, ±Inf, beyond year 5000)."""
    dated = np.isfinite(seconds) & (np.abs(seconds) < 1e11)
    whole = np.trunc(np.where(dated, seconds, 0.0))
    return np.where(dated, _DATES[name](whole), np.nan)
