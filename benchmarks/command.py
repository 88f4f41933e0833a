"""How every benchmark is called and how it ends: options, recorded workloads, its rows or why none."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.report import NotMeasuredError, Row, environment, print_report
from domain.errors import FitFailedError


def options(benchmark: str, about: str | None, *, recordings: bool = True) -> argparse.ArgumentParser:
    """The options that all have; ``--data`` is taken by those, too, that read no ``recordings``."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark}", description=about)
    made.add_argument("-o", "--output", choices=("json", "table"), default="table")
    told = "folder of recorded workloads" if recordings else "as in every benchmark; no row of this one reads traces"
    made.add_argument("--data", default=os.environ.get("FORETIDE_BENCH_DATA"), help=told)
    return made


def data_folder(parser: argparse.ArgumentParser, asked: argparse.Namespace, *, holds: str = "traces/") -> Path:
    """What ``--data`` names; ends the program with a sentence where that is no folder."""
    if asked.data is None or not Path(asked.data).is_dir():
        parser.error(f"--data: {asked.data} is not a folder; give the one with {holds}")
    return Path(asked.data)


def run(benchmark: str, measure: Callable[[], Sequence[Row]], *, output: str, versions: Sequence[str] = ()) -> int:
    """Measure and print.

    Args:
        benchmark: Its name.
        measure: Makes the rows.
        output: ``json`` or ``table``.
        versions: Distributions without which it is not measured; they are told beside the others.

    Returns:
        The exit code: 0, or 1 where something could not be measured.
    """
    try:
        where = environment()
        where["versions"] |= {name: metadata.version(name) for name in versions}
        rows = measure()
    except ImportError as error:
        print(f"benchmarks.{benchmark}: {error.name} is missing; `make setup-all` installs it", file=sys.stderr)
        return 1
    except (NotMeasuredError, FitFailedError) as error:
        print(f"benchmarks.{benchmark}: {error}", file=sys.stderr)
        return 1
    print_report(benchmark, where, rows, form=output)
    return 0
