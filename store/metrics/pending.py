"""What waits for the next commit: rows, new series, and those who wait to hear that it happened."""

from __future__ import annotations

import sqlite3
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field

from domain.labels import Labels
from store.metrics import journal
from store.metrics.head import Block


@dataclass(slots=True)
class Pending:
    """One transaction in the making, guarded by the store's lock; it is replaced, not emptied.

    Attributes:
        rows: Block, time and values of each journal row.
        born: Series that are not in the file yet.
        dead: Series that are still in the file.
        waiting: Resolved after the commit, each with how many of its samples were refused.
        queued_bytes: Size of the values.
    """

    rows: list[tuple[Block, int, bytes]] = field(default_factory=list)
    born: list[tuple[int, Labels]] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)
    waiting: list[tuple[Future[int], int]] = field(default_factory=list)
    queued_bytes: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.rows or self.born or self.dead or self.waiting)

    def add(self, block: Block, timestamp_ms: int, values: bytes) -> None:
        """Queue one row."""
        self.rows.append((block, timestamp_ms, values))
        self.queued_bytes += len(values)
        block.uncommitted += 1

    def write(self, connection: sqlite3.Connection) -> dict[Block, int]:
        """Write all of it; the layout ids, to be kept when the transaction has been committed."""
        journal.delete_series(connection, self.dead)
        journal.insert_series(connection, self.born)
        layouts: dict[Block, int] = {}
        for block, _, _ in self.rows:
            if block not in layouts:
                layouts[block] = block.layout_id or journal.layout_id(connection, block.ids)
        journal.insert_rows(connection, ((layouts[block], when, values) for block, when, values in self.rows))
        return layouts

    def settle(self, layouts: dict[Block, int]) -> None:
        """After the commit: the rows are safe, and so are their layouts."""
        for block, layout_id in layouts.items():
            block.layout_id = layout_id
        for block, count in Counter(block for block, _, _ in self.rows).items():
            block.uncommitted -= count

    def precede(self, later: Pending) -> None:
        """After a failed commit: stand again before what came since, but without those who have been told."""
        self.rows += later.rows
        self.born += later.born
        self.dead += later.dead
        self.waiting = later.waiting
        self.queued_bytes += later.queued_bytes
