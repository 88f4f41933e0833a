"""Sums and dates from sampled paths, against steps drawn one by one and against steps that all err alike.

``python -m benchmarks.forecast_paths --data DIR -o json``. DIR holds ``traces/``, ``traces_5min/`` and ``daily/``. The
forecasts are those of ``fit``; each sum is judged by pinball loss and coverage at 0.1, 0.5 and 0.9, the two rivals have
the very same quantiles at each step. Storage growth is made up (fixed seeds): nothing recorded here only grows.
"""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401  # isort: skip  # before numpy

import csv
import gzip
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import command
from benchmarks.forecast_traces import AHEAD, HISTORY, NoTracesError, load
from benchmarks.report import NotMeasuredError, Row
from domain.errors import ForetideError
from domain.forecasts import Dependence, Forecast
from forecaster import capacity, paths
from forecaster.fit import FitRequest, fit

FloatArray = NDArray[np.float64]

LEVELS: Final = (0.1, 0.5, 0.9)
QUANTILES: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)
INDEPENDENT: Final = Dependence(lasting=0.0, echo=0.0)
COMONOTONE: Final = Dependence(lasting=1.0, echo=0.0)
FAMILIES: Final = {"ec2": "nab_ec2_cpu_", "tweets": "nab_Twitter_volume_"}
KINDS: Final = ("linear", "cleanup", "sawtooth", "deletions", "bending")
GROUP_ORIGINS: Final = 24
WARM_UP: Final = 6
"""Origins before the first sum of a group is judged."""
GROWING: Final = 40
"""Series of each kind of growth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A forecast and what came."""

    name: str
    forecast: Forecast
    came: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of sums: mean pinball loss of each series over what came (ratio), and coverage of each level."""

    pinball: Mapping[str, float]
    coverage: FloatArray
    count: int


def fine(data: Path) -> list[Case]:
    """5-minute traces, nine days of history, a day ahead, twelve origins each."""
    return [
        case
        for trace in load(data)
        for origin in trace.origins()
        for case in _case(trace.name, trace.values, int(origin), HISTORY, AHEAD, timedelta(minutes=5), DAY)
    ]


def hourly(data: Path, ahead: int, count: int) -> list[Case]:
    """The application server by the hour, 120 days of history."""
    values = grid(data / "traces" / "appserver_hourly.csv.gz", 3600)
    origins = np.linspace(24 * 120, len(values) - ahead, count).astype(int)
    step = timedelta(hours=1)
    return [case for origin in origins for case in _case("appserver", values, origin, 24 * 120, ahead, step, DAY)]


def daily(data: Path) -> list[Case]:
    """Daily series, two years of history, 30 days ahead, 40 origins each."""
    cases = []
    for file in sorted((data / "daily").glob("*.csv")):
        values = grid(file, 86400)
        for origin in np.linspace(400, len(values) - 30, 40).astype(int):
            cases += _case(file.stem, values, origin, 730, 30, DAY, 7 * DAY)
    return cases


def growth(kind: str, length: int, seed: int, *, day: int, season: int) -> FloatArray:
    """Gigabytes on a disk; ``day`` steps a day, about one more each day.

    ``cleanup`` gives back half a week's growth each week, ``sawtooth`` rotates logs each season, ``deletions`` take
    1–8 days' growth about every tenth day, ``bending`` changes its rate by 3 % a day.
    """
    rng, t = np.random.default_rng(seed), np.arange(length)
    rate, base, week = rng.uniform(0.5, 1.5) / day, rng.uniform(20, 60), 7 * day
    added = rng.gamma(2, rate / 2, length)
    if kind == "linear":
        added *= 1 + 0.6 * np.sin(2 * np.pi * t / season)
    elif kind == "cleanup":
        added[week - 1 :: week] -= rate * week / 2
    elif kind == "sawtooth":
        return base + np.cumsum(0.3 * added) + rng.uniform(2, 5) * (t % season) / season + rng.normal(0, 0.05, length)
    elif kind == "deletions":
        gone = rng.random(length) < 0.1 / day
        added[gone] -= rate * day * rng.uniform(1, 8, int(gone.sum()))
        base += 20
    else:
        added *= np.exp(np.cumsum(rng.normal(0, 0.03, length // day + 1)))[t // day]
    line: FloatArray = base + np.cumsum(added)
    return line


def grown(kind: str, *, hours: int, days: int, ahead_days: int) -> list[Case]:
    """Forecasts of one kind of growth."""
    day = 24 // hours
    season, length, ahead = (24, days * day, ahead_days * day) if day > 1 else (7, days, ahead_days)
    step = timedelta(hours=hours)
    return [
        case
        for seed in range(GROWING)
        for case in _case(f"{kind}{seed}", growth(kind, length + ahead, seed, day=day, season=season), length, length,
                          ahead, step, season * step)
    ]  # fmt: skip


def score(cases: Sequence[Case], steps: int, dependence: Dependence | None = None) -> Score:
    """Sums of the first steps; ``dependence`` takes the place of the learned one."""
    losses, below = defaultdict(list), []
    for case in cases:
        came = case.came[:steps]
        if len(came) < steps or np.isnan(came).any():
            continue
        forecast = replace(case.forecast, dependence=dependence or case.forecast.dependence)
        made = np.quantile(paths.sample(forecast, steps=steps).sum(axis=1), LEVELS)
        short = float(came.sum()) - made
        losses[case.name].append(_pinball(short) / max(float(np.abs(came).sum()), 1e-9))
        below.append(short <= 0)
    return Score(
        pinball={name: float(np.mean(found)) for name, found in losses.items()}, coverage=np.mean(below, axis=0),
        count=len(below),
    )  # fmt: skip


def sum_rows(name: str, cases: Sequence[Case], steps: int) -> list[Row]:
    """Coverage of a sum, and its loss ÷ that of the two rivals'."""
    ours, alone, alike = (score(cases, steps, rival) for rival in (None, INDEPENDENT, COMONOTONE))
    print(
        f"{name}: {ours.count} sums, coverage of {LEVELS}: {ours.coverage.round(3)}; independent "
        f"{alone.coverage.round(3)}, comonotone {alike.coverage.round(3)}", file=sys.stderr,
    )  # fmt: skip
    rows = [
        Row(metric=f"sum_{name}_cov{round(100 * level)}", ours=float(ours.coverage[at]), unit="ratio", direction="in",
            must=(max(level - 0.1, 0.0), min(level + 0.1, 1.0)), goal=(level - 0.05, level + 0.05))
        for at, level in enumerate(LEVELS)
    ]  # fmt: skip
    for rival, theirs in (("independent", alone), ("comonotone", alike)):
        rows.append(
            Row(metric=f"sum_{name}_pinball_to_{rival}", ours=_relative(ours.pinball, theirs.pinball), unit="ratio",
                direction="<=", must=1.02, goal=1.0)
        )  # fmt: skip
    return rows


