"""The clock, handed in from ``app/``: nothing else reads the time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a loop gets ``now`` from, once per tick."""

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean something."""
        ...


def to_ms(instant: datetime) -> int:
    """Milliseconds since the epoch, as metrics carry them."""
    return round(instant.timestamp() * 1000)


def from_ms(timestamp_ms: int) -> datetime:
    """The aware UTC instant of ``timestamp_ms``."""
    return datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
