"""One answer for many askers: a value is computed once and kept for a moment, per key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from domain.clock import Clock

T = TypeVar("T")
_MAX_KEYS = 256


class Memo:
    """Single-flight: askers of the same key wait for the one who computes it. Failures are not kept."""

    def __init__(self, *, clock: Clock, keep_seconds: float) -> None:
        """Keep each value for ``keep_seconds``."""
        self._clock, self._keep = clock, keep_seconds
        self._lock = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._values: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The kept value of ``key``, or a new one."""
        with self._lock:
            own = self._locks.setdefault(key, threading.Lock())
        with own:
            known = self._values.get(key)
            if known is not None and self._clock.monotonic() - known[0] < self._keep:
                kept: T = known[1]
                return kept
            value = compute()
            with self._lock:
                if len(self._values) >= _MAX_KEYS:
                    self._values.clear()
                    self._locks = {key: own}
                self._values[key] = (self._clock.monotonic(), value)
            return value
