"""What is deleted, and when: samples older than the retention, and the oldest ones of a file that is too large."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from store.metrics import journal
from store.metrics.database import Database
from store.metrics.index import NEVER

_log = logging.getLogger(__name__)

_BATCH: Final = 200
"""Rows in one deleting transaction, during which no commit can happen: 2 ms with 500 series, 70 ms with 20,000."""
_SIZE_STEPS: Final = 50
"""A file over its size loses a fiftieth of its time span at a time."""


class Retention:
    """One cutoff, moved by age and by size; everything before it goes."""

    def __init__(self, database: Database, *, retention_ms: int, max_bytes: int) -> None:
        """Nothing is cut off yet."""
        self.cutoff_ms = NEVER
        self._database = database
        self._retention_ms = retention_ms
        self._max_bytes = max_bytes

    def advance(self, present_ms: int) -> None:
        """Cut off what has become too old."""
        self.cutoff_ms = max(self.cutoff_ms, present_ms - self._retention_ms)

    def delete_some(self, newest_ms: int) -> bool:
        """Delete one batch; True when there may be more to delete."""
        with self._database.transaction() as connection:
            deleted = journal.delete_before(connection, self.cutoff_ms, batch=_BATCH)
        return deleted > 0 or self._shorten_oversized(newest_ms)

    def tidy(self, layouts_in_use: Sequence[int]) -> None:
        """When all has been deleted: the layouts left without rows too, and free pages back to the disk."""
        with self._database.transaction() as connection:
            journal.delete_empty_layouts(connection, except_ids=layouts_in_use)
        self._database.shrink()

    def _shorten_oversized(self, newest_ms: int) -> bool:
        """Move the cutoff while the file is too large; True when that has made something deletable."""
        if self._database.used_bytes() <= self._max_bytes:
            return False
        with self._database.writing:
            oldest_ms = journal.oldest_ms(self._database.writer)
        if oldest_ms is None:
            return False
        self.cutoff_ms = max(self.cutoff_ms, oldest_ms + max((newest_ms - oldest_ms) // _SIZE_STEPS, 1))
        _log.debug("metrics store over its size, oldest samples go", extra={"cutoff_ms": self.cutoff_ms})
        return True
