"""How long ``foretide assess`` takes for a fleet: 1,000 recorded HPAs, 30 days by the minute, two cores.

The fleet is made from the traces in ``--data``: each shifted, scaled to 4 to 60 replicas and noised by a fixed
seed, with an HPA of its own replayed on it; what a Prometheus would have scraped of that every minute is encoded
and compressed before the clock starts, 1,000 x 43,200 samples x 4 series. The clock then covers the real command,
from HTTP answers to the last verdict, without the pauses that spare a server (``--max-load 100``): this server only
sends what lies ready. A real Prometheus would have to be filled with 173 million samples first, for hours; what
assess costs it is a test of its own.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is loaded, below

import gzip
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import numpy as np
from numpy.typing import NDArray

from app.assess_command import Asked, run
from app.fleet_source import Access
from benchmarks import command
from benchmarks.elasticity_traces import workloads
from benchmarks.report import NotMeasuredError, Row
from benchmarks.serving import QuietHandler, served
from controller.simulate import loop, peers, plans, protocol, replay
from controller.simulate.service import Service

HPAS: Final = 1_000
DAYS: Final = 30
IN_A_NAMESPACE: Final = 50
SEED: Final = 20_260_417
REQUEST_CORES: Final = 0.5
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES: Final = DAYS * 1440
TARGETS: Final = (40, 50, 60, 70, 80)
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One HPA: its target and, by minute, its replicas, those ready, and the cores that they used."""

    target: int
    low: int
    replicas: FloatArray
    ready: FloatArray
    cores: FloatArray


def rows(data: Path, *, hpas: int = HPAS, cores: int = 2) -> list[Row]:
    """Prepare and measure.

    Raises:
        NoTracesError: The folder holds no trace.
        NotMeasuredError: Not every HPA was judged.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        targets = _prepare(folder, data, hpas, cores)
        replay.engine()
        with _server(folder, targets) as url:
            seconds, report = _measured(url, cores)
    if len(report["autoscalers"]) != hpas or report["not_read"]:
        raise NotMeasuredError(f"{len(report['autoscalers'])} of {hpas} HPAs were judged: {report['not_read'][:1]}")
    judged = sum(one["fidelity"] is not None for one in report["autoscalers"])
    if judged < 0.9 * hpas:
        raise NotMeasuredError(f"only {judged} of {hpas} HPAs could be replayed; the figure would flatter")
    whole = [one for one in report["autoscalers"] if one["settings_second_half_mean_replicas"] is not None]
    must, goal = (1800.0, 600.0) if hpas == HPAS else (None, None)
    return [
        Row(metric=f"assess_{hpas}_s", ours=seconds, unit="s", direction="<=", must=must, goal=goal),
        Row(metric="assess_searched_pct", ours=100 * len(whole) / hpas, unit="%", direction=">="),
    ]


def _measured(url: str, cores: int) -> tuple[float, dict[str, Any]]:
    out, said = io.StringIO(), io.StringIO()
    asked = Asked(
        access=Access(url=url), start=START.isoformat(), end=datetime.fromtimestamp(_end(), tz=UTC).isoformat(),
        output="json", max_load=100.0, cache=False, workers=cores,
    )  # fmt: skip
    began = time.monotonic()
    with redirect_stderr(said):
        code = run(asked, out)
    seconds = time.monotonic() - began
    if code:
        raise NotMeasuredError(f"assess ended with {code}: {said.getvalue()[-500:]}")
    return seconds, json.loads(out.getvalue())


def _end() -> int:
    return int(START.timestamp()) + 60 * MINUTES


def _prepare(folder: Path, data: Path, hpas: int, cores: int) -> list[tuple[int, int]]:
    """Every namespace's answers in files; target and lower bound of each HPA."""
    loads = [one.load_rps for one in workloads(data, service=Service.queue())]
    parts = [range(first, min(first + IN_A_NAMESPACE, hpas)) for first in range(0, hpas, IN_A_NAMESPACE)]
    with ProcessPoolExecutor(cores) as pool:
        done = pool.map(_namespace, [folder] * len(parts), parts, [loads] * len(parts))
        return [pair for part in done for pair in part]


def _namespace(folder: Path, numbers: range, loads: Sequence[FloatArray]) -> list[tuple[int, int]]:
    made = [_one(number, loads[number % len(loads)]) for number in numbers]
    namespace = f"team-{numbers.start // IN_A_NAMESPACE}"
    for day in range(DAYS):
        cut = slice(1440 * day, 1440 * (day + 1))
        times = [int(START.timestamp()) + 60 * minute for minute in range(cut.start, cut.stop)]
        for kind, label, fields in (
            ("current", "horizontalpodautoscaler", [one.replicas for one in made]),
            ("ready", "deployment", [one.ready for one in made]),
            ("cpu", "workload", [one.cores for one in made]),
        ):
            result = [
                {"metric": {label: f"app-{number}"},
                 "values": [[at, f"{value:.5g}"] for at, value in zip(times, values[cut].tolist(), strict=True)]}
                for number, values in zip(numbers, fields, strict=True)
            ]  # fmt: skip
            _store(folder / f"{namespace}-{kind}-{times[0]}.gz", result)
    # Hours: as many pods as there are replicas.
    hours = [int(START.timestamp()) + 3600 * hour for hour in range(DAYS * 24)]
    for day in range(DAYS):
        cut = slice(24 * day, 24 * (day + 1))
        result = [
            {"metric": {"workload": f"app-{number}"},
             "values": [[at, f"{value:g}"] for at, value in
                        zip(hours[cut], one.replicas[::60][cut].tolist(), strict=True)]}
            for number, one in zip(numbers, made, strict=True)
        ]  # fmt: skip
        _store(folder / f"{namespace}-seen-{hours[cut][0]}.gz", result)
    return [(one.target, one.low) for one in made]


