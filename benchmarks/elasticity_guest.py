"""What Foretide costs the Prometheus whose guest it is: 2,000 rules with 3 triggers each, decided every 15 s.

A real Prometheus (Debian's) scrapes 2,000 applications of 3 pods from one page (``honor_labels``, as from a
federation); its CPU is measured first alone, then with Foretide. `guest_peer_cpu_pct` is the difference, in percent of
one core; `guest_queries_per_s` are the queries that Foretide sent in that time, completeness and replicas included.
The data folder lies in memory where there is /dev/shm: the ledger commits each decision, and on a slow disk 2,000
commits take longer than the 15 s; rows of a loop that ran less often than that would flatter, and are refused.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from typing import Any, Final

import psutil

from benchmarks import command
from benchmarks.program import FORETIDE, running
from benchmarks.report import NotMeasuredError, Row
from benchmarks.serving import QuietHandler, served

APPS: Final = 2_000
PODS: Final = 3
WARM_UP_SECONDS: Final = 150.0
"""Until every window of 2 min is full."""
START_SECONDS: Final = 60.0
"""As long as Prometheus may take until it is ready."""
_QUERIES: Final = "foretide_source_queries_total"
_DECISIONS: Final = "foretide_decisions_total"
_PASSES: Final = 'foretide_controller_step_duration_seconds_count{step="act"}'
_RULE: Final = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {{name: {app}, namespace: {namespace}}}
spec:
  target: {{kind: Deployment, name: {app}}}
  replicas: {{min: 1, max: 50}}
  triggers:
  - {{name: rps, query: 'sum(rate(http_requests_total{{namespace="{namespace}", app="{app}"}}[2m]))', perReplica: 10}}
  - {{name: queue, query: 'max(queue_depth{{namespace="{namespace}", app="{app}"}})', perReplica: 100}}
  - {{name: busy, query: 'sum(rate(busy_seconds_total{{namespace="{namespace}", app="{app}"}}[2m]))', perReplica: 1}}
"""
_CONFIG: Final = """
rules_dir: rules
default_source: prometheus
sources:
- {{name: prometheus, url: "http://127.0.0.1:{port}"}}
"""
_PROMETHEUS: Final = """
global: {{scrape_interval: 15s}}
scrape_configs:
- {{job_name: all, honor_labels: true, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}
"""


def rows(*, apps: int = APPS, warm_up: float = WARM_UP_SECONDS, seconds: float = 120.0) -> list[Row]:
    """Measured here and now.

    Raises:
        NotMeasuredError: There is no Prometheus, or a part of it does not do its work.
    """
    memory = Path("/dev/shm")  # noqa: S108 (no name in it is guessed)
    where = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as name, _page(apps) as page_port:
        folder = Path(name)
        with _prometheus(folder, page_port) as (peer, port):
            time.sleep(max(warm_up - 60.0, 0.0))
            idle = _cpu_percent(peer, min(60.0, warm_up))
            _write(folder / "foretide", port, apps)
            with running(
                [FORETIDE, "up", "--config", "foretide.yaml"], folder / "foretide", cwd=folder / "foretide"
            ) as up:
                time.sleep(60.0)  # two minutes' worth of completeness, and the first pass
                before, began = _metrics(up.port), time.monotonic()
                busy = _cpu_percent(peer, seconds)
                after, took = _metrics(up.port), time.monotonic() - began
        per_second = (_sum(after, _QUERIES) - _sum(before, _QUERIES)) / took
        _check(before, after, passes=took / 15.0, apps=apps)
    return [
        Row(metric="guest_queries_per_s", ours=per_second, unit="/s", direction="<=", must=20.0, goal=8.0),
        Row(metric="guest_peer_cpu_pct", ours=max(busy - idle, 0.0), unit="%", direction="<=", must=10.0, goal=5.0),
        Row(metric="guest_peer_alone_cpu_pct", ours=idle, unit="%", direction="<="),
    ]


def _names(number: int) -> tuple[str, str]:
    return f"team-{number // 50}", f"application-{number}"


