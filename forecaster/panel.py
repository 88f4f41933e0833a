"""Files of many series: the long format ``unique_id,ds,y`` and M4's wide one, onto regular grids.

What is wrong with one series is told with its file and line and leaves the others alone: it is refused, or mended and
the mending noted. Only a file that cannot be read at all raises.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from domain.errors import IntakeError
from domain.series import FloatArray
from forecaster import stamps
from forecaster.stamps import Style

ID_COLUMNS: Final = ("unique_id", "id", "series")
STAMP_COLUMNS: Final = ("ds", "timestamp", "time", "date")
VALUE_COLUMNS: Final = ("y", "value")
LARGEST: Final = 1e100
"""Beyond it squares overflow, and no demand is meant."""
MOST_CELLS: Final = 200_000
"""Steps of one series' grid; older ones are left out (one stamp of 1970 among seconds of today would need 10⁹)."""
FINEST_SECONDS: Final = 1e-3
"""Shortest step: Python's durations end at a microsecond, and no workload is measured more often."""
CHANGE_RUN: Final = 5
"""Equal distances in a row that make another frequency and not gaps."""
MISSING: Final = frozenset({"", "nan", "na", "null", "none"})
DAY: Final = 86_400.0
MONTH: Final = 30.436875 * DAY
M4_STEPS: Final = {"H": 3600.0, "D": DAY, "W": 7 * DAY, "M": MONTH, "Q": 3 * MONTH, "Y": 12 * MONTH}


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSeries:
    """One series on a regular grid.

    Attributes:
        unique_id: Its name.
        place: ``file:line`` of its first row.
        values: NaN where nothing was measured, shape ``(n,)``, the last one measured.
        end_seconds: Time of the last value, since 1970; 0 where the file has no stamps.
        step_seconds: Distance of two steps.
        style: How its stamps are written.
        notes: What was mended, each a sentence.
    """

    unique_id: str
    place: str
    values: FloatArray
    end_seconds: float
    step_seconds: float
    style: Style
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A series that is not forecast, and why."""

    unique_id: str
    place: str
    reason: str

    def __str__(self) -> str:
        """``file:line: series: reason``."""
        return f"{self.place}: series {self.unique_id}: {self.reason}"


@dataclass(slots=True)
class _Rows:
    """What was read of one series."""

    place: str
    stamps: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    mistake: Refusal | None = None


def read(path: Path) -> list[PanelSeries | Refusal]:
    """All series of a file, gzip or not, in the order in which they begin.

    Raises:
        IntakeError: The file cannot be read, is empty, or its header is neither format; says where.
    """
    rows = _numbered(path)
    first = next(rows, None)
    if first is None:
        raise IntakeError(f"{path}: the file is empty")
    columns = _long_columns(first[1])
    if columns is not None:
        return _long(rows, columns, path)
    return _wide(first, rows, path)


def _numbered(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each with its line."""
    line = 0
    try:
        with path.open("rb") as probe:
            opened = gzip.open if probe.read(2) == b"\x1f\x8b" else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            for row in reader:
                line = reader.line_num
                if row:
                    yield line, row
    except UnicodeDecodeError as error:
        raise IntakeError(f"{path}: not UTF-8 text, somewhere after line {line}") from error
    except csv.Error as error:
        raise IntakeError(f"{path}:{line + 1}: not CSV: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise IntakeError(f"{path}: cannot be read: {error}") from error


def _long_columns(header: Sequence[str]) -> tuple[int | None, int, int] | None:
    """Where id, stamp and value stand; None where the header is not of the long format."""
    names = [name.strip().lower() for name in header]

    def place(wanted: Sequence[str]) -> int | None:
        return next((names.index(name) for name in wanted if name in names), None)

    stamp, value = place(STAMP_COLUMNS), place(VALUE_COLUMNS)
    return None if stamp is None or value is None else (place(ID_COLUMNS), stamp, value)


def _long(
    rows: Iterator[tuple[int, list[str]]], columns: tuple[int | None, int, int], path: Path
) -> list[PanelSeries | Refusal]:
    name_at, stamp_at, value_at = columns
    widest = max(stamp_at, value_at, -1 if name_at is None else name_at)
    only = path.name.split(".")[0]
    found: dict[str, _Rows] = {}
    style: Style | None = None
    for line, row in rows:
        name = only if name_at is None else row[name_at] if len(row) > name_at else ""
        series = found.get(name)
        if series is None:
            series = found[name] = _Rows(place=f"{path}:{line}")
        if series.mistake is not None:
            continue
        try:
            if len(row) <= widest:
                raise ValueError(f"{len(row)} columns instead of {widest + 1}")
            if style is None:
                style = stamps.style_of(row[stamp_at])
            series.stamps.append(stamps.seconds(row[stamp_at], style))
            series.values.append(_value(row[value_at]))
            series.lines.append(line)
        except ValueError as error:
            series.mistake = Refusal(unique_id=name, place=f"{path}:{line}", reason=str(error))
    if not found:
        raise IntakeError(f"{path}: a header, but no row")
    # Rows are let go one series at a time: of ten thousand series both forms at once would be a gigabyte.
    return [_gridded(name, found.pop(name), style or "epoch", path) for name in list(found)]


def _value(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        if text.strip().lower() in MISSING:
            return np.nan
        raise ValueError(f"y {text!r} is not a number") from error
    if abs(value) > LARGEST:
        raise ValueError(f"y {text!r} is absurdly large: beyond {LARGEST:g} nothing can be computed")
    return value


def _gridded(name: str, rows: _Rows, style: Style, path: Path) -> PanelSeries | Refusal:
    """The rows on a regular grid: sorted, the last of equal stamps kept, cut where the frequency changes."""
    if rows.mistake is not None:
        return rows.mistake
    values = np.array(rows.values)
    if np.isnan(values).all():
        return Refusal(unique_id=name, place=rows.place, reason=f"none of its {len(values)} rows has a value")
    order, doubled = stamps.sorted_unique(rows.stamps)
    if len(order) < 2:
        return Refusal(unique_id=name, place=rows.place, reason="one stamp: no step can be told from it")
    times, values = np.array(rows.stamps)[order], values[order]
    notes = _mended(rows.stamps, doubled)
    step = stamps.regular_step(times)
    if step < FINEST_SECONDS:
        reason = f"its stamps are {step:g} s apart: steps of less than a millisecond are not forecast"
        return Refusal(unique_id=name, place=rows.place, reason=reason)
    begin = stamps.last_change(times, step, run=CHANGE_RUN)
    if begin:
        line = rows.lines[int(order[begin])]
        notes.append(f"mixed frequency: only the rows from {path}:{line} on, {step:g} s apart, are used")
    if 27.5 * DAY <= step <= 31.5 * DAY:
        step = MONTH
    cells = np.rint((times[begin:] - times[-1]) / step).astype(np.int64)
    if -cells[0] >= MOST_CELLS:
        notes.append(f"rows more than {MOST_CELLS} steps before the end are left out")
    recent = cells > -MOST_CELLS
    cells, kept = cells[recent], values[begin:][recent]
    grid = np.full(int(-cells[0]) + 1, np.nan)
    grid[cells - cells[0]] = kept
    return _ended(name, rows.place, grid, float(times[-1]), step, style, notes)


def _mended(given: Sequence[float], doubled: int) -> list[str]:
    notes = []
    if doubled:
        notes.append(f"{doubled} rows repeat a stamp: the last of each is used")
    if any(later < earlier for earlier, later in zip(given, given[1:], strict=False)):
        notes.append("the stamps are not in order: sorted")
    return notes


def _ended(
    name: str, place: str, grid: FloatArray, end: float, step: float, style: Style, notes: Sequence[str]
) -> PanelSeries | Refusal:
    """Cut after the last measured step: the forecast begins there."""
    known = np.flatnonzero(~np.isnan(grid))
    if not len(known):
        return Refusal(unique_id=name, place=place, reason="no value in the part that can be used")
    silent = len(grid) - 1 - int(known[-1])
    more = [f"the last {silent} steps have no value: the forecast begins before them"] if silent else []
    return PanelSeries(
        unique_id=name, place=place, values=grid[known[0] : known[-1] + 1], end_seconds=end - silent * step,
        step_seconds=step, style=style, notes=(*notes, *more),
    )  # fmt: skip


def _wide(
    first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]], path: Path
) -> list[PanelSeries | Refusal]:
    """M4's format: id, then values, oldest first; missing ones at the end. The first row may be a header."""
    found: dict[str, PanelSeries | Refusal] = {}
    headed = len(first[1]) > 1 and not _numeric(first[1][1])
    if len(first[1]) < 2:
        raise IntakeError(f"{path}:{first[0]}: neither a header unique_id,ds,y nor a row of an id and values")
    for line, row in rows if headed else _chained(first, rows):
        place = f"{path}:{line}"
        name = row[0]
        if name in found:
            found[name] = Refusal(unique_id=name, place=place, reason="a second row of the same id")
            continue
        found[name] = _wide_series(name, place, row[1:])
    if not found:
        raise IntakeError(f"{path}: a header without unique_id, ds and y, and no row of values")
    return list(found.values())