def families(data: Path) -> dict[str, list[Case]]:
    """Traces of one kind, all forecast at the same places counted from their beginnings: the shortest one's."""
    found: dict[str, list[Case]] = {}
    for family, prefix in FAMILIES.items():
        members = [trace for trace in load(data) if trace.name.startswith(prefix)]
        shortest = min(members, key=lambda trace: len(trace.values), default=None)
        if shortest is None:
            raise NotMeasuredError(f"group {family}: no trace {prefix}*")
        found[family] = [
            case
            for trace in members
            for origin in shortest.origins(GROUP_ORIGINS)
            for case in _case(trace.name, trace.values, int(origin), HISTORY, AHEAD, timedelta(minutes=5), DAY)
        ]
    return found


def group_rows(data: Path) -> list[Row]:
    """Sums of a day over series of one family; what they share is learned from the origins before."""
    rows = []
    for family, cases in families(data).items():
        by_time: dict[datetime, list[Case]] = defaultdict(list)
        for case in cases:
            if not np.isnan(case.came).any():
                by_time[case.forecast.cutoff].append(case)
        most = max((len(group) for group in by_time.values()), default=0)
        groups = [by_time[at] for at in sorted(by_time) if len(by_time[at]) == most > 1]
        if len(groups) <= WARM_UP:
            raise NotMeasuredError(f"group {family}: no common origins")
        found = _group_sums(groups)
        told = {rival: (*values[:-1].round(3), values[-1].round(4)) for rival, values in found.items()}
        print(f"group {family}: {most} series, {len(groups) - WARM_UP} sums; coverage, loss: {told}", file=sys.stderr)
        rows += [
            Row(metric=f"group_{family}_pinball_to_{rival}", ours=float(found["learned"][-1] / found[rival][-1]),
                unit="ratio", direction="<=", must=1.05, goal=1.0)
            for rival in ("independent", "comonotone")
        ]  # fmt: skip
    return rows


