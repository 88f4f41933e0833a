"""What the metrics store may take of memory, disk and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """Bounds of the metrics store; what goes beyond is refused or dropped, and counted.

    Attributes:
        head_window: Newest part kept in memory: 2 h at 5 s is 11.5 kB for each series.
        max_bytes: Size of the database file at which the oldest samples go, however young they are.
        max_series: Series with a sample inside the head window; at the limit new series are refused, old ones go on.
            Five times as many may be known in all, because each costs about 1 kB of memory in the label index.
        queue_bytes: Samples that wait for their commit.
        commit_interval: Longest wait of a scrape for its commit; ``kill -9`` loses no more than this.
        max_ahead: Samples further in the future than this are refused: one of them would block its series
            for good. Prometheus' own bound for scrapes.
    """

    head_window: timedelta = timedelta(hours=2)
    max_bytes: int = 2 << 30
    max_series: int = 200_000
    queue_bytes: int = 64 << 20
    commit_interval: timedelta = timedelta(seconds=0.5)
    max_ahead: timedelta = timedelta(minutes=10)


DEFAULT_LIMITS: Final = StoreLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """Counts since the store was opened, and its size now.

    Attributes:
        series: Series in the label index.
        samples_appended: Samples taken, loaded history included.
        commits: Transactions that made samples durable.
        out_of_order: Samples refused because their series has a newer one.
        duplicates: Samples refused because their series has one at that very time.
        over_series_limit: Samples refused because their series would have been one too many.
        too_far_ahead: Samples refused because their time lies too far in the future.
        dropped: Samples of scrapes dropped because the queue was full.
        queued_bytes: Samples that wait for their commit.
        bytes_on_disk: Database file and write-ahead log.
        quarantined: Where a broken database file was moved to at start; empty when it was whole.
        write_error: Why the last commit failed; empty when it did not.
    """

    series: int
    samples_appended: int
    commits: int
    out_of_order: int
    duplicates: int
    over_series_limit: int
    too_far_ahead: int
    dropped: int
    queued_bytes: int
    bytes_on_disk: int
    quarantined: str
    write_error: str

    @property
    def refused(self) -> int:
        """Samples refused for whatever reason; duplicates are not counted, nothing is lost by them."""
        return self.out_of_order + self.over_series_limit + self.too_far_ahead
