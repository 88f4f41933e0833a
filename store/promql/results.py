"""What a query answers, and the limits within which it may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.errors import QueryLimitError
from domain.labels import Labels
from domain.series import FloatArray, IntArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLimits:
    """What one query may touch before it is refused.

    Attributes:
        max_series: Series of one selector, or rows of one result.
        max_samples: Samples of one selector, or values (series × steps) of one intermediate result; 160 MB of float64.
        max_steps: Steps of a range query; Prometheus' own bound.
        timeout: Wall-clock time, looked at before each part of the query.
    """

    max_series: int = 20_000
    max_samples: int = 20_000_000
    max_steps: int = 11_000
    timeout: timedelta = timedelta(seconds=30)

    def check_steps(self, start_ms: int, end_ms: int, step_ms: int) -> None:
        """Refuse a range query of more than ``max_steps`` points for each series."""
        if (end_ms - start_ms) // step_ms > self.max_steps:
            raise QueryLimitError(
                f"exceeded maximum resolution of {self.max_steps:,} points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )

    def check_size(self, series: int, samples: int) -> None:
        """Refuse a selection or an intermediate result that is too large."""
        if series > self.max_series:
            raise QueryLimitError(f"query touches {series:,} series, the limit is {self.max_series:,}")
        if samples > self.max_samples:
            raise QueryLimitError(
                f"query processing would load too many samples into memory in query execution: "
                f"{samples:,}, the limit is {self.max_samples:,}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Prometheus' annotations: the answer stands, and this should be known about it."""

    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One value for each of ``labels`` at one time; the order is the query's (``sort``, ``topk``)."""

    labels: list[Labels]
    timestamp_ms: int
    values: FloatArray
    notes: Notes = Notes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Values of shape ``(len(labels), len(timestamps_ms))``; only those with ``present`` exist."""

    labels: list[Labels]
    timestamps_ms: IntArray
    values: FloatArray
    present: BoolArray
    notes: Notes = Notes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A number without labels."""

    timestamp_ms: int
    value: float
    notes: Notes = Notes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string."""

    timestamp_ms: int
    value: str
    notes: Notes = Notes()


Result: TypeAlias = Vector | Matrix | Scalar | Text
