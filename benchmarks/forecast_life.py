"""What the life of a forecast costs, and what refitting seldom costs in accuracy.

``python -m benchmarks.forecast_life --data DIR``: CPU of a tick through the real loop with a thousand signals, the
size of what is kept of each, and the WQL of recorded workloads at 5 minutes refitted daily against at each step.
CPU time, one thread; some minutes.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is loaded, below: CPU time of one thread is what is told

import pickle
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from prometheus_client import CollectorRegistry

from benchmarks import command
from benchmarks.forecast_traces import FloatArray, load
from benchmarks.report import NotMeasuredError, Row
from domain.forecasts import Forecast
from forecaster.fit import FitRequest, fit_signal
from forecaster.run import ForecastLoop
from rules import RuleSet
from rules.schema import ScalingRule

STEP: Final = timedelta(minutes=5)
SEASON: Final = 288
HISTORY: Final = 9 * SEASON
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
SIGNALS: Final = 1_000
TICKS: Final = 12
LEVELS: Final = (0.5, 0.9, 0.95)
AHEAD: Final = {"10m": 2, "1h": 12, "2h": 24}
DAYS: Final = 2
EVERY: Final = 9
"""Steps between two forecasts that are compared; no divisor of an hour."""


class Recorded:
    """Answers range queries from arrays; the expression is the number of the array."""

    def __init__(self, arrays: Sequence[FloatArray]) -> None:
        self._arrays = arrays

    def __call__(self, expr: str, start: datetime, end: datetime, step: timedelta) -> tuple[FloatArray, bool]:
        """What the array holds there, NaN beyond its ends."""
        values = self._arrays[int(expr.split()[-1]) % len(self._arrays)]
        rows = (start - START) // STEP + np.arange((end - start) // step + 1) * (step // STEP)
        inside = (rows >= 0) & (rows < len(values))
        return np.where(inside, values[np.clip(rows, 0, len(values) - 1)], np.nan), False


class Inline(Executor):
    """Fits at once; tells how much CPU that took, so that it is not counted as the tick's."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it."""
        future: Future[Any] = Future()
        began = time.process_time()
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        self.cpu_seconds += time.process_time() - began
        return future


class Never(Executor):
    """Takes references and never makes one."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Forget it."""
        return Future()


def rules(count: int, horizon: timedelta) -> RuleSet:
    """As many rules with a forecast each."""
    return RuleSet(rules=tuple(_rule(number, horizon) for number in range(count)))


def _as_is(wanted: RuleSet) -> RuleSet:
    return wanted


def _rule(number: int, horizon: timedelta) -> ScalingRule:
    return ScalingRule.model_validate(
        {
            "apiVersion": "foretide.dev/v1alpha1",
            "kind": "ScalingRule",
            "metadata": {"name": f"service-{number}", "namespace": "bench"},
            "spec": {
                "target": {"name": f"service-{number}"},
                "replicas": {"min": 1, "max": 10},
                "triggers": [
                    {"name": "rps", "query": f"load * 0 + {number}", "perReplica": "20"},
                    {
                        "name": "soon",
                        "forecast": {"of": "rps", "season": "1d", "history": "9d", "horizon": f"{horizon.seconds}s"},
                    },
                ],
            },
        }
    )


