"""``foretide assess``: what recordings say about autoscalers; nothing is installed, nothing is changed."""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401  # isort: skip  # before numpy

import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

from app import assess_page, assess_patches, assess_report
from app.assess_recording import (
    DAY_MS,
    Recording,
    Stretch,
    namespace_queries,
    rate_window,
    read,
    recordings,
    seen_pods_query,
)
from app.assess_replay import Assessed, Question, assess
from app.assess_report import Report, ranked
from app.fleet import Hpa, Requests, find_hpas, find_requests, kubernetes_minor
from app.fleet_source import Access, GentleSource, gentle_source, hint
from app.offered_load import FAMILIES, Offered, offered, queries
from app.system_clock import SystemClock
from controller.simulate import replay
from domain.clock import from_ms, to_ms
from domain.errors import ForetideError, QueryError, SettingsError
from rules import load_paths
from rules.schema import PriceSheet

WRITERS: Final = {**assess_report.WRITERS, "html": assess_page.to_html}
LONGEST_DAYS: Final = 90
HOUR_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command."""

    access: Access
    days: float = 30.0
    start: str | None = None
    end: str | None = None
    namespace: str | None = None
    output: str = "table"
    allow: str = "0.3%"
    max_load: float = 2.0
    prices: Path | None = None
    kubernetes: str | None = None
    cache: bool = True
    workers: int | None = None
    patches: Path | None = None


def run(asked: Asked, out: TextIO) -> int:
    """Assess every autoscaler.

    Returns:
        The exit code: 0 done, 1 broken off or something could not be read, 2 an option or the server cannot be used.
    """
    clock = SystemClock()
    with ExitStack() as opened:
        try:
            job = _job(asked, clock, opened)
            fleet = look(job.source, job.over, asked.namespace, job.question)
        except KeyboardInterrupt:
            return 1
        except ForetideError as error:
            print(f"foretide: {hint(error, asked.access)}", file=sys.stderr)
            return 2
        report = _report(job, fleet, clock)
    WRITERS[asked.output](report, out)
    if asked.patches is not None:
        _say(f"{len(assess_patches.write(report, asked.patches))} patches in {asked.patches}")
    return 1 if report.partial or report.unread else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The options, understood."""

    source: GentleSource
    url: str
    over: Stretch
    question: Question
    sheet: PriceSheet | None
    workers: int
    began: float


def _job(asked: Asked, clock: SystemClock, opened: ExitStack) -> Job:
    """Check everything before anything is asked; ``SettingsError`` where an option cannot be meant."""
    if asked.output not in WRITERS:
        raise SettingsError(f"-o {asked.output}: expected one of {', '.join(WRITERS)}")
    if asked.patches is not None:
        assess_patches.check(asked.patches)
    over = _stretch(asked, clock.now())
    question = Question(allowed_share=_share(asked.allow), kubernetes_minor=_minor(asked.kubernetes))
    sheet = None if asked.prices is None else _sheet(asked.prices)
    source = gentle_source(asked.access, max_load_percent=asked.max_load, clock=clock, keep=asked.cache)
    opened.callback(source.close)
    if replay.engine() is replay.PLAIN:
        _say("without the extra `compiled` (numba) an autoscaler takes minutes instead of a second")
    return Job(
        source=source, url=source.url, over=over, question=question, sheet=sheet,
        workers=asked.workers or os.cpu_count() or 1, began=clock.monotonic(),
    )  # fmt: skip


