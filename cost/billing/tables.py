"""Files of a bill as rows of cells: CSV (plain or gzip) by the standard library, Parquet by pyarrow where it is."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from domain.errors import ForetideError

_ROWS_AT_ONCE: Final = 10_000
"""Of Parquet: about 10 MB of Python objects with FOCUS' 57 columns."""


class BillError(ForetideError):
    """A file cannot be read as a bill at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header, and rows as they are asked for: the line or record each begins at, and its cells."""

    header: list[str]
    rows: Iterator[tuple[int, list[Any]]]


def open_table(path: Path) -> Table:
    """The table in a file; ``.parquet`` is Parquet, all else CSV.

    Raises:
        BillError: It cannot be opened, has no header, or needs a package that is not installed.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return _parquet(path)
        return _csv(path)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise BillError(f"{path}: {error}") from error


def _csv(path: Path) -> Table:
    with _opened(path) as lines:
        header = next(csv.reader(lines), [])
    if len(header) < 2:
        raise BillError(f"{path}: no header of columns separated by commas")
    return Table(header=header, rows=_records(path))


def _opened(path: Path) -> TextIO:
    """Text of a file, unpacked where it is gzip; a BOM, as spreadsheets write it, is no text."""
    with path.open("rb") as start:
        is_gzip = start.read(2) == b"\x1f\x8b"
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _records(path: Path) -> Iterator[tuple[int, list[Any]]]:
    number = 0
    try:
        with _opened(path) as lines:
            reader = csv.reader(lines)
            for cells in reader:
                if number and cells:  # the first is the header; an empty line is no record
                    yield number + 1, cells
                number = reader.line_num
    except (csv.Error, OSError, EOFError, UnicodeDecodeError) as error:
        raise BillError(f"{path}: after line {number}: {error}") from error


def _parquet(path: Path) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise BillError(f"{path}: Parquet needs pyarrow: pip install 'foretide[parquet]'") from error
    try:
        header = list(parquet.read_schema(path).names)
    except pyarrow.ArrowException as error:
        raise BillError(f"{path}: {error}") from error
    return Table(header=header, rows=_batches(path))


def _batches(path: Path) -> Iterator[tuple[int, list[Any]]]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                columns = [column.to_pylist() for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield number, list(cells)
    except (pyarrow.ArrowException, OSError) as error:
        raise BillError(f"{path}: after record {number}: {error}") from error
