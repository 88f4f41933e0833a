"""Hands alerts to Alertmanagers that exist, by their v2 API: each has its own queue, so that none waits for another.

As Prometheus does: in batches, to all of them, again until it works. The queue holds the newest word about each alert
and nothing that is no longer true, so that an Alertmanager that comes back after an hour hears what stands now.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge

from domain.alerts import Alert
from domain.clock import Clock
from domain.labels import Labels
from store.prometheus.config import SourceConfig
from store.prometheus.http import new_http

log = logging.getLogger(__name__)

BATCH: Final = 256
QUEUED: Final = 10_000
"""Both are Prometheus' own (``--alertmanager.notification-queue-capacity``)."""
TOLD_WHEN_OVER: Final = timedelta(minutes=15)
"""So long after its end an alert is worth telling: Prometheus resends one that is over for as long."""
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(seconds=30)
"""A returned Alertmanager hears of everything within half a minute."""
TICK_EVERY: Final = timedelta(seconds=1)
_PATH: Final = "/api/v2/alerts"


class HandoverMetrics:
    """``foretide_notifications_*``, by the Alertmanager's address, as Prometheus' ``prometheus_notifications_*``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count into ``registry``."""
        by = ["alertmanager"]
        self.sent = Counter(
            "foretide_notifications_sent_total", "Alerts that an Alertmanager took.", by, registry=registry
        )
        self.dropped = Counter(
            "foretide_notifications_dropped_total",
            "Alerts that it never took: refused, no longer true, or crowded out.", by, registry=registry,
        )  # fmt: skip
        self.errors = Counter(
            "foretide_notifications_errors_total", "Alerts in batches that failed; most are sent again.", by,
            registry=registry,
        )  # fmt: skip
        self.queued = Gauge(
            "foretide_notifications_queue_length", "Alerts that wait for it.", by, registry=registry
        )  # fmt: skip


class Alertmanager:
    """One of them; ``offer`` never waits, ``tick`` sends and never raises for what the other side does."""

    def __init__(self, config: SourceConfig, *, clock: Clock, metrics: HandoverMetrics) -> None:
        """Nothing is sent yet.

        Raises:
            SettingsError: A certificate cannot be read.
        """
        self.url = config.url.rstrip("/")
        self._http, self._metrics = new_http(config, clock=clock), metrics
        self._lock = threading.Lock()
        self._queue: dict[Labels, Alert] = {}
        self._pause, self._wait_until = FIRST_PAUSE, datetime.min.replace(tzinfo=clock.now().tzinfo)
        self.last_error = ""
        for family in (metrics.sent, metrics.dropped, metrics.errors, metrics.queued):
            family.labels(alertmanager=self.url)

    def close(self) -> None:
        """Close its connections; what waits is told by the next life, as far as it still is true."""
        self._http.close()

    def offer(self, alerts: Sequence[Alert]) -> None:
        """Queue them, each in place of what waits about the same alert; the oldest give way."""
        with self._lock:
            for alert in alerts:
                self._queue.pop(alert.labels, None)
                self._queue[alert.labels] = alert
            self._drop(list(self._queue)[: max(len(self._queue) - QUEUED, 0)])
            self._metrics.queued.labels(alertmanager=self.url).set(len(self._queue))

    def tick(self, now: datetime) -> None:
        """Send all that waits, unless a failure asks for patience."""
        if now < self._wait_until:
            return
        while batch := self._next(now):
            if not self._send(batch, now):
                return

    def _next(self, now: datetime) -> list[Alert]:
        with self._lock:
            self._drop([labels for labels, alert in self._queue.items() if _no_longer_true(alert, now)])
            return list(self._queue.values())[:BATCH]

    def _send(self, batch: list[Alert], now: datetime) -> bool:
        """Whether the batch is done with, taken or refused for good."""
        try:
            response = self._http.post(f"{self.url}{_PATH}", json=[posted(alert) for alert in batch])
        except (httpx.HTTPError, OSError) as error:
            self._failed(batch, str(error) or type(error).__name__, now)
            return False
        if response.is_success:
            self._done(batch)
            self._metrics.sent.labels(alertmanager=self.url).inc(len(batch))
            if self.last_error:
                log.info("an alertmanager takes alerts again", extra={"alertmanager": self.url})
            self._pause, self.last_error = FIRST_PAUSE, ""
            return True
        words = f"it answers {response.status_code}: {' '.join(response.text.split())[:300]}"
        if response.status_code in (400, 422):  # it took the good ones of the batch and never takes the others
            self._metrics.errors.labels(alertmanager=self.url).inc(len(batch))
            self._done(batch, refused=True)
            log.warning("an alertmanager refused alerts", extra={"alertmanager": self.url, "error": words})
            return True
        self._failed(batch, words, now)
        return False

    def _done(self, batch: list[Alert], *, refused: bool = False) -> None:
        """Out of the queue, but for what was offered anew meanwhile."""
        with self._lock:
            mine = [alert.labels for alert in batch if self._queue.get(alert.labels) is alert]
            if refused:
                self._drop(mine)
            for labels in mine:
                self._queue.pop(labels, None)
            self._metrics.queued.labels(alertmanager=self.url).set(len(self._queue))

    def _failed(self, batch: list[Alert], words: str, now: datetime) -> None:
        if not self.last_error:
            log.warning("an alertmanager takes no alerts", extra={"alertmanager": self.url, "error": words})
        self._metrics.errors.labels(alertmanager=self.url).inc(len(batch))
        self.last_error, self._wait_until = words, now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _drop(self, all_labels: list[Labels]) -> None:
        for labels in all_labels:
            del self._queue[labels]
        if all_labels:
            self._metrics.dropped.labels(alertmanager=self.url).inc(len(all_labels))


def posted(alert: Alert) -> dict[str, Any]:
    """A ``postableAlert`` of the v2 API."""
    body = {
        "labels": dict(alert.labels), "annotations": dict(alert.annotations), "startsAt": alert.starts_at.isoformat(),
        "generatorURL": alert.generator_url,
    }  # fmt: skip
    return body if alert.ends_at is None else {**body, "endsAt": alert.ends_at.isoformat()}


def _no_longer_true(alert: Alert, now: datetime) -> bool:
    """Something that ended long ago; an end that came while it waited is told as one, as far as anybody knows."""
    return alert.ends_at is not None and alert.ends_at + TOLD_WHEN_OVER < now
