from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from collector.exposition_line import Format
from collector.fetch import new_session
from collector.metrics import ScrapeMetrics
from collector.scrape import Scraper, TargetScrape
from collector.targets import Authorization, BasicAuth, Health, ScrapeJob, ScrapeLimits, StaticConfig, Target
from domain.clock import to_ms
from domain.errors import OverloadedError
from domain.labels import Labels
from tests.collector.serve import Served, serving
from tests.fakes.clock import ManualClock
from tests.fakes.metrics_store import MemoryMetricsStore

NOW_MS = to_ms(ManualClock().now())
NO_LABELS = Labels()


class Bench:
    """One served page, its target, and a store; scrapes happen when a test says so."""

    def __init__(self, served: Served, session: Any, job: ScrapeJob, group: Labels) -> None:
        self.served, self.store, self.registry = served, MemoryMetricsStore(), CollectorRegistry()
        self.target = Target(job=job, address=served.address, group=group)
        self.scrape = TargetScrape(
            self.target, session=session, store=self.store, clock=ManualClock(), metrics=ScrapeMetrics(self.registry)
        )
        self._at_ms = NOW_MS - 15_000

    async def once(self, body: bytes | None = None) -> Any:
        self.served.body = self.served.body if body is None else body
        self._at_ms += 15_000
        return await self.scrape.scrape_once(self._at_ms)


@asynccontextmanager
async def bench(served: Served | None = None, group: Labels = NO_LABELS, **job: Any) -> AsyncIterator[Bench]:
    async with serving(served or Served()) as running, new_session() as session:
        yield Bench(running, session, ScrapeJob(job_name="shop", **job), group)


def go(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_page_is_appended_with_up_and_its_fellows() -> None:
    async def story() -> None:
        async with bench(Served(body=b'a{x="1"} 7\nb 8\n'), group=Labels.of(zone="z1")) as at:
            status = await at.once()

            where = {"job": "shop", "instance": at.served.address, "zone": "z1"}
            assert at.store.history("a", x="1", **where) == [(NOW_MS, 7)]
            assert at.store.history("b", **where) == [(NOW_MS, 8)]
            assert at.store.history("up", **where) == [(NOW_MS, 1)]
            assert at.store.last("scrape_samples_scraped") == 2
            assert at.store.last("scrape_samples_post_metric_relabeling") == 2
            assert at.store.last("scrape_series_added") == 2
            assert at.store.last("scrape_duration_seconds") >= 0  # type: ignore[operator]
            assert (status.health, status.last_error, status.samples_scraped) == (Health.UP, "", 2)
            assert status.scrape_url == f"http://{at.served.address}/metrics"
            assert to_ms(status.last_scrape) == NOW_MS

    go(story)


def test_a_steady_page_is_one_layout() -> None:
    async def story() -> None:
        async with bench() as at:
            for body in (b"a 1\n", b"a 2\n", b"a 3\n"):
                await at.once(body)

            assert len(at.store.layouts) == 3
            assert at.store.layouts[1] is at.store.layouts[2]
            assert [value for _, value in at.store.history("scrape_series_added")] == [1, 0, 0]

    go(story)


def test_a_series_that_vanishes_is_marked_stale_once() -> None:
    async def story() -> None:
        async with bench() as at:
            for body in (b"a 1\nb 2\n", b"a 3\n", b"a 4\n", b"a 5\nb 6\n"):
                await at.once(body)

            assert [value for _, value in at.store.history("b")] == [2, "stale", 6]
            assert at.store.history("b")[1][0] == NOW_MS + 15_000
            assert [value for _, value in at.store.history("a")] == [1, 3, 4, 5]
            assert [value for _, value in at.store.history("scrape_series_added")] == [2, 0, 0, 1]

    go(story)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": 500}, "server returned HTTP status 500 Internal Server Error"),
        ({"status": 404}, "server returned HTTP status 404 Not Found"),
        ({"body": b"<html>hello</html>\n"}, 'expected a valid start token (a metric name), got "<html>hello</html>"'),
        ({"body": b"ok 1\nalso 2\nbroken\n"}, 'expected value after metric, got "" at line 3'),
        ({"content_type": "text/html"}, 'received unsupported Content-Type "text/html" and no fallback'),
        ({"content_type": ""}, "sending blank Content-Type and no fallback"),
        ({"body": b"a 1\nb 1\nc 1\nd 1\n"}, "sample limit exceeded (number of samples: 4, limit: 3)"),
        ({"body": b"a 1\n" + b"#" * 3000}, "body size limit exceeded (limit: 2000 bytes)"),
        ({"body": b"a 1\n" + b"#" * 3000, "zipped": True}, "body size limit exceeded (limit: 2000 bytes)"),
        ({"body": b'a{b="1",c="2"} 1\n'}, "label_limit exceeded (metric: a, number of labels: 5, limit: 4) at line 1"),
        ({"body": b'a{bbbbbbbbbbbb="1"} 1\n'}, "label_name_length_limit exceeded (metric: a, label name: bbbbbbbbbbbb"),
        ({"body": b'a{b="%s"} 1\n' % (b"1" * 40)}, "label_value_length_limit exceeded (metric: a, label name: b"),
    ],
)
def test_a_failed_scrape_tells_why_and_marks_everything_stale(change: dict[str, Any], expected: str) -> None:
    limits = ScrapeLimits(body_size_bytes=2000, samples=3, labels=4, label_name_length=10, label_value_length=30)

    async def story() -> None:
        async with bench(limits=limits) as at:
            await at.once(b"a 1\n")
            for name, value in change.items():
                setattr(at.served, name, value)
            status = await at.once()

            assert status.health is Health.DOWN
            assert expected in status.last_error
            assert [value for _, value in at.store.history("up")] == [1, 0]
            assert at.store.last("a", instance=at.served.address) == "stale"
            at.served.__dict__.update(status=200, content_type="text/plain", zipped=False)
            assert (await at.once(b"a 2\n")).last_error == ""
            assert [value for _, value in at.store.history("a")] == [1, "stale", 2]
            assert at.registry.get_sample_value("foretide_collector_scrapes_total", {"result": "failure"}) == 1
            assert at.registry.get_sample_value("foretide_collector_scrapes_total", {"result": "success"}) == 2

    go(story)


