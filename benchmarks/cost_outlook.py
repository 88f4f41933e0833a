"""Whether what a period comes to lies in the 80 % band that it was given: joint paths of groups against hours drawn one
by one (the total's own forecast, steps independent).

Made groups with idle on nodes that follow them; M4's hourly series, six to a cluster; the application server by the
hour as one group. The same models, levels and paths as ``app.cost_outlook``.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.cost_outlook import LEVELS
from benchmarks.forecast_paths import grid
from benchmarks.forecast_traces import NoTracesError
from benchmarks.report import NotMeasuredError, Row
from domain.forecasts import Dependence, Forecast
from forecaster import paths
from forecaster.fit import FitRequest, fit
from forecaster.together import Task, draw

FloatArray = NDArray[np.float64]
HOUR: Final = timedelta(hours=1)
WEEK: Final = 168
MONTH: Final = 720
HISTORY: Final = 4 * WEEK
MADE: Final = 30
ORIGINS: Final = 40
SIX: Final = 6
SEED: Final = 20_261_122
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_INDEPENDENT: Final = Dependence(lasting=0.0, echo=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Groups by the hour, shape ``(groups, hours)``, of which the last ``ahead`` are to be forecast."""

    name: str
    hours: FloatArray
    ahead: int


def rows(data: Path) -> list[Row]:
    """Coverage of the 80 % band of sums; the rival's beside it has no limit."""
    held: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for case in (*made(), *m4(data), *application_server(data)):
        for steps, ours, theirs in judged(case):
            held[f"{case.name}_{'week' if steps == WEEK else 'month'}"].append((ours, theirs))
    found = []
    for name, pairs in held.items():
        ours, theirs = np.mean(pairs, axis=0)
        print(f"{name}: {len(pairs)} sums", file=sys.stderr)
        found.append(Row(metric=f"outlook_{name}_cov80", ours=float(ours), unit="ratio", direction="in",
                         must=(0.7, 0.9), goal=(0.75, 0.85)))  # fmt: skip
        found.append(Row(metric=f"outlook_{name}_independent", ours=float(theirs), unit="ratio", direction="in"))
    return found


def judged(case: Case) -> Iterator[tuple[int, bool, bool]]:
    """Of each sum whether it lay in our band and in the rival's."""
    known, came = case.hours[:, : -case.ahead], case.hours[:, -case.ahead :].sum(axis=0)
    forecasts = tuple(_fitted(f"{case.name}/{at}", one, case.ahead) for at, one in enumerate(known))
    total = _fitted(case.name, known.sum(axis=0), case.ahead) if len(known) > 1 else forecasts[0]
    drawn = draw(Task(
        forecasts=forecasts, total=total if len(known) > 1 else None, histories=known, weights=np.ones(case.ahead)
    ))  # fmt: skip
    alone = np.cumsum(paths.sample(replace(total, dependence=_INDEPENDENT)), axis=1)
    for steps in sorted({WEEK, case.ahead}):
        truth = float(came[:steps].sum())
        yield steps, _inside(drawn.course[:, steps - 1], truth), _inside(alone[:, steps - 1], truth)


def made() -> Iterator[Case]:
    """Four workloads whose levels wander together and apart, and idle of nodes that follow them a day behind."""
    hours = HISTORY + MONTH
    t = np.arange(hours)
    day = np.sin(2 * np.pi * (t % 24 - 9) / 24) * np.where(t // 24 % 7 < 5, 0.4, 0.15)
    for number in range(MADE):
        random = np.random.default_rng(SEED + number)
        common = _wandering(random, hours, 0.04)
        used = np.stack([
            random.uniform(1, 8) * (1 + random.uniform(0.5, 1.5) * day)
            * np.exp(common + _wandering(random, hours, 0.04) + 0.05 * random.standard_normal(hours))
            for _ in range(4)
        ])  # fmt: skip
        daily = used.sum(axis=0).reshape(-1, 24).max(axis=1)
        nodes = np.repeat(np.ceil(1.2 * np.concatenate([daily[:1], daily[:-1]]) / 2) * 2, 24)
        yield Case(
            name="made", ahead=MONTH, hours=np.concatenate([used, np.maximum(nodes - used.sum(axis=0), 0)[None]])
        )


def m4(data: Path) -> Iterator[Case]:
    """Three weeks and the next one, of series of one mean, six neighbours to a cluster."""
    try:
        with gzip.open(data / "m4" / "m4_hourly_train.csv.gz", "rt") as file:
            series = [np.array([float(cell) for cell in row[1:] if cell]) for row in list(csv.reader(file))[1:]]
    except OSError as error:
        raise NotMeasuredError(f"M4's hourly series: {error}") from error
    for first in range(0, len(series) - SIX + 1, SIX):
        chosen = [one[-4 * WEEK :] / one.mean() for one in series[first : first + SIX]]
        yield Case(name="m4", hours=np.stack(chosen), ahead=WEEK)


def application_server(data: Path) -> Iterator[Case]:
    """Four weeks and the next month, one group; stretches with a gap are left out."""
    try:
        values = grid(data / "traces" / "appserver_hourly.csv.gz", 3600)
    except (OSError, NoTracesError) as error:
        raise NotMeasuredError(f"the application server's hours: {error}") from error
    for origin in np.linspace(HISTORY, len(values) - MONTH, ORIGINS).astype(int):
        hours = values[origin - HISTORY : origin + MONTH]
        if not np.isnan(hours).any():
            yield Case(name="appserver", hours=hours[None], ahead=MONTH)


def _fitted(name: str, values: FloatArray, ahead: int) -> Forecast:
    return fit(FitRequest(
        signal=name, values=values, start=_BEGIN, step=HOUR, season=24 * HOUR, horizon=ahead, quantiles=LEVELS,
        made_at=_BEGIN,
    ))  # fmt: skip


def _wandering(random: np.random.Generator, hours: int, daily: float) -> FloatArray:
    line: FloatArray = np.cumsum(random.standard_normal(hours)) * daily / np.sqrt(24)
    return line


def _inside(totals: FloatArray, truth: float) -> bool:
    low, high = np.quantile(totals, [0.1, 0.9])
    return bool(low <= truth <= high)