def _store(file: Path, result: list[dict[str, Any]]) -> None:
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    file.write_bytes(gzip.compress(json.dumps(body, separators=(",", ":")).encode(), compresslevel=1))


def _one(number: int, whole: FloatArray) -> Made:
    """A workload of its own: another time, another size, another noise, another target."""
    dice = np.random.default_rng([SEED, number])
    ticks = DAYS * protocol.DAY_TICKS
    load = np.roll(np.tile(whole, -(-ticks // len(whole))), int(dice.integers(len(whole))))[:ticks]
    peak = float(np.percentile(load, 99.9))
    safe = 0.85 * REQUEST_CORES
    cores = load * (float(np.exp(dice.uniform(np.log(4), np.log(60)))) * safe / peak)
    dispersion = 0.02 * REQUEST_CORES * dice.uniform(0.2, 2.0)
    cores = dice.gamma(np.maximum(cores, 1e-9) / dispersion, dispersion)
    able = 2 * REQUEST_CORES
    target, low = int(dice.choice(TARGETS)), int(dice.integers(1, 4))
    world = protocol.world(
        cores, service=Service(capacity_rps=able, largest_utilization_ratio=0.85), startup_seconds=(60.0, 180.0)
    )
    hpa = peers.reactive(
        metric=loop.CPU, target=target / 100 * REQUEST_CORES / able, window_seconds=30, min_replicas=low,
        max_replicas=100,
    )  # fmt: skip
    record = replay.replay(world, hpa, plans.no_plan())
    used = np.diff(record.utilization_before) * record.ready * able
    return Made(
        target=target, low=low, replicas=record.desired[3::4].astype(np.float64),
        ready=record.ready[3::4].astype(np.float64), cores=used.reshape(-1, 4).mean(axis=1),
    )  # fmt: skip


@contextmanager
def _server(folder: Path, targets: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Instant queries from a table, ranges from the files, in a thread of its own."""
    flat = _instants(targets)

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            query = form["query"]
            body = flat(query) if self.path.endswith("/query") else _file(folder, query, form["start"]).read_bytes()
            self.answer(body, content_encoding="gzip")

    with served(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def _file(folder: Path, query: str, start: str) -> Path:
    kind = "cpu" if "rate(" in query else "seen" if "count_over_time" in query else "ready"
    if "status_current" in query or "status_desired" in query:
        kind = "current"
    namespace = query.partition('namespace="')[2].partition('"')[0]
    return folder / f"{namespace}-{kind}-{round(float(start))}.gz"


def _instants(targets: Sequence[tuple[int, int]]) -> Any:
    """What kube-state-metrics would say at the end."""

    def answer(query: str) -> bytes:
        result: list[dict[str, Any]] = []
        for number, (target, low) in enumerate(targets):
            namespace, name = f"team-{number // IN_A_NAMESPACE}", f"app-{number}"
            own = {"namespace": namespace, "horizontalpodautoscaler": name}
            if "autoscaler_info" in query:
                own |= {"scaletargetref_kind": "Deployment", "scaletargetref_name": name}
                result.append(_value(own, 1))
            elif "min_replicas" in query or "max_replicas" in query:
                result.append(_value(own, low if "min_replicas" in query else 100))
            elif "spec_target_metric" in query:
                result.append(_value({**own, "metric_name": "cpu", "metric_target_type": "utilization"}, target))
            elif "resource_requests" in query and f'"{namespace}"' in query:
                pod = {"namespace": namespace, "pod": f"{name}-5d9c7f6b8-x2v4k", "resource": "cpu"}
                result.append(_value(pod, REQUEST_CORES))
        if "quantile(" in query:
            result = [_value({}, 15.0)]
        elif "kube_node_info" in query:
            result = [_value({"kubelet_version": "v1.34.1"}, 1)]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return gzip.compress(json.dumps(body).encode(), compresslevel=1)

    return answer


def _value(labels: dict[str, str], value: float) -> dict[str, Any]:
    return {"metric": labels, "value": [_end(), f"{value:g}"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command.options("elasticity_assess", __doc__)
    parser.add_argument("--hpas", type=int, default=HPAS, help="how many (default %(default)s)")
    asked = parser.parse_args(arguments)
    data = command.data_folder(parser, asked)
    return command.run("elasticity_assess", lambda: rows(data, hpas=asked.hpas), output=asked.output)


if __name__ == "__main__":
    sys.exit(main())
