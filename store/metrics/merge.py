"""Puts the pieces that head, journal and chunks hold of the same series together, in time order, each time once."""

from __future__ import annotations

import numpy as np

from domain.series import FloatArray, IntArray
from store.metrics.head import Rows

Piece = tuple[IntArray, FloatArray]


class Pieces:
    """Pieces of the wanted series, collected from wherever they are.

    Series of one layout share their array of timestamps also after the merge (the very object), so that a
    reader may treat them as one matrix.
    """

    def __init__(self, ids: IntArray) -> None:
        """Nothing yet, for these series."""
        self._places: IntArray = np.full(int(ids.max(initial=0)) + 2, -1, dtype=np.int64)
        self._places[ids] = np.arange(ids.size)
        self._pieces: list[list[Piece]] = [[] for _ in range(ids.size)]
        self._merged: dict[tuple[int, ...], tuple[IntArray, IntArray | None]] = {}

    def columns_of(self, ids: IntArray) -> IntArray:
        """Which columns of a layout are wanted."""
        columns: IntArray = np.flatnonzero(self._places_of(ids) >= 0)
        return columns

    def add(self, rows: Rows) -> None:
        """Copy what is wanted out of some rows."""
        columns = self.columns_of(rows.ids)
        if not columns.size:
            return
        times = rows.times.copy()
        times.flags.writeable = False
        wanted = rows.values.T[columns] if columns.size < rows.ids.size else rows.values.T.copy()
        places = self._places_of(rows.ids)[columns].tolist()
        for place, values in zip(places, np.ascontiguousarray(wanted), strict=True):
            self._pieces[place].append((times, values))

    def add_piece(self, series_id: int, times: IntArray, values: FloatArray) -> None:
        """Add a piece of one wanted series."""
        self._pieces[self._places[series_id]].append((times, values))

    def merged(self) -> list[Piece | None]:
        """For each wanted series its history; None where there is none."""
        return [self._merge(pieces) if pieces else None for pieces in self._pieces]

    def _places_of(self, ids: IntArray) -> IntArray:
        places: IntArray = self._places[np.minimum(ids, self._places.size - 1)]
        return places

    def _merge(self, pieces: list[Piece]) -> Piece:
        if len(pieces) == 1:
            return pieces[0]
        key = tuple(id(times) for times, _ in pieces)
        if key not in self._merged:
            self._merged[key] = _in_order([times for times, _ in pieces])
        times, order = self._merged[key]
        values = np.concatenate([values for _, values in pieces])
        return times, values if order is None else values[order]


def _in_order(parts: list[IntArray]) -> tuple[IntArray, IntArray | None]:
    """Strictly rising times, and which samples they are; None when that is all of them as they come."""
    times = np.concatenate(parts)
    if bool((times[1:] > times[:-1]).all()):
        return _frozen(times), None
    order = np.argsort(times, kind="stable")
    times = times[order]
    kept = np.concatenate([[True], times[1:] > times[:-1]])
    return _frozen(times[kept]), order[kept]


def _frozen(times: IntArray) -> IntArray:
    times.flags.writeable = False
    return times