class _Page:
    """All series of one moment; counters rise with the time."""

    def __init__(self, apps: int) -> None:
        self._lines: list[tuple[str, float]] = []
        fixed = []
        for number in range(apps):
            namespace, app = _names(number)
            fixed.append(f'kube_deployment_spec_replicas{{namespace="{namespace}",deployment="{app}"}} {PODS}')
            fixed.append(f'kube_deployment_status_replicas_ready{{namespace="{namespace}",deployment="{app}"}} {PODS}')
            for pod in range(PODS):
                own = f'namespace="{namespace}",app="{app}",job="{app}",instance="{app}-{pod}"'
                self._lines.append((f"http_requests_total{{{own}}}", 5.0 + number % 17))
                self._lines.append((f"busy_seconds_total{{{own}}}", 0.5))
                fixed.append(f"queue_depth{{{own}}} {number % 90}")
                fixed.append(f'up{{job="{app}",instance="{app}-{pod}"}} 1')
                pod_name = f"{app}-5d9c7f-abcd{pod}"
                fixed += [
                    f'kube_pod_container_resource_requests{{namespace="{namespace}",pod="{pod_name}",'
                    f'resource="{resource}"}} {amount}'
                    for resource, amount in (("cpu", 0.5), ("memory", 5e8))
                ]
        self._fixed = "\n".join(fixed)

    def text(self, second: float) -> bytes:
        rising = "\n".join(f"{name} {rate * second:.1f}" for name, rate in self._lines)
        return f"{self._fixed}\n{rising}\n".encode()


@contextmanager
def _page(apps: int) -> Iterator[int]:
    """The port where the page is."""
    page, began = _Page(apps), time.monotonic()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.answer(page.text(time.monotonic() - began), content_type="text/plain; version=0.0.4")

    with served(Handler) as port:
        yield port


@contextmanager
def _prometheus(folder: Path, page_port: int) -> Iterator[tuple[psutil.Process, int]]:
    binary = which("prometheus")
    if binary is None:
        raise NotMeasuredError("there is no prometheus; `python -m tests.provide prometheus` installs Debian's")
    (folder / "prometheus.yml").write_text(_PROMETHEUS.format(port=page_port))
    port = _free_port()
    command = [
        binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        until_ready(process, port, folder / "prometheus.log")
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        process.wait(30)


def until_ready(process: subprocess.Popen[Any], port: int, log: Path) -> None:
    """Prometheus answers 503 until it has read its log of writes, which on a busy machine takes seconds."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise NotMeasuredError(f"Prometheus ended: {log.read_text()[-1000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise NotMeasuredError(f"Prometheus is not ready after {START_SECONDS:g} s: {log.read_text()[-1000:]}")


def _free_port() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port: int = server.server_address[1]
    server.server_close()
    return port


def _write(folder: Path, port: int, apps: int) -> None:
    (folder / "rules").mkdir(parents=True)
    (folder / "foretide.yaml").write_text(_CONFIG.format(port=port))
    for number in range(apps):
        namespace, app = _names(number)
        (folder / "rules" / f"{app}.yaml").write_text(_RULE.format(app=app, namespace=namespace))


def _cpu_percent(process: psutil.Process, seconds: float) -> float:
    """In percent of one core, over so many seconds."""
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after = process.cpu_times()
    return 100.0 * (after.user + after.system - before.user - before.system) / (time.monotonic() - began)


def _metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def _sum(metrics: dict[str, float], name: str, without: tuple[str, ...] = ()) -> float:
    return sum(
        value for key, value in metrics.items() if key.startswith(name) and not any(part in key for part in without)
    )


def _check(before: dict[str, float], after: dict[str, float], *, passes: float, apps: int) -> None:
    """Refuse to call cheap what does nothing, or less than it should."""
    done = _sum(after, _PASSES) - _sum(before, _PASSES)
    if done < 0.9 * passes - 1:
        raise NotMeasuredError(f"{done:.0f} passes instead of {passes:.0f}: this machine is too busy")
    refused = _sum(after, _QUERIES, ('result="ok"',))
    blind = ("MissingMetric", "NoData", "NoReplicaCount")
    decided = _sum(after, _DECISIONS, blind) - _sum(before, _DECISIONS, blind)
    if refused or decided < 0.9 * apps * (done - 1):
        raise NotMeasuredError(f"{decided:.0f} decisions on data in {done:.0f} passes, {refused:.0f} failed queries")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command.options("elasticity_guest", __doc__, recordings=False)
    parser.add_argument("--apps", type=int, default=APPS, help="rules (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long is measured (default %(default)g)")
    asked = parser.parse_args(arguments)
    return command.run("elasticity_guest", lambda: rows(apps=asked.apps, seconds=asked.seconds), output=asked.output)


if __name__ == "__main__":
    sys.exit(main())