def test_nobody_listens() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"

        async def story() -> None:
            async with bench(Served()) as at, new_session() as session:
                target = Target(job=at.target.job, address=address)
                metrics = ScrapeMetrics(CollectorRegistry())
                scrape = TargetScrape(target, session=session, store=at.store, clock=ManualClock(), metrics=metrics)
                status = await scrape.scrape_once(NOW_MS)

                expected = f'Get "http://{address}/metrics": dial tcp {address}: connect: connection refused'
                assert status.last_error == expected
                assert at.store.history("up", instance=address) == [(NOW_MS, 0)]

        go(story)


def test_a_slow_target_runs_into_its_timeout() -> None:
    async def story() -> None:
        async with bench(scrape_timeout=timedelta(milliseconds=50)) as at:
            at.served.hold = asyncio.Event()
            status = await at.once()

            assert status.last_error == f'Get "{status.scrape_url}": context deadline exceeded'
            assert at.store.last("up") == 0

    go(story)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"headers": {"Content-Encoding": "gzip"}},
            "unexpected EOF (400, message: Can not decode content-encoding: gzip)",
        ),
        ({"status": 302, "headers": {"Location": "/metrics"}}, "stopped after 10 redirects"),
    ],
)
def test_broken_transport(change: dict[str, Any], expected: str) -> None:
    async def story() -> None:
        async with bench(Served(**change)) as at:
            status = await at.once()

            assert status.last_error == f'Get "{status.scrape_url}": {expected}'

    go(story)


def test_a_plain_server_behind_https() -> None:
    async def story() -> None:
        async with bench(scheme="https") as at:
            assert "tls: " in (await at.once()).last_error

    go(story)


def test_a_zipped_page_is_read() -> None:
    async def story() -> None:
        async with bench(Served(body=b"a 5\n", zipped=True)) as at:
            await at.once()

            assert at.store.last("a") == 5
            assert at.served.requests[0].headers["Accept-Encoding"] == "gzip"

    go(story)


def test_openmetrics_is_preferred_and_read() -> None:
    body = b"# TYPE a counter\na_total 5 # {t=\"x\"} 1 2\n# EOF\n"  # fmt: skip

    async def story() -> None:
        async with bench(Served(body=body, content_type="application/openmetrics-text; version=1.0.0")) as at:
            status = await at.once()

            assert status.last_error == ""
            assert at.store.last("a_total") == 5
            accept = at.served.requests[0].headers["Accept"]
            assert accept.index("application/openmetrics-text;version=1.0.0") < accept.index("text/plain;version=0.0.4")
            assert at.served.requests[0].headers["X-Prometheus-Scrape-Timeout-Seconds"] == "10"

    go(story)


def test_a_fallback_format_takes_pages_without_content_type() -> None:
    async def story() -> None:
        async with bench(Served(content_type=""), fallback_format=Format.TEXT) as at:
            assert (await at.once()).last_error == ""

    go(story)


