"""Long ranges in pieces: servers answer at most 11,000 points for each series."""

from __future__ import annotations

from typing import Final

import numpy as np

from store.promql.querying import QuerySource
from store.promql.results import Matrix, Result

PIECE_STEPS: Final = 10_000


class InPieces:
    """A source whose ranges may be as long as the rules' histories."""

    def __init__(self, source: QuerySource) -> None:
        """Ask ``source``."""
        self._source = source

    def instant(self, query: str, *, at_ms: int) -> Result:
        """As the source answers it."""
        return self._source.instant(query, at_ms=at_ms)

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """The pieces, one after the other, put together; rows in label order."""
        piece = PIECE_STEPS * step_ms
        found = [
            self._source.range(query, start_ms=start, end_ms=min(start + piece - step_ms, end_ms), step_ms=step_ms)
            for start in range(start_ms, end_ms + 1, piece)
        ]
        return found[0] if len(found) == 1 else _joined(found)


def _joined(pieces: list[Matrix]) -> Matrix:
    labels = sorted({own for one in pieces for own in one.labels})
    rows = {own: row for row, own in enumerate(labels)}
    times = np.concatenate([one.timestamps_ms for one in pieces])
    values = np.full((len(labels), len(times)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    begin = 0
    for one in pieces:
        columns = slice(begin, begin + len(one.timestamps_ms))
        into = [rows[own] for own in one.labels]
        values[into, columns], present[into, columns] = one.values, one.present
        begin = columns.stop
    return Matrix(labels=labels, timestamps_ms=times, values=values, present=present, notes=pieces[-1].notes)
