"""How good, how well calibrated and how cheap the forecasts are, beside seasonal naive and statsforecast.

``python -m benchmarks.forecast --data DIR -o json``. DIR holds ``traces/`` and ``traces_5min/``, or time series itself
(``timestamp,value``, any names). CPU time, one thread; a few minutes, nearly all of them statsforecast's.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is loaded, below: CPU time of one thread is what is told

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks import command, forecast_decisions, forecast_m4, forecast_peers
from benchmarks.forecast_traces import (
    AHEAD,
    HORIZONS,
    LEVELS,
    SEASON,
    Batch,
    FloatArray,
    batches,
    below,
    load,
    losses,
    relative,
)  # fmt: skip
from benchmarks.report import NotMeasuredError, Row
from forecaster import engine
from forecaster.history import prepare_batch

PEER_ROWS: Final = 32
"""Two origins of each trace; the ensemble takes 2 s for each."""
ENSEMBLE: Final = "statsforecast median of MSTL+ETS, Theta, CES, ARIMA"
REACTIVE: Final = "reactive at 80 %"
SKILL: Final[dict[str, tuple[float, float]]] = {"10m": (0.48, 0.45), "1h": (0.49, 0.455), "24h": (0.88, 0.83)}


class Made(NamedTuple):
    """Forecasts of all batches, and the CPU time of one series."""

    quantiles: list[FloatArray]
    cpu_seconds: float


def ours(of: Sequence[Batch], *, boost: bool = False) -> Made:
    """Fit and forecast each batch."""
    began, made = time.process_time(), []
    for batch in of:
        filled, measured = prepare_batch(batch.histories, SEASON)
        state = engine.fit(filled, measured, season_length=SEASON, horizon=AHEAD, levels=LEVELS, boost=boost)
        made.append(state.forecast())
    return Made(made, (time.process_time() - began) / sum(len(batch.histories) for batch in of))


def skill_rows(of: Sequence[Batch], made: Made, naive: Sequence[FloatArray]) -> list[Row]:
    """WQL against seasonal naive, and coverage."""
    rows = [
        _row(f"wql_{name}", skill, "ratio", *SKILL[name])
        for name, skill in skills(of, made.quantiles, naive).items()
    ]  # fmt: skip
    for name in HORIZONS:
        covered = float(np.nanmean([below(b, q)[name] for b, q in zip(of, made.quantiles, strict=True)]))
        rows.append(
            Row(
                metric=f"cov95_{name}", ours=covered, unit="ratio", direction="in", must=(0.93, 0.97), goal=(0.94, 0.96)
            )
        )
    return rows


def skills(of: Sequence[Batch], made: Sequence[FloatArray], naive: Sequence[FloatArray]) -> dict[str, float]:
    """By horizon: WQL relative to seasonal naive."""
    mine = [losses(batch, quantiles) for batch, quantiles in zip(of, made, strict=True)]
    theirs = [losses(batch, quantiles) for batch, quantiles in zip(of, naive, strict=True)]
    return {
        name: relative(np.array([loss[name] for loss in mine]), np.array([loss[name] for loss in theirs]))
        for name in HORIZONS
    }


def peer_rows(of: Sequence[Batch], made: Made, naive: Sequence[FloatArray], count: int) -> list[Row]:
    """The same rows as statsforecast forecast, by WQL and by CPU."""
    pairs = forecast_peers.chosen(len(of[0].histories), len(of), count)
    peers = list(forecast_peers.statsforecast_median(of, pairs))
    here = np.zeros((len(of), len(of[0].histories)), dtype=bool)
    theirs = [np.full_like(quantiles, np.nan) for quantiles in made.quantiles]
    for row in peers:
        here[row.batch, row.series] = True
        theirs[row.batch][row.series] = row.quantiles
    same = [np.where(here[k][:, None, None], quantiles, np.nan) for k, quantiles in enumerate(made.quantiles)]
    hidden = [
        Batch(histories=batch.histories, actuals=np.where(here[k][:, None], batch.actuals, np.nan))
        for k, batch in enumerate(of)
    ]
    mine, other = skills(hidden, same, naive), skills(hidden, theirs, naive)
    cpu = sum(row.cpu_seconds for row in peers) / len(peers)
    return [
        *(_against(f"wql_vs_statsforecast_{name}", mine[name], other[name], ENSEMBLE, "ratio", 0.85, 0.75)
          for name in HORIZONS),
        _against("cpu_vs_statsforecast", 1000 * made.cpu_seconds, 1000 * cpu, ENSEMBLE, "ms/series", 0.02, 0.01),
    ]  # fmt: skip


def scale_rows(data: Path) -> list[Row]:
    """Ten thousand series, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.forecast_scale", str(data)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotMeasuredError(f"ten thousand series: {done.stderr.strip().splitlines()[-1:]}")
    found = json.loads(done.stdout)
    return [
        _row("tick_ms", found["tick_ms"], "ms/series", 0.1, 0.06),
        _row("refit_10k_cpu_s", found["refit_10k_cpu_s"], "s", 90, 60),
        _row("refit_10k_rss_mb", found["refit_10k_rss_mb"], "MB", 800, 600),
        Row(metric="speedup_2_workers", ours=found["speedup_2_workers"], unit="ratio", direction=">=", must=1.6,
            goal=1.85),
    ]  # fmt: skip


