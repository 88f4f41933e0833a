"""How fast Foretide starts and how little it needs while nobody looks: ``python -m benchmarks.startup [-o json]``.

Five rows: `make up` and `foretide up` until ``/readyz``, ``foretide --help``, and CPU and memory of an idle Foretide
with 10 targets and 5 rules in its minutes 2 to 5.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import psutil

from app.system_clock import SystemClock
from benchmarks import command, targets
from benchmarks.processes import MIB, watch
from benchmarks.program import FORETIDE, ROOT, Running, output_of, running
from benchmarks.report import NotMeasuredError, Row
from store.metrics import MetricsStore

TARGETS: Final = 10
RULES: Final = 5
HISTORY_DAYS: Final = 14
"""The forecasts need a past; the store keeps 15 days."""
STARTS: Final = 3
HELPS: Final = 5

_CONFIG: Final = """\
rules_dir: rules
global: {scrape_interval: 5s, scrape_timeout: 4s}
scrape_configs:
"""
_JOB: Final = """\
- job_name: {job}
  static_configs:
  - targets: [{targets}]
"""
_RULE: Final = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {{name: {job}, namespace: bench}}
spec:
  target: {{kind: Deployment, name: {job}}}
  replicas: {{min: 1, max: 20}}
  triggers:
  - {{name: rps, query: 'sum(rate(http_requests_total{{job="{job}"}}[2m]))', perReplica: 50}}
  - {{name: soon, forecast: {{of: rps, lead: 60s, history: 14d{step}}}}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    parser = command.options("startup", __doc__, recordings=False)
    parser.add_argument(
        "--warm-up", type=float, default=120.0, help="seconds from the start before CPU counts (default %(default)g)"
    )
    parser.add_argument(
        "--seconds", type=float, default=180.0, help="how long CPU counts (default %(default)g: minutes 2 to 5)"
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="foretide-bench-") as folder:
        return command.run(
            "startup", lambda: measure(Path(folder), warm_up=asked.warm_up, seconds=asked.seconds), output=asked.output
        )


def measure(folder: Path, *, warm_up: float, seconds: float) -> list[Row]:
    """All five rows; one after the other, so that none disturbs another."""
    make_up = statistics.median(_make_up_seconds(folder / f"make-{n}") for n in range(STARTS))
    up = statistics.median(_up_seconds(folder / f"up-{n}") for n in range(STARTS))
    said = statistics.median(_help_seconds() for _ in range(HELPS))
    cpu_percent, pss_bytes = _idle(folder / "idle", warm_up=warm_up, seconds=seconds)
    return [
        Row(metric="make_up_s", ours=round(make_up, 3), unit="s", direction="<=", must=30.0),
        Row(metric="up_ready_s", ours=round(up, 3), unit="s", direction="<=", must=5.0),
        Row(metric="idle_cpu_pct", ours=round(cpu_percent, 2), unit="% of one core", direction="<=", must=15.0),
        Row(metric="pss_mb", ours=round(pss_bytes / MIB, 1), unit="MiB", direction="<=", must=400.0),
        Row(metric="help_s", ours=round(said, 3), unit="s", direction="<=", must=0.3),
    ]


def _make_up_seconds(folder: Path) -> float:
    output_of(["make", "--no-print-directory", "setup"], cwd=ROOT)  # `make up` is measured with .venv there
    with running(["make", "--no-print-directory", "up"], folder, cwd=ROOT) as up:
        return up.ready_seconds


def _up_seconds(folder: Path) -> float:
    folder.mkdir(parents=True)
    with running([FORETIDE, "up"], folder, cwd=folder) as up:
        return up.ready_seconds


def _help_seconds() -> float:
    began = time.monotonic()
    output_of([FORETIDE, "--help"], cwd=ROOT)
    return time.monotonic() - began


def _idle(folder: Path, *, warm_up: float, seconds: float) -> tuple[float, int]:
    """CPU in percent of one core over ``seconds`` after ``warm_up``, and the highest memory over both."""
    with _served() as addresses:
        _write(folder, addresses)
        with running([FORETIDE, "up", "--config", "foretide.yaml"], folder, cwd=folder) as up:
            root = psutil.Process(up.process.pid)
            before = watch(root, seconds=warm_up - up.ready_seconds)
            _check_at_work(up)
            idle = watch(root, seconds=seconds)
            _check_at_work(up)
    return idle.cpu_percent, max(before.peak_pss_bytes, idle.peak_pss_bytes)


@contextmanager
def _served() -> Iterator[list[str]]:
    """Addresses of the targets, which are another process: their work is not ours."""
    command = [sys.executable, "-m", "benchmarks.targets"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as helper:
        assert helper.stdout is not None
        addresses = [helper.stdout.readline().strip() for _ in range(TARGETS)]
        if not all(addresses):
            raise NotMeasuredError("the targets could not be served")
        yield addresses  # leaving closes its stdin, and it ends


def _write(folder: Path, addresses: list[str]) -> None:
    """Configuration, rules, and a past for the forecasts."""
    (folder / "rules").mkdir(parents=True)
    config = _CONFIG
    for service in range(RULES):
        job, pair = targets.job_of(2 * service), addresses[2 * service : 2 * service + 2]
        config += _JOB.format(job=job, targets=", ".join(f'"{address}"' for address in pair))
        # Two finer than by default (5 minutes), so that each pair of minutes has something to fit.
        step = ", step: 2m" if service < 2 else ""
        (folder / "rules" / f"{job}.yaml").write_text(_RULE.format(job=job, step=step))
    (folder / "foretide.yaml").write_text(config)
    store = MetricsStore.open(folder / "data" / "metrics.db", retention=timedelta(days=15))
    try:
        store.load(targets.history(addresses, until=SystemClock().now(), days=HISTORY_DAYS))
    finally:
        store.close()


def _check_at_work(up: Running) -> None:
    """Refuse to call a Foretide idle that does nothing."""
    status, forecasts, decisions = up.api("status"), up.api("forecasts"), up.api("decisions?limit=50")
    deciding = {decision["rule"] for decision in decisions}
    trouble = [one["fallback_reason"] for one in forecasts if one["fallback_reason"]]
    if status["targets_up"] < TARGETS or len(forecasts) < RULES or len(deciding) < RULES or trouble:
        raise NotMeasuredError(
            f"{status['targets_up']} targets are up, {len(forecasts)} signals forecast {trouble or ''}, "
            f"{len(deciding)} rules decided; expected {TARGETS}, {RULES} and {RULES}"
        )


if __name__ == "__main__":
    sys.exit(main())
