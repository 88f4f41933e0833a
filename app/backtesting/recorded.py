"""A recorded workload as a CSV file: one row per moment, one column per trigger, onto the grid of the replay.

Every fault is told with file and line, all at once. Short gaps are bridged and told; in longer ones a trigger saw
nothing, as it would have live.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from domain.errors import ForetideError
from domain.series import FloatArray

TICK_SECONDS: Final = 15.0
"""The sync period of HPA and of Foretide."""
STAMPS: Final = ("timestamp", "time", "ts", "ds")
MISSING: Final = frozenset({"", "nan", "na", "null", "none"})
HELD: Final = frozenset({"replicas", "violated"})
"""What keeps its last value until the next one; everything else goes in a line from one to the next."""
BRIDGED_STEPS: Final = 3
MOST_FAULTS: Final = 20
MOST_TICKS: Final = 400 * 5_760
COARSEST_SECONDS: Final = 3_600.0
LARGEST: Final = 1e15


class DataError(ForetideError):
    """The recorded data cannot be used; each line of the message has its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A workload on the grid.

    Attributes:
        source: Where it comes from, for the reader.
        start: Of the first tick.
        columns: By name, shape ``(ticks,)``, NaN where nobody knows.
        notes: What was mended, each a sentence.
        step_seconds: How far apart the recorded values were.
    """

    source: str
    start: datetime
    columns: Mapping[str, FloatArray]
    notes: tuple[str, ...]
    step_seconds: float

    @property
    def ticks(self) -> int:
        """How many."""
        return len(next(iter(self.columns.values())))

    def between(self, since: datetime | None, until: datetime | None) -> Recorded:
        """The part from ``since`` to ``until``.

        Raises:
            DataError: Nothing of it is recorded.
        """
        first = 0 if since is None else max(round((since - self.start).total_seconds() / TICK_SECONDS), 0)
        last = self.ticks if until is None else round((until - self.start).total_seconds() / TICK_SECONDS)
        if first >= min(last, self.ticks):
            raise DataError(f"{self.source}: nothing is recorded between --from and --to")
        start = datetime.fromtimestamp(self.start.timestamp() + first * TICK_SECONDS, tz=UTC)
        columns = {name: values[first:last] for name, values in self.columns.items()}
        return Recorded(
            source=self.source, start=start, columns=columns, notes=self.notes, step_seconds=self.step_seconds
        )


def read(path: Path) -> Recorded:
    """A CSV file, gzip or not.

    Raises:
        DataError: It cannot be read, or has faults; at most 20 are told.
    """
    header, rows = _rows(path)
    at = [k for k, name in enumerate(header) if name.lower() in STAMPS]
    if len(at) != 1:
        raise DataError(f"{path}:1: expected one column {' or '.join(STAMPS[:2])}; found {', '.join(header) or 'none'}")
    names = [name for k, name in enumerate(header) if k != at[0]]
    if not names:
        raise DataError(f"{path}:1: expected a column beside the time: one for each trigger, or load")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{path}:1: these columns stand twice: {', '.join(twice)}")
    times, values = _parsed(path, rows, len(header), at[0])
    return onto_grid(str(path), times, dict(zip(names, values.T, strict=True)))


def onto_grid(source: str, times: FloatArray, columns: Mapping[str, FloatArray]) -> Recorded:
    """From rising times (seconds) to the grid of the replay.

    Raises:
        DataError: It is too short, too long, too coarse, or mostly gaps.
    """
    if len(times) < 3:
        raise DataError(f"{source}: expected at least 3 rows; found {len(times)}")
    step = float(np.median(np.diff(times)))
    if step > COARSEST_SECONDS:
        raise DataError(
            f"{source}: values every {step / 3600:g} h tell nothing about scaling; expected at most 1 h apart"
        )
    start = math.floor(times[0] / TICK_SECONDS) * TICK_SECONDS
    ticks = int((times[-1] - start) // TICK_SECONDS) + 1
    if ticks > MOST_TICKS:
        raise DataError(
            f"{source}: {ticks * TICK_SECONDS / 86_400:.0f} days are more than 400; is the time in seconds?"
        )
    grid = start + TICK_SECONDS * np.arange(ticks)
    notes = _notes(source, times, step)
    made = {
        name: _held(grid, times, values, step) if name in HELD else _line(grid, times, values, step)
        for name, values in columns.items()
    }
    return Recorded(
        source=source, start=datetime.fromtimestamp(start, tz=UTC), columns=made, notes=notes, step_seconds=step
    )


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
        reader = csv.reader(text.splitlines())
        header = [name.strip() for name in next(reader, [])]
        return header, [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: {error}") from error


def _parsed(path: Path, rows: Sequence[tuple[int, list[str]]], width: int, at: int) -> tuple[FloatArray, FloatArray]:
    """Times in seconds and a table of values; every fault at once."""
    faults: list[str] = []
    times, table = np.zeros(len(rows)), np.full((len(rows), width - 1), np.nan)
    for k, (line, row) in enumerate(rows):
        if len(faults) >= MOST_FAULTS:
            break
        if len(row) != width:
            faults.append(f"{path}:{line}: expected {width} fields; found {len(row)}")
            continue
        try:
            times[k] = _seconds(row[at].strip())
            table[k] = [_value(field.strip()) for j, field in enumerate(row) if j != at]
        except (ValueError, OverflowError) as error:
            faults.append(f"{path}:{line}: {error}")
            continue
        if k and times[k] <= times[k - 1] and not faults:
            word = "again the time of the row before" if times[k] == times[k - 1] else "earlier than the row before"
            faults.append(f"{path}:{line}: {row[at]} is {word}; rows must rise")
    if faults:
        raise DataError("\n".join(faults))
    return times, table


def _seconds(text: str) -> float:
    """ISO 8601 (UTC without an offset), or seconds or milliseconds since 1970."""
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f'"{text[:40]}" is no time; expected 2026-11-21T12:00:00Z or seconds since 1970') from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= number < 1e14:
        raise ValueError(f"{text[:40]} is no time in seconds or milliseconds since 1970")
    return number / 1000 if number >= 1e11 else number


def _value(text: str) -> float:
    if text.lower() in MISSING:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f'"{text[:40]}" is no number; leave the field empty where nothing was measured') from None
    if number < 0:
        raise ValueError(f"{text[:40]} is below 0, which no load, number of replicas or use can be")
    if not number <= LARGEST:
        raise ValueError(f"{text[:40]} is no number that a workload can have")
    return number


def _notes(source: str, times: FloatArray, step: float) -> tuple[str, ...]:
    away = np.diff(times)
    gaps = away[away > BRIDGED_STEPS * step]
    lost = float(gaps.sum())
    if lost > 0.5 * (times[-1] - times[0]):
        raise DataError(
            f"{source}: more than half of the time is gaps of over {BRIDGED_STEPS * step:.0f} s;"
            " nothing can be told from the rest"
        )
    notes = []
    if len(gaps):
        notes.append(
            f"gaps: {len(gaps)}, {lost / 3600:.1f} h in all; triggers saw nothing then, the load stays as it was"
        )
    if step > 4 * TICK_SECONDS:
        notes.append(
            f"one value every {step:.0f} s: between them it goes in a line, which flatters what follows trends"
        )
    return tuple(notes)


def _line(grid: FloatArray, times: FloatArray, values: FloatArray, step: float) -> FloatArray:
    """In a line between neighbours that are at most ``BRIDGED_STEPS`` apart; a mean where they lie closer."""
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(grid), np.nan)
    at, values = times[known], values[known]
    if step < TICK_SECONDS:
        cell = ((at - grid[0]) // TICK_SECONDS).astype(np.int64)
        counts = np.bincount(cell, minlength=len(grid))
        sums = np.bincount(cell, weights=values, minlength=len(grid))
        filled = counts > 0
        at, values = grid[filled], sums[filled] / counts[filled]
    made = np.interp(grid, at, values)
    right = np.minimum(np.searchsorted(at, grid, side="left"), len(at) - 1)
    left = np.maximum(np.searchsorted(at, grid, side="right") - 1, 0)
    farthest = BRIDGED_STEPS * max(step, TICK_SECONDS)
    outside = (grid < at[0] - farthest) | (grid > at[-1] + farthest)
    made[(at[right] - at[left] > farthest) | outside] = np.nan
    return np.asarray(made)


def _held(grid: FloatArray, times: FloatArray, values: FloatArray, step: float) -> FloatArray:
    """The last value, for at most ``BRIDGED_STEPS``."""
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(grid), np.nan)
    at, values = times[known], values[known]
    last = np.searchsorted(at, grid + 1e-6, side="right") - 1
    made = values[np.maximum(last, 0)]
    made[(last < 0) | (grid - at[np.maximum(last, 0)] > BRIDGED_STEPS * max(step, TICK_SECONDS))] = np.nan
    return np.asarray(made)
