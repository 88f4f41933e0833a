"""The recorded workloads and how a forecast of them is scored: rolling origins, pinball loss, seasonal naive = 1.

Twelve origins in the last 60 % of each trace; a forecaster sees at most nine days before an origin and answers three
quantiles for the next day. Batch ``k`` holds origin ``k`` of every trace, so that whatever a forecaster shares between
series was known at these origins.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import NotMeasuredError

FloatArray = NDArray[np.float64]

STEP_SECONDS: Final = 300
SEASON: Final = 288
HISTORY: Final = 2_592
"""Nine days."""
AHEAD: Final = 288
ORIGINS: Final = 12
FIRST_ORIGIN: Final = 0.4
LEVELS: Final = (0.5, 0.9, 0.95)
HORIZONS: Final[Mapping[str, int]] = {"10m": 2, "1h": 12, "24h": 288}
WORST_RATIO: Final = 10.0
COARSEST_SECONDS: Final = 600
"""A trace with a wider period cannot be forecast at 5 minutes and is left to other benchmarks."""
SHORTEST: Final = 3 * SEASON + AHEAD


class NoTracesError(NotMeasuredError):
    """The data folder holds nothing to forecast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One recorded workload on a regular 5-minute grid, NaN where nothing was recorded."""

    name: str
    values: FloatArray

    def origins(self, count: int = ORIGINS) -> NDArray[np.int64]:
        """Number of values known at each origin: the middles of so many equal stretches of the last 60 %."""
        size = len(self.values)
        first, last = FIRST_ORIGIN * size, size - AHEAD
        origins: NDArray[np.int64] = (first + (np.arange(count) + 0.5) * (last - first) / count).astype(np.int64)
        return origins


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Origin ``k`` of every trace.

    Attributes:
        histories: What is known, shape ``(series, HISTORY)``; NaN before the beginning and in gaps.
        actuals: What came, shape ``(series, AHEAD)``; NaN where nothing was recorded.
    """

    histories: FloatArray
    actuals: FloatArray


Forecaster = Callable[[FloatArray], FloatArray]
"""From histories ``(series, HISTORY)`` to quantiles ``(series, AHEAD, len(LEVELS))``."""


def load(data: Path) -> list[Trace]:
    """Every trace of 10 minutes or finer under ``data``, by name.

    Raises:
        NoTracesError: None is there.
    """
    folders = [folder for folder in (data / "traces", data / "traces_5min") if folder.is_dir()] or [data]
    files = sorted(file for folder in folders for file in folder.glob("*.csv*"))
    traces = [trace for trace in map(_read, files) if trace is not None]
    if not traces:
        raise NoTracesError(f"{data}: no trace of {COARSEST_SECONDS // 60} minutes or finer in traces/ or traces_5min/")
    return traces


def read_rows(file: Path) -> tuple[FloatArray, FloatArray]:
    """Seconds and values of a ``timestamp,value`` file, plain or gzipped."""
    opened = gzip.open(file, "rt") if file.suffix == ".gz" else file.open()
    with opened as lines:
        rows = [row for row in csv.reader(lines) if row]
    return np.array([_seconds(row[0]) for row in rows[1:]]), np.array([float(row[1]) for row in rows[1:]])


def _read(file: Path) -> Trace | None:
    seconds, read = read_rows(file)
    if len(seconds) < 2 or np.median(np.diff(seconds)) > COARSEST_SECONDS:
        return None
    values = _resampled(seconds, read)
    return Trace(name=file.name.split(".")[0], values=values) if len(values) >= SHORTEST else None


def _seconds(stamp: str) -> float:
    try:
        return float(stamp)
    except ValueError:
        moment = datetime.fromisoformat(stamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _resampled(seconds: FloatArray, values: FloatArray) -> FloatArray:
    """Means of the 5-minute cells."""
    cells = (seconds // STEP_SECONDS).astype(np.int64)
    cells -= cells.min()
    size = int(cells.max()) + 1
    count = np.bincount(cells, minlength=size)
    total = np.bincount(cells, weights=values, minlength=size)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def batches(traces: Sequence[Trace], *, shift: int = 0) -> list[Batch]:
    """One for each origin; ``shift`` moves all origins back by so many steps (other rows of the same traces)."""
    return [_batch(traces, k, shift) for k in range(ORIGINS)]


def _batch(traces: Sequence[Trace], k: int, shift: int) -> Batch:
    histories = np.full((len(traces), HISTORY), np.nan)
    actuals = np.empty((len(traces), AHEAD))
    for row, trace in enumerate(traces):
        origin = int(trace.origins()[k]) - shift
        known = trace.values[max(origin - HISTORY, 0) : origin]
        histories[row, HISTORY - len(known) :] = known
        actuals[row] = trace.values[origin : origin + AHEAD]
    return Batch(histories=histories, actuals=actuals)


def pinball(actuals: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Mean over the levels of 2·pinball loss, shape of ``actuals``; NaN where the actual is."""
    error = actuals[..., None] - quantiles
    levels = np.array(LEVELS)
    loss: FloatArray = 2 * np.maximum(levels * error, (levels - 1) * error).mean(axis=-1)
    return loss


def losses(batch: Batch, quantiles: FloatArray) -> dict[str, FloatArray]:
    """By horizon: mean loss of each series."""
    loss = pinball(batch.actuals, quantiles)
    return {name: _known_mean(loss[:, :steps]) for name, steps in HORIZONS.items()}


def below(batch: Batch, quantiles: FloatArray, level: float = 0.95) -> dict[str, FloatArray]:
    """By horizon: share of the actuals of each series at or below the quantile."""
    bound = quantiles[..., LEVELS.index(level)]
    hit = np.where(np.isnan(batch.actuals), np.nan, batch.actuals <= bound + 1e-12 * np.abs(bound))
    return {name: _known_mean(hit[:, :steps]) for name, steps in HORIZONS.items()}


def _known_mean(values: FloatArray) -> FloatArray:
    """Of each row; NaN where nothing is known."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    mean: FloatArray = np.where(count > 0, np.where(known, values, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
    return mean


def relative(ours: FloatArray, theirs: FloatArray) -> float:
    """Losses ``(origins, series)``: summed per series, divided, clipped, geometric mean over series."""
    known = ~(np.isnan(ours) | np.isnan(theirs))
    top = np.where(known, ours, 0).sum(axis=0)
    bottom = np.where(known, theirs, 0).sum(axis=0)
    ratio = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.where(top > 0, WORST_RATIO, 1.0))
    return float(np.exp(np.log(np.clip(ratio, 1 / WORST_RATIO, WORST_RATIO)).mean()))