def test_credentials_are_sent_and_files_are_read_anew(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("first\n")

    async def story() -> None:
        async with bench(authorization=Authorization(credentials_file=secret)) as at:
            await at.once()
            secret.write_text("second\n")
            await at.once()
            assert [own.headers["Authorization"] for own in at.served.requests] == ["Bearer first", "Bearer second"]
            secret.unlink()
            status = await at.once()
            assert "No such file or directory" in status.last_error
        async with bench(authorization=BasicAuth(username="u", password="p")) as at:
            await at.once()
            assert at.served.requests[0].headers["Authorization"] == "Basic dTpw"

    go(story)


@pytest.mark.parametrize(
    ("honor", "expected"),
    [
        (False, {"job": "shop", "exported_job": "theirs", "exported_exported_job": "old"}),
        (True, {"job": "theirs", "exported_exported_job": "old"}),
    ],
)
def test_label_conflicts(honor: bool, expected: dict[str, str]) -> None:
    async def story() -> None:
        async with bench(honor_labels=honor) as at:
            await at.once(b'a{job="theirs",exported_exported_job="old"} 1\n')

            assert at.store.history("a", instance=at.served.address, **expected) == [(NOW_MS, 1)]

    go(story)


def test_conflicts_never_overwrite_a_label() -> None:
    target = Target(job=ScrapeJob(job_name="shop"), address="h:1")

    finished = target.finish(Labels.of(job="theirs", exported_job="older", __name__="a"))

    assert finished == Labels.of(
        __name__="a", job="shop", instance="h:1", exported_job="older", exported_exported_job="theirs"
    )


def test_the_page_cannot_speak_for_up() -> None:
    async def story() -> None:
        async with bench() as at:
            await at.once(b"up 0\na 2\n")

            assert at.store.last("up") == 1
            assert at.store.last("a") == 2

    go(story)


def test_samples_with_their_own_time_keep_it_and_get_no_marker() -> None:
    ahead = NOW_MS + 3_600_000

    async def story() -> None:
        async with bench() as at:
            await at.once(b"a 1 %d\nb 2\nc 3 %d\n" % (NOW_MS - 7, ahead))
            await at.once(b"b 4\n")

            assert at.store.history("a") == [(NOW_MS - 7, 1)]
            assert "c" not in at.store.names()
            assert at.registry.get_sample_value("foretide_collector_too_new_samples_total") == 1

    go(story)


def test_a_big_page_is_taken_too() -> None:
    page = b"".join(b'a{i="%d",padding="%s"} %d\n' % (i, b"x" * 100, i) for i in range(10_000))

    async def story() -> None:
        async with bench() as at:
            status = await at.once(page)

            assert len(page) > 1_000_000
            assert (status.health, status.samples_scraped) == (Health.UP, 10_000)
            assert at.store.last("a", i="9999") == 9999

    go(story)


def test_a_store_that_refuses_is_told_and_the_next_scrape_goes_on() -> None:
    async def story() -> None:
        async with bench() as at:
            await at.once(b"a 1\nb 1\n")
            at.store.refusal = OverloadedError("the intake queue is full")
            status = await at.once(b"a 2\n")
            assert status.last_error == "the intake queue is full"
            at.store.refusal = None
            assert (await at.once(b"a 3\n")).last_error == ""

            assert [value for _, value in at.store.history("a")] == [1, 3]
            assert [value for _, value in at.store.history("b")] == [1, "stale"]
            assert at.registry.get_sample_value("foretide_collector_lost_scrapes_total") == 1

    go(story)


def test_a_retired_target_leaves_everything_stale_and_says_no_more() -> None:
    async def story() -> None:
        async with bench() as at:
            await at.once(b"a 1\n")
            at.scrape.retire(NOW_MS - 5)
            await at.once(b"a 2\n")

            assert at.store.history("a") == [(NOW_MS, 1), (NOW_MS + 1, "stale")]
            assert [value for _, value in at.store.history("up")] == [1, "stale"]

    go(story)


class SystemClock:
    """The real time, as ``app`` hands it in."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Watched(MemoryMetricsStore):
    """A store that a test can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()
        self.on_append = self.arrived.set

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.arrived.clear()
            await self.arrived.wait()

    def says(self, value: float | str, **labels: str) -> bool:
        present = any(labels.items() <= dict(own).items() for own in self.samples if own.metric_name == "up")
        return present and self.last("up", **labels) == value


def test_targets_come_and_go_while_the_others_go_on() -> None:
    async def story() -> None:
        store, stop = Watched(), asyncio.Event()
        job = ScrapeJob(job_name="local", scrape_interval=timedelta(seconds=5))
        async with serving(Served()) as steady, serving(Served()) as coming, serving(Served(body=b"?\n")) as broken:
            extra: list[Target] = []
            addresses = (steady.address, broken.address)
            fixed = ScrapeJob(
                job_name="fixed",
                scrape_interval=timedelta(milliseconds=40),
                scrape_timeout=timedelta(milliseconds=40),
                static_configs=(StaticConfig(targets=addresses),),
            )
            scraper = Scraper(
                jobs=[fixed],
                store=store,
                clock=SystemClock(),
                registry=CollectorRegistry(),
                extra_targets=lambda: extra,
                poll_seconds=0.02,
            )
            running = asyncio.create_task(scraper.run(stop))
            await store.until(lambda: store.says(1, instance=steady.address) and store.says(0, instance=broken.address))
            extra.append(Target(job=job, address=coming.address))
            await store.until(lambda: store.says(1, instance=coming.address, job="local"))
            assert [(own.job, own.health) for own in scraper.targets() if own.instance != steady.address] == [
                ("fixed", Health.DOWN),
                ("local", Health.UP),
            ]
            extra.clear()
            await store.until(lambda: store.says("stale", instance=coming.address, job="local"))
            assert {own.instance for own in scraper.targets()} == set(addresses)
            before = len(store.history("up", instance=steady.address))
            await store.until(lambda: len(store.history("up", instance=steady.address)) >= before + 3)
            stop.set()
            await running
            times = [at for at, _ in store.history("up", instance=steady.address)]
            assert times == sorted(set(times))
            assert store.says(1, instance=steady.address), "no markers at shutdown: we come back"

    go(story)


def test_a_failing_list_of_targets_does_not_end_the_others() -> None:
    async def story() -> None:
        store, stop = Watched(), asyncio.Event()

        def broken() -> list[Target]:
            raise RuntimeError("no cluster today")

        async with serving(Served()) as steady:
            fixed = ScrapeJob(
                job_name="fixed",
                scrape_interval=timedelta(seconds=1),
                static_configs=(StaticConfig(targets=(steady.address,)),),
            )
            scraper = Scraper(
                jobs=[fixed], store=store, clock=SystemClock(), registry=CollectorRegistry(), extra_targets=broken
            )
            running = asyncio.create_task(scraper.run(stop))
            await store.until(lambda: store.says(1, instance=steady.address))
            stop.set()
            await running

    go(story)


def test_a_job_with_too_many_targets_is_not_scraped_at_all() -> None:
    async def story() -> None:
        store, stop = Watched(), asyncio.Event()
        async with serving(Served()) as served:
            job = ScrapeJob(
                job_name="many",
                scrape_interval=timedelta(seconds=1),
                limits=ScrapeLimits(targets=1),
                static_configs=(
                    StaticConfig(targets=(served.address, served.address.replace("127.0.0.1", "localhost"))),
                ),
            )
            scraper = Scraper(jobs=[job], store=store, clock=SystemClock(), registry=CollectorRegistry())
            running = asyncio.create_task(scraper.run(stop))
            await store.until(lambda: len(store.layouts) == 2)

            assert {own.last_error for own in scraper.targets()} == {
                "target_limit exceeded (number of targets: 2, limit: 1)"
            }
            assert store.says(0, instance=served.address)
            assert served.requests == []
            stop.set()
            await running

    go(story)


@given(
    interval=st.integers(1, 120),
    port=st.integers(1, 65535),
    now_ms=st.integers(1_600_000_000_000, 1_900_000_000_000),
    elapsed_ms=st.integers(0, 10_000),
)
def test_planned_times_are_steady(interval: int, port: int, now_ms: int, elapsed_ms: int) -> None:
    job = ScrapeJob(job_name="a", scrape_interval=timedelta(seconds=interval))
    target = Target(job=job, address=f"h:{port}")
    scrape = TargetScrape(
        target,
        session=None,  # type: ignore[arg-type]  # never asked here
        store=MemoryMetricsStore(),
        clock=ManualClock(),
        metrics=ScrapeMetrics(CollectorRegistry()),
    )
    planned = scrape.next_ms(now_ms, last_ms=now_ms)
    late = scrape.next_ms(planned + elapsed_ms, last_ms=planned)
    early = scrape.next_ms(planned - 1, last_ms=planned)

    assert now_ms < planned <= now_ms + interval * 1000
    assert late > planned
    assert (late - planned) % (interval * 1000) == 0
    assert early == planned + interval * 1000
    assert 0 <= scrape.first_delay_seconds() <= 5
    assert scrape.first_delay_seconds() == 0 or interval > 5


def test_offsets_spread() -> None:
    job = ScrapeJob(job_name="a")
    ratios = [Target(job=job, address=f"10.0.0.{i}:80").offset_ratio for i in range(200)]

    assert all(0 <= ratio < 1 for ratio in ratios)
    assert min(sum(low <= 4 * ratio < low + 1 for ratio in ratios) for low in range(4)) > 25
