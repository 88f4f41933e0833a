"""How fast we write: so many at once, so many a second, and nothing while the server asks us to wait."""

from __future__ import annotations

import threading

from domain.clock import Clock


class TokenBucket:
    """``burst`` at once, then ``qps`` a second; shared by the threads of one writer."""

    def __init__(self, *, qps: float, burst: int, clock: Clock) -> None:
        self._qps, self._burst, self._clock = qps, float(burst), clock
        self._tokens, self._at = float(burst), clock.monotonic()
        self._closed_until = self._at
        self._lock = threading.Lock()

    def take(self) -> float:
        """Takes one and says how many seconds the taker has to wait before it may go on."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._qps)
            self._at = now
            self._tokens -= 1.0
            return max(0.0, -self._tokens / self._qps, self._closed_until - now)

    def close_for(self, seconds: float) -> None:
        """Nobody goes on before ``seconds`` are over (Retry-After: the server, not one object, is overloaded)."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)