def loop_rows(arrays: Sequence[FloatArray], count: int) -> list[Row]:
    """The real loop over ``count`` signals: the CPU of a tick by signal, and what they hold."""
    rows = []
    for name, steps in (("12", 12), ("24", 24)):
        pool, made, before = Inline(), 0, psutil.Process().memory_info().rss

        def save(forecast: Forecast) -> None:
            nonlocal made
            made += 1

        loop = ForecastLoop(
            range_values=Recorded(arrays), save=save, pool=pool, reference_pool=Never(),
            rules=partial(_as_is, rules(count, steps * STEP)), registry=CollectorRegistry(),
        )  # fmt: skip
        now = START + HISTORY * STEP
        for _ in range(-(-count // 500)):
            loop.tick(now)
        if made != count:
            raise NotMeasuredError(f"{made} of {count} signals were forecast")
        held = (psutil.Process().memory_info().rss - before) / count
        began, fits = time.process_time(), pool.cpu_seconds
        for tick in range(1, TICKS + 1):
            loop.tick(now + tick * STEP)
        cpu = time.process_time() - began - (pool.cpu_seconds - fits)
        rows.append(_row(f"tick_ms_{name}_steps", 1000 * cpu / (count * TICKS), "ms/signal", 1.0, 0.3))
        rows.append(_row(f"rss_kb_{name}_steps", held / 1000, "kB/signal", 200, 100))
    return rows


def state_rows(arrays: Sequence[FloatArray]) -> list[Row]:
    """What is kept of a fit, pickled."""
    sizes = [len(pickle.dumps(fit_signal(_request(values, HISTORY, HISTORY * STEP, 24)))) for values in arrays]
    return [_row("state_kb", float(np.mean(sizes)) / 1000, "kB/signal", 40, 25)]


def _request(values: FloatArray, known: int, made: timedelta, horizon: int) -> FitRequest:
    return FitRequest(
        signal="s", values=values[max(known - HISTORY, 0) : known], start=START + max(known - HISTORY, 0) * STEP,
        step=STEP, season=SEASON * STEP, horizon=horizon, quantiles=LEVELS, made_at=START + made,
    )  # fmt: skip


def accuracy_rows(arrays: Sequence[FloatArray]) -> list[Row]:
    """WQL when refitted daily ÷ when refitted at each step, over the last days of each workload."""
    daily, each = ({name: 0.0 for name in AHEAD} for _ in range(2))
    ratios: dict[str, list[float]] = {name: [] for name in AHEAD}
    for values in arrays:
        daily, each = _compared(values)
        for name in AHEAD:
            if each[name] > 0:
                ratios[name].append(daily[name] / each[name])
    return [
        _row(f"wql_daily_vs_each_step_{name}", float(np.exp(np.mean(np.log(found)))), "ratio", 1.05, 1.01)
        for name, found in ratios.items()
    ]


def _compared(values: FloatArray) -> tuple[dict[str, float], dict[str, float]]:
    """Sums of pinball losses: refitted daily, refitted for each forecast."""
    horizon, sums = max(AHEAD.values()), [dict.fromkeys(AHEAD, 0.0) for _ in range(2)]
    begin = len(values) - horizon - DAYS * SEASON
    for day in range(DAYS):
        first = begin + day * SEASON
        kept = fit_signal(_request(values, first, timedelta(), horizon))
        for known in range(first + EVERY, first + SEASON, EVERY):
            kept.update(values[known - EVERY : known], START + (known - EVERY) * STEP)
            anew = fit_signal(_request(values, known, timedelta(), horizon))
            for total, forecast in zip(sums, (kept.forecast(START), anew.forecast(START)), strict=True):
                for name, steps in AHEAD.items():
                    total[name] += _pinball(values[known : known + steps], forecast.values[:steps])
    return sums[0], sums[1]


def _pinball(truth: FloatArray, quantiles: FloatArray) -> float:
    apart, levels = truth[:, None] - quantiles, np.asarray(LEVELS)
    return float(np.nanmean(np.maximum(levels * apart, (levels - 1) * apart)))


def _row(metric: str, ours: float, unit: str, must: float, goal: float) -> Row:
    return Row(metric=metric, ours=ours, unit=unit, direction="<=", must=must, goal=goal)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command.options("forecast_life", __doc__)
    parser.add_argument("--signals", type=int, default=SIGNALS)
    asked = parser.parse_args(arguments)
    data = command.data_folder(parser, asked, holds="traces/ and traces_5min/")
    return command.run("forecast_life", lambda: measured_rows(data, asked.signals), output=asked.output)


def measured_rows(data: Path, signals: int) -> list[Row]:
    """The loop, what it keeps, and what seldom refitting costs."""
    arrays = [np.asarray(trace.values, dtype=np.float64) for trace in load(data)]
    longest = [values for values in arrays if len(values) >= HISTORY + TICKS]
    return loop_rows(longest, signals) + state_rows(longest) + accuracy_rows(arrays)


if __name__ == "__main__":
    sys.exit(main())