def _report(job: Job, fleet: Fleet, clock: SystemClock) -> Report:
    """Read and judge, namespace by namespace; broken off, it is what there is until then."""
    unread: list[str] = []
    found: list[Assessed] = []
    broken_off = False
    try:
        for one in judged(each_recording(job.source, fleet, job.over, unread), fleet.question, workers=job.workers):
            found.append(one)
            _progress(f"{len(found)} of {len(fleet.hpas)} autoscalers; last {one.key}: {one.advice}")
    except KeyboardInterrupt:
        broken_off = True
        _say("broken off; what was read is kept, run it again to go on")
    _progress("")
    return Report(
        url=job.url, start=from_ms(job.over.start_ms), end=from_ms(job.over.end_ms), made_at=clock.now(),
        found=ranked(found), kubernetes_minor=fleet.question.kubernetes_minor, sheet=job.sheet,
        queries=(job.source.asked, job.source.kept), server_seconds=job.source.busy_seconds,
        wall_seconds=clock.monotonic() - job.began, server_cores=job.source.cores, unread=tuple(unread),
        partial=broken_off,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What is known before the recordings are read."""

    hpas: tuple[Hpa, ...]
    requests: dict[tuple[str, str], Requests]
    offered: tuple[Offered, ...]
    question: Question

    def namespaces(self) -> list[tuple[str, list[Hpa]]]:
        """Autoscalers by namespace."""
        names = sorted({one.namespace for one in self.hpas})
        return [(name, [one for one in self.hpas if one.namespace == name]) for name in names]


def look(source: GentleSource, over: Stretch, namespace: str | None, question: Question) -> Fleet:
    """The autoscalers, their requests, and which offered loads the server knows; errors as of ``find_hpas``."""
    at = over.end_ms
    source.look(at)
    hpas = find_hpas(source, namespace=namespace, at_ms=at)
    minor = question.kubernetes_minor or kubernetes_minor(source, at_ms=at)
    wanted = frozenset((one.namespace, one.workload) for one in hpas)
    loads = []
    for family in FAMILIES:
        if not family.queue:
            seen = source.instant(queries([family])[family.key], at_ms=at)
            if (one := offered(family, seen.labels, wanted)) is not None:
                loads.append(one)
    version = "unknown version" if minor is None else f"1.{minor}"
    told = ", ".join(f"{one.family.title} for {len(one.workloads)}" for one in loads) or "none; CPU use is taken"
    _say(f"{len(hpas)} autoscalers, Kubernetes {version}, offered load: {told}")
    return Fleet(
        hpas=tuple(hpas), requests=find_requests(source, hpas, at_ms=at), offered=tuple(loads),
        question=Question(allowed_share=question.allowed_share, kubernetes_minor=minor),
    )  # fmt: skip


def each_recording(source: GentleSource, fleet: Fleet, over: Stretch, unread: list[str]) -> Iterator[Recording]:
    """Namespace by namespace; one that cannot be read is noted and left out."""
    for namespace, hpas in fleet.namespaces():
        try:
            window = rate_window(source, namespace, at_ms=over.end_ms)
            asked = namespace_queries(namespace, hpas, fleet.offered, window=window)
            found = {}
            for name, matrix in read(source, asked, over):
                found[name] = matrix
                _progress(f"{namespace}: {name} read ({source.asked} queries, {source.kept} from the cache)")
            hourly = Stretch(
                start_ms=-(-over.start_ms // (1000 * HOUR_SECONDS)) * 1000 * HOUR_SECONDS, end_ms=over.end_ms
            )
            counted = {"seen": seen_pods_query(namespace, hpas, window=window)}
            seen = dict(read(source, counted, hourly, step_seconds=HOUR_SECONDS)).get("seen")
        except QueryError as error:
            unread.append(f"{namespace}: {error}")
            _say(f"{namespace} is left out: {error}")
            continue
        yield from recordings(hpas, found, requests=fleet.requests, offered=fleet.offered, over=over, seen=seen)


def judged(of: Iterable[Recording], question: Question, *, workers: int) -> Iterator[Assessed]:
    """Each recording judged, in order, in this process or in several."""
    if workers <= 1:
        yield from (assess(one, question) for one in of)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting: list[Future[Assessed]] = []
        try:
            for one in of:
                waiting.append(pool.submit(assess, one, question))
                while len(waiting) > 4 * workers or (waiting and waiting[0].done()):
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _stretch(asked: Asked, now: datetime) -> Stretch:
    """The period: from the beginning of a UTC day, so that days are the same at the next run."""
    end = _instant("--to", asked.end) if asked.end else now
    if end > now:
        raise SettingsError(f"--to {asked.end}: lies in the future")
    start = _instant("--from", asked.start) if asked.start else end - timedelta(days=asked.days)
    first, last = to_ms(start), to_ms(end) // 60_000 * 60_000
    if asked.start is None:
        first = first // DAY_MS * DAY_MS
    over = Stretch(start_ms=first // 60_000 * 60_000, end_ms=last)
    days = (over.end_ms - over.start_ms) / DAY_MS
    if not 7 <= days <= LONGEST_DAYS + 1:
        since = "" if asked.start else " since the beginning of its first UTC day"
        raise SettingsError(
            f"the period has {days:.1f} days{since}; expected 7 to {LONGEST_DAYS}: see --days, --from, --to"
        )
    return over


def _instant(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{option} {text}: expected a date or time such as 2026-05-01 or 2026-05-01T08:00Z"
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError as error:
        raise SettingsError(f"--allow {text}: expected a share of time such as 0.3%") from error
    if not text.endswith("%") or not 0 < share < 0.5:
        raise SettingsError(f"--allow {text}: expected a share of time such as 0.3%")
    return share


def _minor(text: str | None) -> int | None:
    if text is None:
        return None
    major, _, minor = text.removeprefix("v").partition(".")
    minor = minor.partition(".")[0]
    if major != "1" or not minor.isdigit():
        raise SettingsError(f"--kubernetes {text}: expected a version such as 1.33")
    return int(minor)


def _sheet(path: Path) -> PriceSheet:
    found = load_paths([path], check_query=lambda *_: None).price_sheets
    if len(found) != 1:
        raise SettingsError(f"--prices {path}: expected one PriceSheet document, found {len(found)}")
    return found[0]


def _say(text: str) -> None:
    _progress("")
    print(f"foretide: {text}", file=sys.stderr, flush=True)


def _progress(text: str) -> None:
    """One line that is written over; nothing where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
