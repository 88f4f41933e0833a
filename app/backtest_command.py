"""``foretide backtest --forecast``: how well a file of series would have been forecast, from earlier origins."""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401  # isort: skip  # before numpy

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from app.forecast_command import UsageError, horizon_of, levels_of, runner, season_of, tell
from domain.errors import ForetideError
from forecaster import scores as writing
from forecaster.batch import Ask
from forecaster.panel import Refusal, read
from forecaster.walk_forward import Scored, walk_forward

WRITERS: Final = {"csv": writing.to_csv, "json": writing.to_json, "table": writing.to_table}
MOST_ORIGINS: Final = 500


def backtest_file(
    data: Path,
    *,
    horizon: int,
    quantiles: str,
    season: str | None,
    origins: int,
    output: str,
    workers: int,
    out: TextIO,
) -> int:
    """Forecast every series of a file from earlier origins and tell how well.

    Returns:
        The exit code: 0, also where series are refused; 2 an option or the file cannot be used.
    """
    began = time.perf_counter()
    try:
        ask = Ask(horizon=horizon_of(horizon), levels=levels_of(quantiles), season=season_of(season))
        if not 1 <= origins <= MOST_ORIGINS:
            raise UsageError(f"--origins {origins}: expected 1 to {MOST_ORIGINS}")
        if output not in WRITERS:
            raise UsageError(f"-o {output}: expected one of {', '.join(WRITERS)}")
        found = read(data)
    except ForetideError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    with runner(workers, found) as run:
        made = walk_forward(found, ask, origins=origins, run=run)
    WRITERS[output](made, ask.levels, out)
    _summarise(made, time.perf_counter() - began)
    return 0


def _summarise(made: Sequence[Scored | Refusal], seconds: float) -> None:
    """How many forecasts by which engine, in one line; then what was refused."""
    scored = [one for one in made if isinstance(one, Scored)]
    kinds: Counter[str] = sum((Counter(one.engines) for one in scored), Counter())
    chosen = ", ".join(f"{count} by {engine}" for engine, count in kinds.items())
    refused = [str(one) for one in made if isinstance(one, Refusal)]
    line = f"foretide: {len(scored)} series backtested" + (f", forecasts: {chosen}" if chosen else "")
    print(f"{line}; {len(refused)} refused; {seconds:.1f} s", file=sys.stderr)
    tell("refused", refused)
