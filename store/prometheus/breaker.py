"""What stands between us and a server in trouble: a breaker, a bulkhead and a rate limit, one set for each source.

The breaker opens after 5 failures in a row and lets one query through after a pause that doubles from 5 s to 60 s; a
server that says when to come again is taken at its word. A query that the server understood and refused is no failure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from domain.clock import Clock
from domain.errors import QuerySourceError

FAILURES: Final = 5
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
"""A server that asks for more gets a probe every five minutes all the same."""


class BreakerState(StrEnum):
    """What the breaker does with the next query."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Counts failures in a row; safe to use from several threads."""

    def __init__(self, name: str, *, clock: Clock) -> None:
        """``name`` is the source's, for the sentence."""
        self._name, self._clock = name, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._closed_from = float("-inf")
        self._state = BreakerState.CLOSED
        self.last_error = ""

    @property
    def state(self) -> BreakerState:
        """As of the last query."""
        return self._state

    def check(self) -> None:
        """Raise ``QuerySourceError`` while it is open."""
        with self._lock:
            self._refuse()

    def admit(self) -> None:
        """The same; after the pause one query may try, and has to tell how it went."""
        with self._lock:
            self._refuse()
            if self._state is BreakerState.OPEN:
                self._state = BreakerState.HALF_OPEN

    def _refuse(self) -> None:
        if self._state is BreakerState.CLOSED:
            return
        left = self._closed_from - self._clock.monotonic()
        if left > 0 or self._state is BreakerState.HALF_OPEN:
            soon = f"the next attempt is in {left:.0f} s" if left > 0 else "one attempt is under way"
            raise QuerySourceError(f"source {self._name} is not asked, {soon}; last error: {self.last_error}")

    def succeeded(self) -> None:
        """An answer came: everything is as before."""
        with self._lock:
            self._failures, self._pause_seconds, self._state = 0, FIRST_PAUSE_SECONDS, BreakerState.CLOSED
            self.last_error = ""

    def failed(self, why: str, *, retry_after_seconds: float | None = None) -> None:
        """No answer came, for the reason ``why``."""
        with self._lock:
            self._failures += 1
            self.last_error = why
            if retry_after_seconds is not None:
                self._open(min(retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
            elif self._state is BreakerState.HALF_OPEN or self._failures >= FAILURES:
                self._open(self._pause_seconds)
                self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    def _open(self, seconds: float) -> None:
        self._state, self._closed_from = BreakerState.OPEN, self._clock.monotonic() + seconds


class Bulkhead:
    """At most so many queries at once; the next one waits, but not for ever."""

    def __init__(self, name: str, *, at_once: int, patience_seconds: float) -> None:
        """``name`` is the source's, for the sentence."""
        self._name, self._patience = name, patience_seconds
        self._free = threading.BoundedSemaphore(at_once)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one query; ``QuerySourceError`` where none becomes free in time."""
        if not self._free.acquire(timeout=self._patience):
            raise QuerySourceError(f"source {self._name}: no place became free within {self._patience:g} s")
        try:
            yield
        finally:
            self._free.release()


class Pace:
    """So many queries per second, and a second's worth at once; a longer queue is refused."""

    def __init__(self, name: str, *, per_second: float, clock: Clock, wait: Callable[[float], None]) -> None:
        """``wait`` sleeps; ``name`` is the source's, for the sentence."""
        self._name, self._gap, self._burst = name, 1.0 / per_second, max(per_second, 1.0)
        self._clock, self._wait = clock, wait
        self._lock = threading.Lock()
        self._next = float("-inf")

    def take(self, *, patience_seconds: float) -> None:
        """Wait for this query's turn; ``QuerySourceError`` where it would come too late."""
        with self._lock:
            now = self._clock.monotonic()
            turn = max(self._next, now - (self._burst - 1) * self._gap)
            if turn - now > patience_seconds:
                raise QuerySourceError(
                    f"source {self._name}: more than {1 / self._gap:g} queries per second; this one is not asked"
                )
            self._next = turn + self._gap
        if turn > now:
            self._wait(turn - now)
