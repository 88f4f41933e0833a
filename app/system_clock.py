"""The machine's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Implements ``domain.clock.Clock``."""

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC."""
        return datetime.now(tz=UTC)

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()
