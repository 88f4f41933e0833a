"""The head: the newest samples in memory, one two-dimensional array for each layout.

A layout is the ordered tuple of series that arrive together, usually one target's. Its rows share their timestamps,
so that reading 1,000 series is a few array copies. Writing needs the store's lock; a view stays valid without
it, because rows once written never change and arrays are replaced, not moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from store.metrics.journal import Chunk

_FIRST_ROWS: Final = 4
_SLACK: Final = 1.25
"""Room for a quarter more rows than needed: a full head wastes at most 25 % and copies each row about five times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Samples of several series at shared times.

    Attributes:
        ids: The series, one for each column.
        times: Strictly rising, shape ``(rows,)``.
        values: Shape ``(rows, columns)``.
    """

    ids: IntArray
    times: IntArray
    values: FloatArray


class Block:
    """The rows of one layout that are in memory."""

    __slots__ = ("_first_ms", "_last_ms", "_size", "_times", "_values", "detached", "ids", "layout_id", "uncommitted")

    def __init__(self, ids: IntArray) -> None:
        """Empty; ``layout_id`` is given with the first commit, ``detached`` is set when the head lets go of it."""
        self.ids = ids
        self.detached = False
        self.layout_id: int | None = None
        self.uncommitted = 0
        self._size = 0
        self._first_ms = self._last_ms = 0  # plain numbers: most reads pass most blocks over, 10 times faster
        self._times: IntArray = np.empty(_FIRST_ROWS, dtype=np.int64)
        self._values: FloatArray = np.empty((_FIRST_ROWS, ids.size))

    def __len__(self) -> int:
        return self._size

    def add(self, timestamp_ms: int, values: FloatArray) -> None:
        """Append one row; the caller has checked that time rises."""
        if self._size == self._times.size:
            self._keep(0, room=int(self._size * _SLACK) + _FIRST_ROWS)
        self._times[self._size] = timestamp_ms
        self._values[self._size] = values
        self._first_ms = self._first_ms if self._size else timestamp_ms
        self._last_ms = timestamp_ms
        self._size += 1

    def fill(self, times: IntArray, values: FloatArray) -> None:
        """Set all rows at once."""
        self._times, self._values, self._size = times, values, times.size
        self._first_ms, self._last_ms = int(times[0]), int(times[-1])

    def view(self, start_ms: int, end_ms: int) -> Rows | None:
        """The rows of a time, both ends included; None when there are none."""
        if not self._size or self._last_ms < start_ms or self._first_ms > end_ms:
            return None
        times = self._times[: self._size]
        low, high = times.searchsorted(start_ms), times.searchsorted(end_ms, side="right")
        return Rows(ids=self.ids, times=times[low:high], values=self._values[low:high]) if low < high else None

    def trim(self, before_ms: int) -> None:
        """Let go of committed rows that are older, when they are worth a copy of the others."""
        old = int(self._times[: self._size].searchsorted(before_ms))
        old = min(old, self._size - self.uncommitted)
        left = self._size - old
        if old and (left == 0 or old * 4 >= left):
            self._keep(old, room=int(left * _SLACK) + _FIRST_ROWS)

    def _keep(self, start: int, *, room: int) -> None:
        left = self._size - start
        times, values = np.empty(room, dtype=np.int64), np.empty((room, self.ids.size))
        times[:left] = self._times[start : self._size]
        values[:left] = self._values[start : self._size]
        self._times, self._values, self._size = times, values, left
        self._first_ms = int(times[0]) if left else 0


class Head:
    """The blocks of all layouts that are in use, and the newest part of loaded history."""

    def __init__(self) -> None:
        """Empty, reaching back for ever: ``floor_ms`` is the time from which on nothing is missing here."""
        self.floor_ms: int = np.iinfo(np.int64).min
        self._blocks: dict[bytes, Block] = {}
        self._loaded: list[Block] = []

    def block_for(self, ids: IntArray) -> Block:
        """The block of this ordered tuple of series, made when it is new."""
        key = ids.tobytes()
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = Block(ids)
        return block

    def hold_loaded(self, chunks: Iterable[Chunk]) -> None:
        """Keep the newest part of loaded history, series of the same times together."""
        groups: dict[bytes, list[Chunk]] = {}
        for chunk in chunks:
            groups.setdefault(chunk.times[chunk.times >= self.floor_ms].tobytes(), []).append(chunk)
        groups.pop(b"", None)
        for times, group in groups.items():
            kept = np.frombuffer(times, dtype=np.int64)
            block = Block(np.array([chunk.series_id for chunk in group], dtype=np.int64))
            block.fill(kept, np.stack([chunk.values[-kept.size :] for chunk in group], axis=1))
            self._loaded.append(block)

    def views(self, start_ms: int, end_ms: int) -> list[Rows]:
        """All rows of a time, both ends included."""
        views = (block.view(start_ms, end_ms) for block in self.blocks())
        return [rows for rows in views if rows is not None]

    def blocks(self) -> Iterator[Block]:
        """All blocks, loaded history first."""
        yield from self._loaded
        yield from self._blocks.values()

    def trim(self, block: Block) -> None:
        """Let go of what is older than the floor, and of the block itself when nothing is left in it."""
        block.trim(self.floor_ms)
        if len(block) or block.detached:
            return
        block.detached = True
        if self._blocks.get(key := block.ids.tobytes()) is block:
            del self._blocks[key]
        else:
            self._loaded.remove(block)

    def holds(self) -> set[int]:
        """Ids of all series that some block has a column for."""
        return set().union(*(block.ids.tolist() for block in self.blocks()))
