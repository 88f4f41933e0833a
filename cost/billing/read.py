"""Reads a bill: every row that can be read is, and every cell that cannot has its line.

Only rows whose own money is not readable are refused. Rows of another currency or account are read and kept apart,
for amounts of two currencies never add up.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from cost.billing import cells
from cost.billing.belonging import most, of_account, of_currency
from cost.billing.charges import Bill, Charge, ChargeCategory
from cost.billing.check import check
from cost.billing.columns import MONEY_COLUMNS, Column, Kind, found, missing
from cost.billing.quality import Effect, Notes, Problem
from cost.billing.tables import BillError, Table, open_table


def read_bill(
    paths: Sequence[Path],
    *,
    currency: str | None = None,
    account: str | None = None,
    rates: Mapping[str, Decimal] | None = None,
    leave_out_unreadable: bool = False,
) -> Bill:
    """One bill from one or more files.

    Args:
        paths: CSV, gzip or not, or Parquet.
        currency: Of the result; by default the one that most rows are in.
        account: Rows of another BillingAccountId are left out; by default only said.
        rates: What one unit of another currency is worth in ``currency``; without one its rows are left out.
        leave_out_unreadable: Read the other files where one cannot be read, and say it in a line.

    Raises:
        BillError: A file cannot be read as a bill at all; with ``leave_out_unreadable`` none of them can.
    """
    notes = Notes()
    charges: list[Charge] = []
    refused = unreadable = 0
    for path in paths:
        try:
            reader = _Reader(str(path), open_table(path), notes)
            charges += list(reader.charges())
        except BillError as error:
            unreadable += 1
            if not leave_out_unreadable or unreadable == len(paths):
                raise
            message = str(error).removeprefix(f"{path}: ")
            notes.add(str(path), 0, "", Problem.UNREADABLE, Effect.FILE_LEFT_OUT, message)
            continue
        refused += reader.refused
    kept, apart = of_account(charges, account, notes)
    main = currency or most(one.currency for one in kept)
    kept, foreign = of_currency(kept, main, rates or {}, notes)
    for one in kept:
        check(one, notes)
    return Bill(
        files=tuple(str(path) for path in paths), charges=tuple(kept), left_out=(*apart, *foreign),
        refused_rows=refused, currency=main, notes=notes,
    )  # fmt: skip


class _Reader:
    """One file, once: equal cells are read once and shared."""

    def __init__(self, file: str, table: Table, notes: Notes) -> None:
        self.refused = 0
        self._file, self._notes, self._table = file, notes, table
        self._known = found(table.header)
        self._columns: list[tuple[int, Column, dict[str, Any]]] = [(at, column, {}) for at, column in self._known]
        self._present = {column.field for _, column in self._known}
        self._said: set[tuple[Problem, str]] = set()
        self._day_first = False
        names = {column.name for _, column in self._known}
        if not names & set(MONEY_COLUMNS):
            raise BillError(f"{file}: neither BilledCost nor EffectiveCost is a column: this is no FOCUS bill")
        for name in missing(table.header):
            standing_in = {"BilledCost": "EffectiveCost stands in", "EffectiveCost": "BilledCost stands in"}
            message = f"the column is missing; {standing_in.get(name, 'what needs it is not told')}"
            self._note(0, name, Problem.MISSING_COLUMN, Effect.COUNTED, message)

    def charges(self) -> Iterator[Charge]:
        """Every row whose money can be read."""
        rows = self._table.rows
        if any(column.kind is Kind.TIME for _, column in self._known):
            rows = self._ordered(rows)
        for number, row in rows:
            charge = self._charge(number, row)
            if charge is not None:
                yield charge
            else:
                self.refused += 1

    def _ordered(self, rows: Iterator[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
        """The same rows; a short date anywhere that can only be day first settles all of them."""
        times = [position for position, column in self._known if column.kind is Kind.TIME]
        first = next(rows, None)
        if first is None:
            return iter(())
        if not any("/" in str(cell) for cell in _at(first[1], times)):
            return _chained(first, rows)
        every = [first, *rows]
        self._day_first = any(cells.says_day_first(cell) for _, row in every for cell in _at(row, times))
        return iter(every)

    def _charge(self, number: int, row: list[Any]) -> Charge | None:
        if len(row) != len(self._table.header):
            message = f"{len(row)} cells where the header has {len(self._table.header)}"
            self._note(number, "", Problem.WRONG_WIDTH, Effect.ROW_LEFT_OUT, message)
            return None
        values: dict[str, Any] = {}
        for position, column, seen in self._columns:
            cell = row[position]
            value = seen[cell] if type(cell) is str and cell in seen else self._value(number, column, cell, seen)
            if value is not None:
                values[column.field] = value
        return self._made(number, values)

    def _made(self, number: int, values: dict[str, Any]) -> Charge | None:
        for field, other in (("billed_cost", "effective_cost"), ("effective_cost", "billed_cost")):
            if field not in self._present and other in values:
                values[field] = values[other]
            if field not in values:
                return None
        category = values.get("category")
        if category is not None:
            values["category"] = self._category(number, category)
        return Charge(file=self._file, row=number, **values)

    def _category(self, number: int, name: str) -> ChargeCategory:
        try:
            return ChargeCategory(name)
        except ValueError:
            message = f"{name!r} is no ChargeCategory; it counts as none of them"
            self._note(number, "ChargeCategory", Problem.BAD_VALUE, Effect.COUNTED, message)
            return ChargeCategory.UNKNOWN

    def _value(self, number: int, column: Column, cell: Any, seen: dict[str, Any]) -> Any:
        """What a cell holds; text without a fault is kept in ``seen``, for a column has few different ones."""
        if cells.is_null(cell):
            self._empty(number, column)
            if isinstance(cell, str) and column.may_be_null:
                seen[cell] = None
            return None
        try:
            value, how = self._parsed(column.kind, cell)
        except cells.CellError as error:
            problem = Problem.BAD_TIME if column.kind is Kind.TIME else Problem.BAD_NUMBER
            self._note(number, column.name, problem, self._effect(column), str(error))
            return None
        if how is not None:
            self._say_once(number, column, how, cell)
        elif isinstance(cell, str):
            seen[cell] = value
        return value

    def _parsed(self, kind: Kind, cell: Any) -> tuple[Any, Problem | None]:
        if kind is Kind.TEXT:
            return sys.intern(cells.text(cell)), None
        if kind is Kind.JSON:
            return sys.intern(cells.key_values(cell)), None
        if kind is Kind.TIME:
            made, is_short = cells.instant(cell, day_first=self._day_first)
            return made, Problem.SHORT_DATE if is_short else None
        value, written = cells.number(cell)
        return value, {"formatted": Problem.FORMATTED_NUMBER, "float": Problem.FLOAT_NUMBER}.get(written)

    def _empty(self, number: int, column: Column) -> None:
        if not column.may_be_null:
            effect = self._effect(column) if column.kind is Kind.MONEY else Effect.COUNTED
            self._note(number, column.name, Problem.EMPTY_CELL, effect, "empty, where FOCUS wants a value")

    def _effect(self, column: Column) -> Effect:
        return Effect.ROW_LEFT_OUT if column.name in MONEY_COLUMNS else Effect.VALUE_LEFT_OUT

    def _say_once(self, number: int, column: Column, how: Problem, cell: Any) -> None:
        """How a whole column is written is one fault, not one for each row."""
        if (how, column.name) in self._said:
            return
        self._said.add((how, column.name))
        order = "day/month/year" if self._day_first else "month/day/year"
        message = {
            Problem.FORMATTED_NUMBER: f"{str(cell).strip()!r} is written for people; read without its signs",
            Problem.FLOAT_NUMBER: "the file holds floats; each is read as the shortest decimal that names it",
            Problem.SHORT_DATE: f"{cell!r} is read as {order}, in UTC",
        }[how]
        self._note(number, column.name, how, Effect.COUNTED, f"{message} (said once for the column)")

    def _note(self, row: int, column: str, problem: Problem, effect: Effect, message: str) -> None:
        self._notes.add(self._file, row, column, problem, effect, message)


def _at(row: list[Any], positions: list[int]) -> list[Any]:
    return [row[position] for position in positions if position < len(row)]


def _chained(first: tuple[int, list[Any]], rows: Iterator[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
    yield first
    yield from rows
