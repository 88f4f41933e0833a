"""``foretide forecast``: a file of series in, their forecasts out; stderr says what was chosen and refused."""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401  # isort: skip  # before numpy

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

from domain.errors import ForetideError
from domain.units import parse_duration
from forecaster import answers as writing
from forecaster.batch import LONGEST_HORIZON, Answer, Ask, forecast_all
from forecaster.panel import PanelSeries, Refusal, read
from forecaster.workers import FitPool

QUANTILES: Final = "0.05,0.1,0.5,0.9,0.95,0.99"
WRITERS: Final = {"csv": writing.to_csv, "json": writing.to_json, "table": writing.to_table}
MOST_LINES: Final = 20
"""Of one kind on stderr; the JSON has them all."""


class UsageError(ForetideError):
    """An option that cannot be meant."""


def forecast_file(
    data: Path, *, horizon: int, quantiles: str, season: str | None, output: str, workers: int, out: TextIO
) -> int:
    """Forecast every series of a file.

    Returns:
        The exit code: 0 every series is forecast, 1 some are refused, 2 an option or the file cannot be used.
    """
    began = time.perf_counter()
    try:
        ask = Ask(
            horizon=horizon_of(horizon),
            levels=levels_of(quantiles),
            season=season_of(season),
            with_backtest=output == "json",
        )
        if output not in WRITERS:
            raise UsageError(f"-o {output}: expected one of {', '.join(WRITERS)}")
        found = read(data)
    except ForetideError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    with runner(workers, found) as run:
        made = forecast_all(found, ask, run=run)
    WRITERS[output](made, ask.levels, out)
    _tell(made, time.perf_counter() - began)
    return 1 if any(isinstance(one, Refusal) for one in made) else 0


def horizon_of(steps: int) -> int:
    """``--horizon``, checked."""
    if not 1 <= steps <= LONGEST_HORIZON:
        raise UsageError(f"--horizon {steps}: expected 1 to {LONGEST_HORIZON} steps")
    return steps


def levels_of(text: str) -> tuple[float, ...]:
    """``--quantiles``, rising."""
    try:
        levels = sorted({float(part) for part in text.split(",")})
    except ValueError as error:
        raise UsageError(f"--quantiles {text}: expected numbers between commas, as in {QUANTILES}") from error
    if not all(0 < level < 1 for level in levels):
        raise UsageError(f"--quantiles {text}: each must lie between 0 and 1")
    return tuple(levels)


def season_of(text: str | None) -> int | timedelta | None:
    """``--season``: steps or a duration."""
    if text is None:
        return None
    season = int(text) if text.isdigit() else None
    if season is None:
        try:
            return parse_duration(text)
        except ValueError as error:
            raise UsageError(f"--season {text}: expected steps (24) or a duration (1d)") from error
    if season < 2:
        raise UsageError(f"--season {text}: a season has at least 2 steps")
    return season


@contextmanager
def runner(workers: int, found: Sequence[PanelSeries | Refusal]) -> Iterator[Callable[..., Any]]:
    """Here for one worker or a handful of series, else in a pool of processes; with progress on a terminal."""
    if workers <= 1 or len(found) < 2:
        yield partial(_shown, map)
        return
    with FitPool(workers) as pool:
        yield partial(_shown, partial(_pooled, pool))


def _pooled(pool: Executor, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
    """In the pool's processes; what a lost worker leaves undone is done here."""
    done = 0
    try:
        for result in pool.map(work, tasks):
            done += 1
            yield result
    except BrokenExecutor:
        print(f"foretide: a worker process ended; {len(tasks) - done} chunks run in this one", file=sys.stderr)
        yield from map(work, tasks[done:])


def _shown(run: Callable[..., Any], work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
    """The same results, counted on a terminal."""
    watched = sys.stderr.isatty() and len(tasks) > 1
    for done, result in enumerate(run(work, tasks), start=1):
        if watched:
            end = "" if done < len(tasks) else "\r\x1b[K"
            print(f"\rforetide: {done} of {len(tasks)} chunks", end=end, file=sys.stderr, flush=True)
        yield result


def _tell(made: Sequence[Answer | Refusal], seconds: float) -> None:
    """What was chosen, in one line; then what was simpler than usual, mended and refused."""
    answers = [one for one in made if isinstance(one, Answer)]
    kinds = Counter((one.engine, one.season_length) for one in answers)
    chosen = ", ".join(f"{count} by {engine} (season {length} steps)" for (engine, length), count in kinds.items())
    refused = [str(one) for one in made if isinstance(one, Refusal)]
    line = f"foretide: {len(answers)} series forecast" + (f": {chosen}" if chosen else "")
    print(f"{line}; {len(refused)} refused; {seconds:.1f} s", file=sys.stderr)
    simpler = [f"{one.series.place}: series {one.series.unique_id}: {one.fallback_reason}"
               for one in answers if one.fallback_reason]  # fmt: skip
    mended = [f"{one.series.place}: series {one.series.unique_id}: {note}" for one in answers for note in one.notes]
    for title, lines in (("simpler forecast", simpler), ("note", mended), ("refused", refused)):
        tell(title, lines)


def tell(title: str, lines: Sequence[str]) -> None:
    """The first of them on stderr."""
    for text in lines[:MOST_LINES]:
        print(f"{title}: {text}", file=sys.stderr)
    if len(lines) > MOST_LINES:
        print(f"{title}: … and {len(lines) - MOST_LINES} more (-o json has them all)", file=sys.stderr)
