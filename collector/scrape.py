"""Scrapes every target at its own steady times and appends what it shows, with ``up`` and its fellows.

One task for each target. A target's times are multiples of its interval plus a stable offset, so that scrapes
spread out and a restart keeps them; samples carry the planned time. A scrape that runs late is followed by the next
planned one, never by two. Whatever goes wrong with one target, the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import aiohttp
import numpy as np
from prometheus_client import CollectorRegistry

from collector.exposition import Page, PageParser
from collector.fetch import Body, fetch, new_session
from collector.metrics import ScrapeMetrics
from collector.staleness import Appender, Shown
from collector.targets import Health, ScrapeJob, Target, TargetStatus
from domain import names
from domain.clock import Clock, from_ms, to_ms
from domain.errors import ForetideError, IntakeError
from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray, Sample

logger = logging.getLogger(__name__)

_THREAD_ABOVE_BYTES: Final = 1_000_000
"""Pages from here on are read in a thread: 1 MB is about 7k series, some 5 ms, 100 ms at first sight."""
_AT_ONCE_SECONDS: Final = 5.0
"""A target with an interval up to this is scraped at once when it appears, others within this time."""
_MAX_AHEAD_MS: Final = 600_000
_REPORT: Final = (
    names.UP,
    names.SCRAPE_DURATION_SECONDS,
    names.SCRAPE_SAMPLES_SCRAPED,
    names.SCRAPE_SAMPLES_POST_METRIC_RELABELING,
    names.SCRAPE_SERIES_ADDED,
)


class TargetScrape:
    """The scrapes of one target."""

    def __init__(
        self,
        target: Target,
        *,
        session: aiohttp.ClientSession,
        store: Appender,
        clock: Clock,
        metrics: ScrapeMetrics,
        refusal: str = "",
    ) -> None:
        """With a ``refusal`` the target is never asked; each of its scrapes fails with that sentence."""
        self.target = target
        self._session, self._store, self._clock, self._metrics = session, store, clock, metrics
        self._refusal = refusal
        self._parser = PageParser(target.finish, honor_timestamps=target.job.honor_timestamps)
        self._report_labels = tuple(target.labels.with_(**{METRIC_NAME: name}) for name in _REPORT)
        self._shown = Shown()
        self._page_labels: tuple[Labels, ...] = ()
        self._with_report: tuple[Labels, ...] = self._report_labels
        self._tls: ssl.SSLContext | bool | None = None
        self._taking = threading.Lock()
        self._retired = False
        self._status = TargetStatus(
            job=target.labels.value_of(names.JOB),
            instance=target.labels.value_of(names.INSTANCE),
            labels=target.labels,
            scrape_url=str(target.url),
            health=Health.UNKNOWN,
            last_error="",
            last_scrape=None,
            last_scrape_duration_seconds=0.0,
            scrape_interval=target.job.scrape_interval,
            scrape_timeout=target.job.scrape_timeout,
            samples_scraped=0,
        )

    @property
    def status(self) -> TargetStatus:
        """How the target stands now."""
        return self._status

    async def scrape_once(self, at_ms: int) -> TargetStatus:
        """Fetch, read and append one page as of ``at_ms``; a failure is recorded, never raised."""
        started, body, error = self._clock.monotonic(), None, self._refusal
        try:
            if not error:
                body = await fetch(self._session, self.target, self._tls_context())
        except IntakeError as failure:
            error = str(failure)
        if body and len(body.content) > _THREAD_ABOVE_BYTES:
            await asyncio.to_thread(self._take, body, error, at_ms, started)
        else:
            self._take(body, error, at_ms, started)
        return self._status

    def retire(self, at_ms: int) -> None:
        """Mark all its series stale: the target is gone. Nothing is appended after this."""
        with self._taking:
            self._retired = True
            last = self._status.last_scrape
            if last is None:
                return
            after = max(at_ms, to_ms(last) + 1)
            try:
                self._shown.append(self._store, (), after, np.empty(0))
            except ForetideError as failure:
                logger.warning("staleness markers not stored", extra={**self._fields(), "error": str(failure)})

    def next_ms(self, now_ms: int, last_ms: int) -> int:
        """The first planned time after ``now_ms`` other than ``last_ms`` (the clock may wake us a little early)."""
        interval = round(self.target.job.scrape_interval.total_seconds() * 1000)
        offset = int(self.target.offset_ratio * interval)
        planned = now_ms - (now_ms - offset) % interval + interval
        return planned + interval if planned == last_ms else planned

    def first_delay_seconds(self) -> float:
        """How long a new target waits, so that a thousand of them do not start in one instant."""
        short = self.target.job.scrape_interval.total_seconds() <= _AT_ONCE_SECONDS
        return 0.0 if short else self.target.offset_ratio * _AT_ONCE_SECONDS

    async def run(self) -> None:
        """Scrape until cancelled."""
        await asyncio.sleep(self.first_delay_seconds())
        at_ms = to_ms(self._clock.now())
        while True:
            try:
                await self.scrape_once(at_ms)
            except Exception:
                logger.exception("scrape failed in an unforeseen way", extra=self._fields())
            now_ms = to_ms(self._clock.now())
            planned = self.next_ms(now_ms, at_ms)
            await asyncio.sleep((planned - now_ms) / 1000)
            at_ms = self._aligned(planned)

    def _aligned(self, planned_ms: int) -> int:
        """The planned time where we are about in time (1 % of the interval, as in Prometheus), else now."""
        now_ms = to_ms(self._clock.now())
        tolerance_ms = max(2.0, self.target.job.scrape_interval.total_seconds() * 10)
        return planned_ms if abs(now_ms - planned_ms) <= tolerance_ms else now_ms

    def _tls_context(self) -> ssl.SSLContext | bool:
        if self._tls is None:
            try:
                self._tls = self.target.job.tls.context()
            except OSError as error:
                raise IntakeError(f"cannot read the CA file {self.target.job.tls.ca_file}: {error}") from error
        return self._tls

    def _take(self, body: Body | None, error: str, at_ms: int, started: float) -> None:
        with self._taking:
            if self._retired:
                return
            page = None
            try:
                page = self._read(body) if body else None
            except IntakeError as failure:
                error = str(failure)
            duration = self._clock.monotonic() - started
            try:
                self._append(page, at_ms, duration)
            except ForetideError as failure:
                self._metrics.lost.inc()
                error = error or str(failure)
            self._record(page, error, at_ms, duration)

    def _read(self, body: Body) -> Page:
        page = self._parser.parse(body.content, body.format)
        limit = self.target.job.limits.samples
        if limit and page.kept > limit:
            raise IntakeError(f"sample limit exceeded (number of samples: {page.kept}, limit: {limit})")
        return page

    def _append(self, page: Page | None, at_ms: int, duration_seconds: float) -> None:
        report: list[float] = [0.0, duration_seconds, 0.0, 0.0, 0.0]
        labels, values = self._report_labels, np.array(report)
        if page:
            labels, values = self._join_report(page)
            added = self._shown.added(labels) - self._report_is_new()
            values[-len(_REPORT) :] = [1.0, duration_seconds, page.scraped, page.kept, added]
        self._shown.append(self._store, labels, at_ms, values)
        if page and page.stamped:
            self._append_stamped(page.stamped, at_ms)

    def _report_is_new(self) -> int:
        return 0 if self._status.last_scrape else len(_REPORT)

    def _join_report(self, page: Page) -> tuple[tuple[Labels, ...], FloatArray]:
        """The page's series and ours behind them; what the page says of our own names is dropped."""
        values = page.values
        if page.labels is not self._page_labels:
            self._page_labels = page.labels
            self._with_report = tuple(own for own in page.labels if own not in self._report_labels)
            self._with_report += self._report_labels
        if len(self._with_report) != len(page.labels) + len(_REPORT):
            values = values[[own not in self._report_labels for own in page.labels]]
        return self._with_report, np.concatenate((values, np.empty(len(_REPORT))))

    def _append_stamped(self, stamped: Sequence[Sample], at_ms: int) -> None:
        """Samples with a time of their own; they get no staleness markers, as in Prometheus."""
        by_time: dict[int, list[Sample]] = {}
        for sample in stamped:
            by_time.setdefault(sample.timestamp_ms, []).append(sample)
        for timestamp_ms, samples in sorted(by_time.items()):
            if timestamp_ms > at_ms + _MAX_AHEAD_MS:
                self._metrics.too_new.inc(len(samples))
                continue
            labels = tuple(sample.labels for sample in samples)
            self._store.append(labels, timestamp_ms, np.array([sample.value for sample in samples]))

    def _record(self, page: Page | None, error: str, at_ms: int, duration_seconds: float) -> None:
        health = Health.DOWN if error else Health.UP
        if health is not self._status.health:
            if health is Health.UP:
                logger.info("target is up", extra=self._fields())
            else:
                logger.warning("target is down", extra={**self._fields(), "error": error})
        (self._metrics.failed if error else self._metrics.succeeded).inc()
        self._metrics.duration.observe(duration_seconds)
        if page:
            self._metrics.samples.inc(page.scraped)
        before = self._status
        self._status = TargetStatus(
            job=before.job,
            instance=before.instance,
            labels=before.labels,
            scrape_url=before.scrape_url,
            health=health,
            last_error=error,
            last_scrape=from_ms(at_ms),
            last_scrape_duration_seconds=duration_seconds,
            scrape_interval=before.scrape_interval,
            scrape_timeout=before.scrape_timeout,
            samples_scraped=page.scraped if page else before.samples_scraped,
        )

    def _fields(self) -> dict[str, str]:
        return {"job": self._status.job, "instance": self._status.instance, "url.full": self._status.scrape_url}


