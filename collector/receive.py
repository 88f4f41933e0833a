"""Takes OTLP bodies: decode, hand to the stores, answer once it is on disk.

Decoding holds the interpreter's lock for about 5 µs per span, so bodies beyond 32 KiB and packed ones are decoded in
a thread, two at a time; bodies in work are bounded by bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry

from collector.otlp import MAX_BODY_BYTES, AttributeReader, Format, decompress, parse_metrics, parse_traces, spans_of
from collector.otlp_metrics import OtlpMetrics
from collector.translate import MetricTranslator
from domain.clock import Clock, to_ms
from domain.errors import OverloadedError
from store.metrics import MetricsStore
from store.traces import TraceStore

Answer = TypeVar("Answer")

_IN_THREAD_BYTES: Final = 32 * 2**10
_THREADS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveLimits:
    """What the receiver takes at most.

    Attributes:
        body_bytes: Of one body, also after unpacking: 64 MB is about 250,000 spans; exporters send 512 at a time.
        in_flight_bytes: Of all bodies that are being read or decoded; beyond it senders are asked to come again.
    """

    body_bytes: int = MAX_BODY_BYTES
    in_flight_bytes: int = 2 * MAX_BODY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of a body: ``taken`` spans or points are on disk, ``rejected`` were refused, for ``reason``."""

    taken: int
    rejected: int
    reason: str


class Receiver:
    """Takes metrics and traces that are pushed."""

    def __init__(
        self,
        *,
        metrics: MetricsStore,
        traces: TraceStore,
        clock: Clock,
        registry: CollectorRegistry,
        limits: ReceiveLimits | None = None,
    ) -> None:
        """Everything that it works with is handed in."""
        self.limits = limits or ReceiveLimits()
        self.telemetry = OtlpMetrics(registry)
        self._metrics, self._traces, self._clock = metrics, traces, clock
        self._attributes = AttributeReader()
        self._translator = MetricTranslator(self._attributes)
        self._decoding = asyncio.Semaphore(_THREADS)
        self._in_flight_bytes = 0

    def reserve(self, size_bytes: int) -> None:
        """Count bytes that are being worked on; ``OverloadedError`` when there are too many."""
        if self._in_flight_bytes and self._in_flight_bytes + size_bytes > self.limits.in_flight_bytes:
            raise OverloadedError(f"{self._in_flight_bytes} bytes of OTLP bodies are being worked on; try again later")
        self._in_flight_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give back what ``reserve`` counted."""
        self._in_flight_bytes -= size_bytes

    async def take_metrics(self, body: bytes, *, body_format: Format, content_encoding: str) -> Accepted:
        """Store metrics; returns after the commit.

        Raises:
            IntakeError: The body cannot be read; ``BodyTooLargeError`` where it is too large.
            OverloadedError: The store's queue is full.
            StoreError: The commit failed.
        """
        done, accepted = await self._decode(
            lambda: self._append_metrics(body, body_format, content_encoding), body, content_encoding
        )
        accepted = _less(accepted, await asyncio.wrap_future(done))
        self.telemetry.points.inc(accepted.taken)
        return accepted

    async def take_traces(self, body: bytes, *, body_format: Format, content_encoding: str) -> Accepted:
        """Store spans; returns after the commit. Raises as ``take_metrics``."""
        done, accepted = await self._decode(
            lambda: self._append_traces(body, body_format, content_encoding), body, content_encoding
        )
        await asyncio.wrap_future(done)
        self.telemetry.spans.inc(accepted.taken)
        return accepted

    async def _decode(self, work: Callable[[], Answer], body: bytes, content_encoding: str) -> Answer:
        if len(body) <= _IN_THREAD_BYTES and content_encoding in ("", "identity"):
            return work()
        async with self._decoding:
            return await asyncio.to_thread(work)

    def _append_metrics(self, body: bytes, body_format: Format, content_encoding: str) -> tuple[Future[int], Accepted]:
        request = parse_metrics(decompress(body, content_encoding, max_bytes=self.limits.body_bytes), body_format)
        translation = self._translator.translate(request, received_ms=to_ms(self._clock.now()))
        done = self._metrics.append_durably(translation.rows)
        return done, Accepted(taken=translation.points, rejected=translation.rejected, reason=translation.reason)

    def _append_traces(self, body: bytes, body_format: Format, content_encoding: str) -> tuple[Future[None], Accepted]:
        request = parse_traces(decompress(body, content_encoding, max_bytes=self.limits.body_bytes), body_format)
        decoded = spans_of(request, self._attributes)
        done = self._traces.append_durably(decoded.spans, received_ms=to_ms(self._clock.now()))
        return done, Accepted(taken=len(decoded.spans), rejected=decoded.rejected, reason=decoded.reason)


def _less(accepted: Accepted, refused_samples: int) -> Accepted:
    """Without what the store refused; a point of several samples (a histogram) counts once, as far as that is known."""
    if not refused_samples:
        return accepted
    points = min(refused_samples, accepted.taken)
    why = f"{refused_samples} samples are not newer than what their series has, too far ahead, or of too many series"
    reason = f"{accepted.reason}; {why}" if accepted.reason else why
    return Accepted(taken=accepted.taken - points, rejected=accepted.rejected + points, reason=reason)
