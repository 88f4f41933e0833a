"""Writes forecasts back to the server by remote write 1.0, so that its dashboards and alerts can use them.

``foretide_forecast{signal, quantile, horizon}`` is what is foreseen for ``horizon`` ahead, at the time when it was
foreseen: samples of the future are refused by most servers. What cannot be delivered for long is dropped and counted.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import cramjam
import httpx
import numpy as np

from domain.clock import Clock, to_ms
from domain.errors import QuerySourceError
from domain.forecasts import Forecast
from domain.labels import METRIC_NAME, Labels
from domain.series import Sample
from domain.units import format_duration
from store.prometheus.metrics import SourceMetrics

logger = logging.getLogger(__name__)

FORECAST: Final = "foretide_forecast"
QUANTILES: Final = (0.5, 0.9, 0.95)
HORIZONS: Final = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1))
"""Those that lie within the forecast; with 3 quantiles and the mean at most 16 series for each signal."""
BATCH_SAMPLES: Final = 2_000
"""Prometheus' own default (max_samples_per_send)."""
QUEUE_SAMPLES: Final = 100_000
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=5)
OLDEST: Final = timedelta(minutes=30)
"""Older forecasts are of no use; Prometheus refuses samples that are older than an hour or so anyhow."""


def samples_of(forecast: Forecast) -> list[Sample]:
    """What is written of a forecast."""
    at_ms = to_ms(forecast.made_at)
    found = []
    for horizon in HORIZONS:
        step = -(-horizon // forecast.step) - 1
        if not 0 <= step < forecast.horizon:
            continue
        values = {"mean": float(forecast.mean[step])}
        levels = np.asarray(forecast.quantiles)
        for level in QUANTILES:
            if forecast.quantiles[0] <= level <= forecast.quantiles[-1]:
                values[f"{level:g}"] = float(np.interp(level, levels, forecast.values[step]))
        found += [
            Sample(labels=_labels(forecast.signal, name, horizon), timestamp_ms=at_ms, value=value)
            for name, value in values.items()
            if np.isfinite(value)
        ]
    return found


def _labels(signal: str, name: str, horizon: timedelta) -> Labels:
    metric = f"{FORECAST}_mean" if name == "mean" else FORECAST
    quantile = "" if name == "mean" else name
    return Labels.of({METRIC_NAME: metric, "signal": signal, "quantile": quantile, "horizon": format_duration(horizon)})


class RemoteWriter:
    """A queue in memory and the one who empties it; ``tick`` sends, waits after a failure, and never raises."""

    def __init__(self, *, source: str, url: str, http: httpx.Client, metrics: SourceMetrics, clock: Clock) -> None:
        """Nothing is sent yet; ``http`` is authenticated and stays the caller's."""
        self._source, self._url, self._http, self._clock = source, url, http, clock
        self._samples = metrics.written
        self._lock = threading.Lock()
        self._queue: deque[Sample] = deque()
        self._pause = FIRST_PAUSE
        self._not_before = float("-inf")
        self.last_error = ""

    @property
    def queued(self) -> int:
        """Samples that wait."""
        return len(self._queue)

    def offer(self, forecast: Forecast) -> None:
        """Queue a forecast; the oldest go where the queue is full."""
        with self._lock:
            self._queue.extend(samples_of(forecast))
            dropped = 0
            while len(self._queue) > QUEUE_SAMPLES:
                self._queue.popleft()
                dropped += 1
        self._count("dropped", dropped)

    def tick(self, now: datetime) -> None:
        """Send what is queued, batch by batch, until it is empty or something is wrong."""
        self._drop_old(now)
        while self._queue and self._clock.monotonic() >= self._not_before:
            with self._lock:
                batch = [self._queue.popleft() for _ in range(min(BATCH_SAMPLES, len(self._queue)))]
            if not self._sent(batch):
                return

    def _drop_old(self, now: datetime) -> None:
        oldest, dropped = to_ms(now - OLDEST), 0
        with self._lock:
            while self._queue and self._queue[0].timestamp_ms < oldest:
                self._queue.popleft()
                dropped += 1
        self._count("dropped", dropped)

    def _sent(self, batch: list[Sample]) -> bool:
        """Whether the next batch may go: this one is taken, or refused for good."""
        try:
            response = self._http.post(self._url, content=encoded(batch), headers=_HEADERS)
        except (httpx.HTTPError, QuerySourceError, OSError) as error:
            return self._later(batch, f"{type(error).__name__}: {error}")
        status = response.status_code
        if 200 <= status < 300:
            self._pause, self.last_error = FIRST_PAUSE, ""
            self._count("ok", len(batch))
            return True
        if status == 429 or status >= 500 or status in (401, 403, 404):  # those are mended by people, not by dropping
            return self._later(batch, f"the server answers {status}", retry_after=response.headers.get("retry-after"))
        self.last_error = f"the server refuses a batch ({status}): {response.text[:200]}"
        logger.warning("forecasts dropped", extra={"source": self._source, "error": self.last_error})
        self._count("dropped", len(batch))
        return True

    def _later(self, batch: Iterable[Sample], why: str, retry_after: str | None = None) -> bool:
        with self._lock:
            self._queue.extendleft(reversed(list(batch)))
        asked = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
        self._not_before = self._clock.monotonic() + max(self._pause.total_seconds(), asked)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        if not self.last_error:
            logger.warning("forecasts wait to be written", extra={"source": self._source, "error": why})
        self.last_error = why
        return False

    def _count(self, result: str, samples: int) -> None:
        self._samples.labels(source=self._source, result=result).inc(samples)


_HEADERS: Final = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}


def encoded(samples: Iterable[Sample]) -> bytes:
    """``prometheus.WriteRequest`` of one sample for each series, in snappy's block format.

    Four fields of three messages: writing them takes less than generated code for them would.
    """
    series = (_field(1, _series(sample)) for sample in samples)
    return bytes(cramjam.snappy.compress_raw(b"".join(series)))


def _series(sample: Sample) -> bytes:
    labels = (_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sample.labels)
    point = b"\x09" + struct.pack("<d", sample.value) + b"\x10" + _varint(sample.timestamp_ms)
    return b"".join(labels) + _field(2, point)


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