class Scraper:
    """Keeps one ``TargetScrape`` running for each target, while targets come and go."""

    def __init__(
        self,
        *,
        jobs: Sequence[ScrapeJob],
        store: Appender,
        clock: Clock,
        registry: CollectorRegistry,
        extra_targets: Callable[[], Sequence[Target]] = tuple,
        poll_seconds: float = 1.0,
    ) -> None:
        """``extra_targets`` is asked every ``poll_seconds``: replicas of a local cluster come and go."""
        self._static = tuple(target for job in jobs for target in job.targets())
        self._store, self._clock = store, clock
        self._metrics = ScrapeMetrics(registry)
        self._extra_targets, self._poll_seconds = extra_targets, poll_seconds
        self._extra: tuple[Target, ...] = ()
        self._following = False
        self._running: dict[Target, tuple[TargetScrape, asyncio.Task[None]]] = {}

    def targets(self) -> list[TargetStatus]:
        """How each target stands, by job and instance."""
        statuses = [scrape.status for scrape, _ in list(self._running.values())]
        return sorted(statuses, key=lambda status: (status.job, status.instance, status.scrape_url))

    async def run(self, stop: asyncio.Event) -> None:
        """Scrape until ``stop`` is set; then end all tasks without marking anything stale (we come back)."""
        async with new_session() as session:
            try:
                while not stop.is_set():
                    await self._follow(session)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), self._poll_seconds)
            finally:
                await self._end(list(self._running.values()))
                self._running.clear()
                self._following = False

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        """Start what is new and end what is gone."""
        extra = self._extra
        try:
            extra = tuple(self._extra_targets())
        except Exception:
            logger.exception("the list of dynamic targets failed; the last one stays")
        if self._following and extra == self._extra:
            return
        self._following, self._extra = True, extra
        wanted = dict.fromkeys((*self._static, *extra))
        gone = [self._running.pop(target) for target in list(self._running) if target not in wanted]
        refusals = _over_target_limit(wanted)
        for target in wanted:
            if target not in self._running:
                self._start(target, session, refusals.get(target.job.job_name, ""))
        self._metrics.targets.set(len(self._running))
        await self._end(gone)
        for scrape, _ in gone:
            scrape.retire(to_ms(self._clock.now()))

    def _start(self, target: Target, session: aiohttp.ClientSession, refusal: str) -> None:
        scrape = TargetScrape(
            target, session=session, store=self._store, clock=self._clock, metrics=self._metrics, refusal=refusal
        )
        task = asyncio.create_task(scrape.run(), name=f"scrape {target.url}")
        self._running[target] = (scrape, task)

    async def _end(self, ending: Sequence[tuple[TargetScrape, asyncio.Task[None]]]) -> None:
        for _, task in ending:
            task.cancel()
        await asyncio.gather(*(task for _, task in ending), return_exceptions=True)


def _over_target_limit(targets: Mapping[Target, None]) -> dict[str, str]:
    """Jobs with more targets than they may have, and the sentence for each of their targets."""
    counts = Counter(target.job.job_name for target in targets)
    limits = {target.job.job_name: target.job.limits.targets for target in targets}
    return {
        job: f"target_limit exceeded (number of targets: {counts[job]}, limit: {limit})"
        for job, limit in limits.items()
        if limit and counts[job] > limit
    }
