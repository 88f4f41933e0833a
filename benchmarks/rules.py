"""What alerting rules cost: 1,000 rules over 10,000 series, here and in a real Prometheus 3.14 in the same run.

``python -m benchmarks.rules [-o json]``, four minutes. Two Prometheus scrape one exporter every 5 s; one of them has
the rules, evaluated every 15 s. After 100 s, when a range of 5 m holds as many samples as at 15 s, the CPU of both
processes is taken over a minute: what the rules cost is the difference. (The time that Prometheus tells of its
evaluations is wall time, which a busy machine makes longer.) Ours is the CPU of the live loop per cycle, in a process
of its own over the same series at 15 s, writing of ``ALERTS`` included.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import psutil

from benchmarks import rules_world
from benchmarks.command import options, run
from benchmarks.processes import cpu_seconds
from benchmarks.report import NotMeasuredError, Row
from tests.cluster.build import NoClusterError, programs

_SCRAPED_EVERY: Final = "5s"
_FILL_SECONDS: Final = 100.0
_WATCH_SECONDS: Final = 60.0
_CYCLES: Final = 20


def measure() -> Sequence[Row]:
    """The rows."""
    with tempfile.TemporaryDirectory() as folder:
        theirs = _theirs(Path(folder))
        ours = _ours(Path(folder))
    row = Row(
        metric="rules_cpu_vs_prometheus", ours=ours, unit="s CPU per cycle", peer="prometheus 3.14.0",
        peer_value=theirs, ratio=ours / theirs, direction="<=", must=1.0, goal=0.5,
    )  # fmt: skip
    return [row]


def _ours(folder: Path) -> float:
    home = folder / "ours"
    home.mkdir()
    command = [sys.executable, "-m", "benchmarks.rules_child", str(home), str(_CYCLES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMeasuredError(f"the loop ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout)
    if found["failed"] or found["rules"] != 4 * rules_world.SERVICES or not found["active"]:
        raise NotMeasuredError(f"not every rule was evaluated, or none fired: {found}")
    return float(found["cpu_s"])


def _theirs(folder: Path) -> float:
    """CPU seconds of one evaluation of all rules: with rules less without."""
    with ExitStack() as opened:
        exporter = opened.enter_context(_exporter())
        both = [opened.enter_context(_prometheus(folder / name, exporter)) for name in ("with", "without")]
        pause = threading.Event()
        pause.wait(_FILL_SECONDS)
        began = [cpu_seconds(one) for one in both]
        since = time.monotonic()
        pause.wait(_WATCH_SECONDS)
        cycles = (time.monotonic() - since) / rules_world.INTERVAL.total_seconds()
        with_rules, without = (cpu_seconds(one) - before for one, before in zip(both, began, strict=True))
    if with_rules <= without:
        raise NotMeasuredError("Prometheus with rules did not use more CPU than without: the machine is too busy")
    return (with_rules - without) / cycles


@contextmanager
def _exporter() -> Iterator[int]:
    names = [str(labels).replace(", ", ",") for labels in rules_world.series()]

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  # the library's name
            body = rules_world.exposition(time.time() - 1_700_000_000, names).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a scrape is no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _prometheus(home: Path, exporter: int) -> Iterator[psutil.Process]:
    try:
        program = programs()["prometheus"]
    except NoClusterError as error:
        raise NotMeasuredError(str(error)) from error
    home.mkdir()
    (home / "rules.yaml").write_text(rules_world.rule_file() if home.name == "with" else "groups: []\n")
    (home / "prometheus.yml").write_text(
        f"global: {{scrape_interval: {_SCRAPED_EVERY}, scrape_timeout: {_SCRAPED_EVERY}}}\nrule_files: [rules.yaml]\n"
        f"scrape_configs: [{{job_name: x, honor_labels: true, static_configs: "
        f"[{{targets: ['127.0.0.1:{exporter}']}}]}}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def main() -> int:
    """Measure and print."""
    asked = options("rules", __doc__, recordings=False).parse_args()
    return run("rules", measure, output=asked.output)


if __name__ == "__main__":
    sys.exit(main())