def _group_sums(groups: Sequence[Sequence[Case]]) -> dict[str, FloatArray]:
    """By rival: coverage of each level, and mean pinball loss ÷ what came."""
    seen = [[paths.scores(case.came[None], case.forecast.values[None], QUANTILES) for case in group]
            for group in groups]  # fmt: skip
    found = defaultdict(list)
    for at in range(WARM_UP, len(groups)):
        before = [np.concatenate(rows) for rows in zip(*seen[:at], strict=True)]
        came = sum(float(case.came.sum()) for case in groups[at])
        for rival, shared in (("learned", paths.shared_by(before)), ("independent", 0.0), ("comonotone", 1.0)):
            made = paths.sample_group([case.forecast for case in groups[at]], shared=shared)
            short = came - np.quantile(made.sum(axis=(0, 2)), LEVELS)
            found[rival].append((*(short <= 0), _pinball(short) / came))
    return {rival: np.mean(values, axis=0) for rival, values in found.items()}


def date_rows() -> list[Row]:
    """Coverage of the dates at which growing storage reaches a limit that lies on its way, and of having reached it."""
    rows = []
    for name, shape in (("30d", (24, 120, 30)), ("60d", (24, 120, 60)), ("7d_hourly", (1, 35, 7))):
        below, promised, held, levels = [], [], [], []
        for kind in KINDS:
            for case in grown(kind, hours=shape[0], days=shape[1], ahead_days=shape[2]):
                levels.append((case.came[:, None] <= case.forecast.values[:, [1, 3, 5]]).mean(axis=0))
                for before, certain, hit in _dates(case, days=shape[1], ahead_days=shape[2]):
                    below.append(before)
                    promised.append(certain)
                    held.append(hit)
        covered, level = np.nanmean(below, axis=0), np.mean(levels, axis=0)
        told = np.count_nonzero(~np.isnan(below), axis=0)
        print(f"dates {name}: {len(held)} limits, told {told}; coverage {covered.round(3)}; reached within the "
              f"horizon: promised {np.mean(promised):.3f}, came {np.mean(held):.3f}; levels {level.round(3)}",
              file=sys.stderr)  # fmt: skip
        rows += [
            Row(metric=f"date_{name}_cov{round(100 * at)}", ours=float(share), unit="ratio", direction="in",
                must=(max(at - 0.2, 0.0), min(at + 0.2, 1.0)), goal=(max(at - 0.1, 0.0), min(at + 0.1, 1.0)))
            for at, share in zip(LEVELS, covered, strict=True)
        ]  # fmt: skip
        rows.append(Row(metric=f"date_{name}_probability_error", ours=abs(float(np.mean(promised) - np.mean(held))),
                        unit="ratio", direction="<=", must=0.1, goal=0.05))  # fmt: skip
    return rows


def _dates(case: Case, *, days: int, ahead_days: int) -> Iterator[tuple[list[float], float, bool]]:
    """For limits set by what was known: whether the true date came by each quantile, the promise, and the truth.

    Where quantile and truth both lie beyond the horizon nobody can tell (NaN).
    """
    history = case.forecast
    last, first = _ends[case.name]
    expected = (last - first) / days * ahead_days
    for share in (0.25, 0.5, 0.75, 1.0, 1.5):
        limit = last + share * expected
        found = capacity.reached(history, {"limit": limit}, now=last)["limit"]
        if found.already:
            continue
        above = case.came >= limit
        hit = bool(above.any())
        date = history.cutoff + (int(np.argmax(above)) + 1) * history.step if hit else None
        told = [found.dates[level] for level in LEVELS]
        by_then = [at is None or (date is not None and date <= at) for at in told]
        unknown = [at is None and date is None for at in told]
        yield (
            [float("nan") if no else float(yes) for yes, no in zip(by_then, unknown, strict=True)],
            found.probability,
            hit,
        )


