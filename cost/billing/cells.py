"""Cells of a bill: exact numbers, aware instants, names and tags, from text or from what Parquet holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

NULLS: Final = frozenset({"", "null", "none", "\\n"})
"""What exports write for nothing; compared without case. The samples of FOCUS itself write ``null``."""
_FORMATTED: Final = re.compile(r"([-+]?)[$€£¥]?\s*(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?")
_SHORT_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})")
_LARGEST_EXPONENT: Final = 40
_MOST_DIGITS: Final = 60
"""With both bounds a sum over a billion rows fits into ``exact.EXACT_DIGITS``."""


class CellError(ValueError):
    """A cell does not hold what its column is for; says what it holds."""


def is_null(cell: Any) -> bool:
    """Whether it holds nothing."""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in NULLS)


def number(cell: Any) -> tuple[Decimal, str]:
    """An exact number, and how it was written: ``plain``, ``formatted`` ($1,000.00) or ``float`` (of Parquet).

    A float becomes the shortest decimal that names it: 0.1 is a tenth.

    Raises:
        CellError: It is none, or not finite, or absurdly large.
    """
    if isinstance(cell, float):
        return _finite(repr(cell)), "float"
    if isinstance(cell, Decimal | int) and not isinstance(cell, bool):
        return _finite(str(cell)), "plain"
    text = str(cell).strip()
    try:
        return _finite(text), "plain"
    except CellError:
        found = _FORMATTED.fullmatch(text)
        if found is None:
            raise
    return _finite(found[1] + found[2].replace(",", "") + (found[3] or "")), "formatted"


def _finite(text: str) -> Decimal:
    if "_" in text:  # Python's own spelling, which no bill means
        raise CellError(f"{text!r} is no number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise CellError(f"{text!r} is no number") from None
    if (
        not value.is_finite()
        or abs(value.adjusted()) > _LARGEST_EXPONENT
        or len(value.as_tuple().digits) > _MOST_DIGITS
    ):
        raise CellError(f"{text!r} is no number that a bill can mean")
    return value


def instant(cell: Any, *, day_first: bool = False) -> tuple[datetime, bool]:
    """An aware instant in UTC, and whether it was a short date (4/1/25) whose order had to be chosen.

    Without an offset it is UTC, as FOCUS says of every time.

    Raises:
        CellError: It is none.
    """
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo is not None else cell.replace(tzinfo=UTC)).astimezone(UTC), False
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC), False
    text = str(cell).strip()
    found = _SHORT_DATE.fullmatch(text)
    try:
        if found is not None:
            return _short(found, day_first), True
        made = datetime.fromisoformat(text)
        return (made if made.tzinfo is not None else made.replace(tzinfo=UTC)).astimezone(UTC), False
    except (ValueError, OverflowError):  # the last day of the year 9999 is one in no other zone
        raise CellError(f"{text!r} is no time") from None


def _short(found: re.Match[str], day_first: bool) -> datetime:
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    month, day = (second, first) if day_first else (first, second)
    return datetime(year if year > 99 else 2000 + year, month, day, tzinfo=UTC)


def says_day_first(cell: Any) -> bool:
    """Whether it is a short date that can only mean day/month/year (25/1/25)."""
    found = _SHORT_DATE.fullmatch(str(cell).strip())
    return found is not None and int(found[1]) > 12


def text(cell: Any) -> str:
    """A name; empty for nothing."""
    return "" if is_null(cell) else str(cell).strip()


def key_values(cell: Any) -> str:
    """Tags and the like as JSON text, from JSON, or from a map of Parquet; empty for nothing."""
    if isinstance(cell, list | tuple):
        cell = dict(cell)
    if isinstance(cell, Mapping):
        return json.dumps({str(key): value for key, value in cell.items()}, sort_keys=True, default=str)
    return text(cell)
