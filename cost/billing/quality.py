"""What is wrong with a bill, each with file, row and column: a line says it, and the rest of the bill is still read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MOST_KEPT: Final = 10_000
"""Lines that are kept word for word; what comes after is counted. A guess: nobody reads more, and a bill of a million
rows with a broken column would hold a million sentences."""


class Problem(StrEnum):
    """What kind of thing is wrong."""

    UNREADABLE = "Unreadable"
    MISSING_COLUMN = "MissingColumn"
    EMPTY_CELL = "EmptyCell"
    BAD_NUMBER = "BadNumber"
    BAD_TIME = "BadTime"
    BAD_VALUE = "BadValue"
    WRONG_WIDTH = "WrongWidth"
    FORMATTED_NUMBER = "FormattedNumber"
    FLOAT_NUMBER = "FloatNumber"
    SHORT_DATE = "ShortDate"
    ANOTHER_CURRENCY = "AnotherCurrency"
    ANOTHER_ACCOUNT = "AnotherAccount"
    NEGATIVE_QUANTITY = "NegativeQuantity"
    NEGATIVE_COST = "NegativeCost"
    ZERO_PRICE = "ZeroPrice"
    PRICE_MISMATCH = "PriceMismatch"
    PURCHASE_NOT_ZERO = "PurchaseNotZero"
    STATUS_MISSING = "StatusMissing"


class Effect(StrEnum):
    """What was done about it."""

    FILE_LEFT_OUT = "file left out"
    ROW_LEFT_OUT = "row left out"
    VALUE_LEFT_OUT = "value left out"
    COUNTED = "counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLine:
    """One fault at one place.

    Attributes:
        file: As it was given.
        row: Line of a CSV file at which the record begins, the header being line 1; of a Parquet file the record,
            from 1; 0 for the whole file.
        column: Name as FOCUS spells it; empty where it is about the whole row.
    """

    file: str
    row: int
    column: str
    problem: Problem
    effect: Effect
    message: str

    def __str__(self) -> str:
        """``file:row:column: message``, without what it is not about."""
        place = ":".join([self.file, *([str(self.row)] if self.row else []), *([self.column] if self.column else [])])
        return f"{place}: {self.problem}: {self.message} ({self.effect})"


@dataclass(slots=True)
class Notes:
    """Collects lines while a bill is read."""

    lines: list[QualityLine] = field(default_factory=list)
    counts: Counter[tuple[Problem, str, Effect]] = field(default_factory=Counter)

    def add(self, file: str, row: int, column: str, problem: Problem, effect: Effect, message: str) -> None:
        """Keep one; beyond ``MOST_KEPT`` only its kind is counted."""
        self.counts[problem, column, effect] += 1
        if len(self.lines) < MOST_KEPT:
            self.lines.append(
                QualityLine(file=file, row=row, column=column, problem=problem, effect=effect, message=message)
            )
