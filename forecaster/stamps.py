"""The ``ds`` column: epoch seconds or RFC 3339, detected, and written back as it came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import numpy as np

from domain.series import FloatArray, IntArray

Style = Literal["epoch", "rfc3339", "step"]
"""How ``ds`` is written; ``step`` for files without stamps: 1, 2, … after the end."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_SECONDS: Final = 253_402_300_799.0
"""The end of the year 9999. Milliseconds of today are beyond it, so that they are told and not taken for seconds."""


def style_of(text: str) -> Style:
    """Epoch where it is a number, else RFC 3339."""
    try:
        float(text)
    except ValueError:
        return "rfc3339"
    return "epoch"


def seconds(text: str, style: Style) -> float:
    """Seconds since 1970; a stamp without offset is UTC.

    Raises:
        ValueError: Not a stamp of that style, or beyond the year 9999; the message says what is wrong.
    """
    if style == "epoch":
        return _epoch_seconds(text)
    try:
        stamp = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"ds {text!r} is not RFC 3339 (2026-01-31T12:00:00Z)") from error
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    return (stamp - _EPOCH).total_seconds()


def _epoch_seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError as error:
        raise ValueError(f"ds {text!r} is not a number of epoch seconds, as the stamps before it are") from error
    if not abs(found) <= LARGEST_SECONDS:
        raise ValueError(f"ds {text!r} is beyond the year 9999; epoch seconds are expected, not milliseconds")
    return found


def written(start_seconds: float, step_seconds: float, count: int, style: Style) -> list[str]:
    """Stamps of the ``count`` steps after ``start_seconds``."""
    if style == "step":
        return [str(step) for step in range(1, count + 1)]
    moments = [start_seconds + step_seconds * step for step in range(1, count + 1)]
    if style == "epoch":
        return [format(moment, ".15g") for moment in moments]
    return [_rfc3339(moment) for moment in moments]


def _rfc3339(moment: float) -> str:
    if not moment <= LARGEST_SECONDS:
        return "9999-12-31T23:59:59Z"
    stamp = _EPOCH + timedelta(seconds=round(moment, 3))
    return stamp.replace(tzinfo=None).isoformat(timespec="milliseconds" if stamp.microsecond else "seconds") + "Z"


def regular_step(stamps: FloatArray) -> float:
    """The usual distance of rising stamps, seconds: the median of the last fifty, so that the present rate counts."""
    distances = np.diff(stamps[-51:])
    return float(np.sort(distances)[(len(distances) - 1) // 2])


def last_change(stamps: FloatArray, step: float, *, run: int) -> int:
    """Index of the first stamp of the last stretch in which nothing else than ``step`` is the usual distance.

    A gap is one long distance among usual ones; ``run`` equal distances in a row that are not the step are another
    frequency.
    """
    distances = np.diff(stamps)
    odd = np.abs(distances - step) > 0.25 * step
    if np.count_nonzero(odd) < run:
        return 0
    same = np.abs(np.diff(distances)) <= 0.05 * np.abs(distances[:-1])
    streak, last = 0, 0
    for index in np.flatnonzero(odd):
        streak = streak + 1 if index and odd[index - 1] and same[index - 1] else 1
        last = int(index) + 1 if streak >= run else last
    return last


def sorted_unique(stamps: Sequence[float]) -> tuple[IntArray, int]:
    """Order of the stamps with only the last row of each kept, and how many rows that drops."""
    column = np.asarray(stamps, dtype=np.float64)
    order = np.argsort(column, kind="stable")
    ranked = column[order]
    keep = np.append(ranked[1:] != ranked[:-1], True)
    return order[keep].astype(np.int64), int(len(column) - keep.sum())
