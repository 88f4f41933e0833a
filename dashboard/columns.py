"""Series on their way to the browser: thinned out to what can be seen, written as plotly's typed arrays.

MinMaxLTTB keeps peaks, which an autoscaler is about: 1 M samples to 1600 in about 1 ms.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

from dashboard.contract import Columns
from domain.clock import to_ms
from domain.series import FloatArray

TypedArray = dict[str, str]


def typed(values: NDArray[Any]) -> TypedArray:
    """Base64 of little-endian doubles; plotly.js reads it without parsing numbers."""
    doubles = np.ascontiguousarray(values, dtype="<f8")
    return {"dtype": "f8", "bdata": base64.b64encode(doubles.tobytes()).decode("ascii")}


def thin(columns: Columns, max_points: int) -> tuple[FloatArray, FloatArray]:
    """Times and values of at most ``max_points`` samples, those that carry the shape of the line."""
    t, v = columns.t.astype(np.float64), np.ascontiguousarray(columns.v, dtype=np.float64)
    if len(t) <= max_points:
        return t, v
    # The downsampler has no notion of NaN: gaps stay gaps because broken() cuts the line at long distances.
    known = np.isfinite(v)
    t, v = np.ascontiguousarray(t[known]), np.ascontiguousarray(v[known])
    if len(t) <= max_points:
        return t, v
    kept = MinMaxLTTBDownsampler().downsample(t, v, n_out=max_points)
    return t[kept], v[kept]


def broken(t: FloatArray, v: FloatArray, step_ms: int | None) -> tuple[FloatArray, FloatArray]:
    """The line with a NaN in each gap longer than three steps, so that nothing is drawn where nothing was seen."""
    if step_ms is None or len(t) < 3:
        return t, v
    distances = np.diff(t)
    allowed = max(3.0 * step_ms, 3.0 * float(np.median(distances)))
    gaps = np.flatnonzero(distances > allowed)
    return np.insert(t, gaps + 1, t[gaps] + 1), np.insert(v, gaps + 1, np.nan)


def steps(columns: Columns, end_ms: int, max_points: int) -> tuple[FloatArray, FloatArray]:
    """Change points drawn on to ``end_ms``: what was set last still holds."""
    t, v = thin(columns, max_points)
    if len(t) and t[-1] < end_ms and np.isfinite(v[-1]):
        return np.append(t, float(end_ms)), np.append(v, v[-1])
    return t, v


def is_stale(columns: Columns, now: datetime) -> bool:
    """True when the newest sample is older than three steps (and a minute, so that one slow scrape is no news)."""
    last = columns.last
    if last is None or columns.step_ms is None:
        return False
    return to_ms(now) - last[0] > max(3 * columns.step_ms, 60_000)
