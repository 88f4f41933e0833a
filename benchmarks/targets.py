"""Scrape targets that tell of a made-up web service: ``python -m benchmarks.targets`` serves them until it is ended.

Every counter follows from the time alone (a day's curve, integrated), so that a history loaded before the first scrape
and the scrapes after it are one series.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from http.server import ThreadingHTTPServer
from itertools import product
from typing import Final

import numpy as np

from benchmarks.serving import QuietHandler
from domain.clock import Clock
from domain.labels import METRIC_NAME, Labels
from domain.names import INSTANCE, JOB
from domain.series import FloatArray, IntArray, Series

REQUESTS: Final = "http_requests_total"
_DURATION: Final = "http_request_duration_seconds"
_WAVES: Final = ((86_400.0, 20.0), (43_200.0, 6.0), (9_973.0, 4.0), (2_311.0, 3.0), (601.0, 2.0))
"""Seconds and requests/s: a day, its half, and three that fit into no day, so that no forecast is perfect."""
_ROUTES: Final = ("/cart", "/catalog", "/checkout", "/search")
_CODES: Final = {"200": 0.96, "404": 0.03, "500": 0.01}
_BUCKETS: Final = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
_PROCESS: Final = (
    "process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds",
    "process_max_fds", "process_start_time_seconds", "process_threads", "process_network_receive_bytes_total",
    "process_network_transmit_bytes_total", "process_io_waiting_seconds_total",
)  # fmt: skip
_POOLS: Final = ("orders", "stock", "users", "sessions", "cache", "mail")
_POOL_METRICS: Final = ("db_pool_connections", "db_pool_idle", "db_pool_waiting", "db_queries_total", "db_errors_total")
_TASKS: Final = ("charge", "ship", "refund", "index", "mail", "report", "sweep", "import", "export", "sync")
_TASK_METRICS: Final = ("tasks_started_total", "tasks_failed_total", "tasks_queued", "tasks_seconds_total")


def requests_until(t: FloatArray, *, target: int) -> FloatArray:
    """Requests that a target has answered until ``t`` (seconds since the epoch), at 5 to 75/s."""
    total = 40.0 * t
    for period, height in _WAVES:
        total += height * period / (2 * np.pi) * np.sin(2 * np.pi * t / period + 0.3 * target)
    return total


def counters(total: FloatArray) -> Iterator[tuple[str, dict[str, str], FloatArray]]:
    """The request counter's series, whole numbers."""
    for route, (code, share) in product(_ROUTES, _CODES.items()):
        yield REQUESTS, {"method": "GET", "route": route, "code": code}, np.floor(total * share / len(_ROUTES))


def page(t: float, *, target: int) -> str:
    """What a target answers at ``t``: 150 series in Prometheus' text format."""
    total = requests_until(np.array([t]), target=target)
    lines = [f"# TYPE {REQUESTS} counter"]
    lines += [_line(name, labels, float(values[0])) for name, labels, values in counters(total)]
    answered = float(total[0]) / len(_ROUTES)
    lines.append(f"# TYPE {_DURATION} histogram")
    for route in _ROUTES:
        for number, bound in enumerate(_BUCKETS, 1):
            count = math.floor(answered * min(1.0, number / 9))
            lines.append(_line(f"{_DURATION}_bucket", {"route": route, "le": bound}, count))
        lines.append(_line(f"{_DURATION}_sum", {"route": route}, answered * 0.08))
        lines.append(_line(f"{_DURATION}_count", {"route": route}, math.floor(answered)))
    lines += [_line(name, {}, 1e6 + answered % 1000) for name in _PROCESS]
    lines += [_line(name, {"pool": pool}, math.floor(t) % 97) for name, pool in product(_POOL_METRICS, _POOLS)]
    lines += [_line(name, {"task": task}, math.floor(answered / 7)) for name, task in product(_TASK_METRICS, _TASKS)]
    lines += [_line("build_info", {"version": "1.2.3"}, 1), _line("up_since_seconds", {}, math.floor(t) % 86_400)]
    return "\n".join(lines) + "\n"


def history(addresses: list[str], *, until: datetime, days: int, step_seconds: int = 60) -> Iterator[Series]:
    """The request counters as they would have been scraped over the last days."""
    last = int(until.timestamp()) // step_seconds
    steps = np.arange(last - days * 86_400 // step_seconds, last + 1, dtype=np.int64) * step_seconds
    timestamps_ms: IntArray = steps * 1000
    for target, address in enumerate(addresses):
        for name, labels, values in counters(requests_until(steps.astype(np.float64), target=target)):
            own = Labels.of({**labels, METRIC_NAME: name, JOB: job_of(target), INSTANCE: address})
            yield Series(labels=own, timestamps_ms=timestamps_ms, values=values)


def job_of(target: int) -> str:
    """Two targets are one service."""
    return f"web-{target // 2}"


def _line(name: str, labels: dict[str, str], value: float) -> str:
    inside = ",".join(f'{label}="{said}"' for label, said in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


class _Page(QuietHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, content: Callable[[], str]) -> None:
        self._content = content
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.answer(self._content().encode(), content_type="text/plain; version=0.0.4; charset=utf-8")


def serve(count: int, clock: Clock) -> None:
    """Print ``count`` addresses, one a line, and serve a target at each until stdin ends."""
    servers = []
    for target in range(count):
        content = partial(_content, clock, target)
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Page, content=content)))
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"127.0.0.1:{server.server_address[1]}")
    sys.stdout.flush()
    sys.stdin.read()


def _content(clock: Clock, target: int) -> str:
    return page(clock.now().timestamp(), target=target)


if __name__ == "__main__":
    from app.system_clock import SystemClock

    serve(10, SystemClock())