def seasonal_rows(data: Path) -> list[Row]:
    """M4 and daily data, through ``foretide forecast``; none where DIR is a plain folder of traces."""
    if not any((data / folder).is_dir() for folder in ("m4", "daily", "traces", "traces_5min")):
        print(f"benchmarks.forecast: {data} holds traces only; M4 and daily data are not measured", file=sys.stderr)
        return []
    try:
        m4, daily = forecast_m4.m4_hourly(data), forecast_m4.daily(data)
    except forecast_m4.NoDataError as error:
        raise NotMeasuredError(str(error)) from error
    return [
        _row("m4_holdout_owa_vs_snaive", m4["m4_holdout_owa_vs_snaive"], "ratio", 0.67, 0.62),
        _row("m4_ms_per_series", m4["m4_ms_per_series"], "ms/series", 15, 10),
        _row("daily_wql", daily["daily_wql"], "ratio", 0.85, 0.78),
    ]


def measured_rows(data: Path, peer_count: int) -> list[Row]:
    """Every row that traces give."""
    traces = load(data)
    of = batches(traces)
    naive = [forecast_peers.seasonal_naive(batch.histories) for batch in of]
    made = ours(of)
    rows = skill_rows(of, made, naive)
    far = skills(of, ours(of, boost=True).quantiles, naive)["24h"]
    rows.append(_row("wql_24h_lightgbm", far, "ratio", 0.81, 0.77))
    rows += peer_rows(of, made, naive, peer_count)
    mine, reactive = forecast_decisions.outcomes(traces)
    rows += [
        _against("unmet_vs_reactive", mine.unmet, reactive.unmet, REACTIVE, "mean loads", 0.45, 0.36),
        _against("cost19_vs_reactive", mine.cost, reactive.cost, REACTIVE, "mean loads", 0.68, 0.60),
    ]
    return rows + scale_rows(data)


def _row(metric: str, ours: float, unit: str, must: float, goal: float) -> Row:
    return Row(metric=metric, ours=ours, unit=unit, direction="<=", must=must, goal=goal)


def _against(metric: str, ours: float, theirs: float, peer: str, unit: str, must: float, goal: float) -> Row:
    return Row(
        metric=metric, ours=ours, unit=unit, direction="<=", must=must, goal=goal, peer=peer, peer_value=theirs,
        ratio=ours / theirs,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command.options("forecast", __doc__)
    parser.add_argument("--peer-rows", type=int, default=PEER_ROWS, help="forecasts that statsforecast makes too")
    asked = parser.parse_args(arguments)
    data = command.data_folder(parser, asked, holds="traces/ and traces_5min/")
    return command.run(
        "forecast", lambda: measured_rows(data, asked.peer_rows) + seasonal_rows(data), output=asked.output,
        versions=["statsforecast", "lightgbm"],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