def _wide_series(name: str, place: str, texts: Sequence[str]) -> PanelSeries | Refusal:
    while texts and not texts[-1]:
        texts = texts[:-1]  # shorter series end in empty columns
    try:
        values = np.array(texts, dtype=np.float64)
    except ValueError:
        try:
            values = np.array([_value(text) for text in texts])
        except ValueError as error:
            return Refusal(unique_id=name, place=place, reason=str(error))
    if np.isinf(values).any() or (np.abs(values) > LARGEST).any():
        worst = int(np.flatnonzero(np.abs(values) > LARGEST)[0])
        reason = f"value {worst + 1} ({texts[worst]}) is absurdly large: beyond {LARGEST:g} nothing can be computed"
        return Refusal(unique_id=name, place=place, reason=reason)
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return Refusal(unique_id=name, place=place, reason="has no value")
    return PanelSeries(
        unique_id=name, place=place, values=values[known[0] : known[-1] + 1], end_seconds=0.0,
        step_seconds=_m4_step(name), style="step",
    )  # fmt: skip


def _m4_step(name: str) -> float:
    """M4's ids begin with their frequency; any other is taken as hourly."""
    return M4_STEPS.get(name[:1], 3600.0) if name[1:].isdigit() else 3600.0


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in MISSING
    return True


def _chained(first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rows
