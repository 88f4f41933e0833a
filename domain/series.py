"""Measurements: one, a history of them, and one number over a window."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.labels import Labels

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STALE_NAN_BITS: Final = 0x7FF0000000000002
"""Prometheus' staleness marker: this exact NaN payload, never any other NaN."""
STALE_NAN: Final[float] = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]


def is_stale(values: FloatArray) -> NDArray[np.bool_]:
    """Where ``values`` (any shape, contiguous) carry the staleness marker, compared by bits."""
    stale: NDArray[np.bool_] = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64) == STALE_NAN_BITS
    return stale


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement."""

    labels: Labels
    timestamp_ms: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A history: ``timestamps_ms`` and ``values`` of one length, timestamps strictly rising.

    Values may hold NaN and the staleness marker; see ``is_stale``.
    """

    labels: Labels
    timestamps_ms: IntArray
    values: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One number that a decision stands on.

    Attributes:
        value: The number, in the trigger's own unit.
        window: The time that it summarises; zero for an instant value.
        as_of: Time of the newest sample behind it (not of the question).
        count: How many series it was made from.
        completeness_ratio: How much of what should be behind it is there, 0 to 1; below 0.9 it releases nothing.
        seen: How many series were read for it; None where nobody knows how many should be there.
        expected: How many should be there; None likewise.
    """

    value: float
    window: timedelta
    as_of: datetime
    count: int
    completeness_ratio: float = 1.0
    seen: int | None = None
    expected: int | None = None
