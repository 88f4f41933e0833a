"""One answer for many askers: a value is computed once and kept for a moment, per key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from domain.clock import Clock

T = TypeVar("T")
MAX_KEYS: Final = 256


class _Entry:
    """The value of one key, and the lock under which it is computed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: Any = None
        self.fresh_until = float("-inf")


class Memo:
    """Single-flight: askers of the same key wait for the one who computes it. Failures are not kept."""

    def __init__(self, *, clock: Clock, keep_seconds: float) -> None:
        """Keep each value for ``keep_seconds``."""
        self._clock, self._keep = clock, keep_seconds
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._entries)

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The kept value of ``key``, or a new one."""
        with self._lock:
            if key not in self._entries:
                self._make_room()
            entry = self._entries.setdefault(key, _Entry())
        with entry.lock:
            if self._clock.monotonic() >= entry.fresh_until:
                entry.value = compute()
                entry.fresh_until = self._clock.monotonic() + self._keep
            kept: T = entry.value
            return kept

    def _make_room(self) -> None:
        """Drop what is stale: a page over a moving window is a new key every 5 s and some 300 KB large."""
        now = self._clock.monotonic()
        busy = {key: entry for key, entry in self._entries.items() if entry.lock.locked() or now < entry.fresh_until}
        while len(busy) >= MAX_KEYS:
            busy.pop(next(iter(busy)))
        self._entries = busy
