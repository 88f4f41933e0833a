"""How a virtual target stands, told as a scraped one is, and said in the log when it changes."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from collector.kubernetes.series import Pair
from collector.targets import Health, TargetStatus
from domain import names
from domain.clock import from_ms, to_ms
from domain.labels import Labels


class Standing:
    """Of one virtual target."""

    def __init__(self, job: str, instance: str, interval: timedelta, logger: logging.Logger) -> None:
        """Its two labels, how often it is read, and where changes are said."""
        self.pairs: tuple[Pair, ...] = ((names.INSTANCE, instance), (names.JOB, job))
        self._job, self._instance, self._interval, self._logger = job, instance, interval, logger
        self.status = self._made(Health.UNKNOWN, "not read yet", None, 0.0, 0)

    def tell(self, health: Health, sentence: str, now: datetime, duration_seconds: float, samples: int) -> None:
        """How the tick of ``now`` went; a sentence where it is not simply up."""
        if (health, sentence) != (self.status.health, self.status.last_error):
            level = logging.WARNING if health is Health.DOWN else logging.INFO
            fields = {"job": self._job, "health": health.value, "reason": sentence}
            self._logger.log(level, "a virtual target changed", extra=fields)
        self.status = self._made(health, sentence, now, duration_seconds, samples)

    def _made(
        self, health: Health, sentence: str, now: datetime | None, duration_seconds: float, samples: int
    ) -> TargetStatus:
        return TargetStatus(
            job=self._job,
            instance=self._instance,
            labels=Labels.of(dict(self.pairs)),
            scrape_url="",
            health=health,
            last_error=sentence,
            last_scrape=from_ms(to_ms(now)) if now else None,
            last_scrape_duration_seconds=duration_seconds,
            scrape_interval=self._interval,
            scrape_timeout=self._interval,
            samples_scraped=samples,
        )