def cpu_row() -> Row:
    """A thousand paths of a month in hours."""
    forecast = Forecast(
        signal="shop/spend/hourly", model="fourier_ar", made_at=BEGIN, cutoff=BEGIN, step=timedelta(hours=1),
        season=DAY, mean=np.full(720, 10.0), quantiles=QUANTILES, reference=None, backtest=None, history_start=BEGIN,
        values=10 + np.tile(np.linspace(-2, 2, len(QUANTILES)), (720, 1)), dependence=Dependence(lasting=0.2, echo=0.9),
    )  # fmt: skip
    spent = []
    for _ in range(5):
        began = time.process_time()
        paths.sample(forecast)
        spent.append(time.process_time() - began)
    return Row(metric="paths_1000x720_cpu_ms", ours=1000 * min(spent), unit="ms", direction="<=", must=250, goal=120)


_ends: dict[str, tuple[float, float]] = {}
"""Last and first value of each history, by case."""


def _case(
    name: str, values: FloatArray, origin: int, history: int, ahead: int, step: timedelta, season: timedelta
) -> list[Case]:
    """One forecast; none where the last step is unknown or the history is refused."""
    known = values[max(origin - history, 0) : origin]
    if np.isnan(known[-1]):
        return []
    start = BEGIN + (origin - len(known)) * step
    try:
        made = fit(
            FitRequest(
                signal=name, values=known, start=start, step=step, season=season, horizon=ahead, quantiles=QUANTILES,
                made_at=BEGIN,
            )
        )  # fmt: skip
    except ForetideError as error:
        raise NotMeasuredError(f"{name} at {origin}: {error}") from error
    _ends[name] = float(known[-1]), float(known[np.flatnonzero(~np.isnan(known))[0]])
    return [Case(name=name, forecast=made, came=values[origin : origin + ahead])]


def _pinball(short: FloatArray) -> float:
    levels = np.array(LEVELS)
    return float(np.maximum(levels * short, (levels - 1) * short).mean())


def _relative(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    """Geometric mean over series."""
    return float(np.exp(np.mean([np.log(ours[name] / theirs[name]) for name in ours])))


def grid(file: Path, seconds: int) -> FloatArray:
    """A file on its grid, NaN where a row is missing."""
    if not file.is_file():
        raise NoTracesError(f"{file} is not there")
    opened = gzip.open(file, "rt") if file.suffix == ".gz" else file.open()
    with opened as lines:
        rows = list(csv.reader(lines))[1:]
    at = np.array([datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp() for row in rows])
    place = ((at - at[0]) // seconds).astype(int)
    values = np.full(place[-1] + 1, np.nan)
    values[place] = [float(row[1]) if row[1] else np.nan for row in rows]
    return values


def measured_rows(data: Path) -> list[Row]:
    """Everything."""
    traces = fine(data)
    rows = [*sum_rows("1h", traces, 12), *sum_rows("24h", traces, AHEAD)]
    by_day = daily(data)
    rows += [*sum_rows("7d_daily", by_day, 7), *sum_rows("30d_daily", by_day, 30)]
    rows += [*sum_rows("7d_hourly", hourly(data, 168, 40), 168), *sum_rows("30d_hourly", hourly(data, 720, 30), 720)]
    return [*rows, *group_rows(data), *date_rows(), cpu_row()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command.options("forecast_paths", __doc__)
    asked = parser.parse_args(arguments)
    data = command.data_folder(parser, asked, holds="traces/, traces_5min/ and daily/")
    return command.run("forecast_paths", lambda: measured_rows(data), output=asked.output)


if __name__ == "__main__":
    sys.exit(main())
