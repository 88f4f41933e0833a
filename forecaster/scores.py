"""How the scores of a backtest are written: CSV for programs, JSON with everything, a table for eyes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from forecaster.accuracy import Accuracy
from forecaster.panel import Refusal
from forecaster.walk_forward import Scored, overall


def columns(levels: Sequence[float]) -> list[str]:
    """Names of the number columns."""
    covered = [f"coverage_q{level:g}" for level in levels]
    return ["wape", "mase", "pinball", "scaled_pinball", *covered, "skill_vs_naive", "skill_vs_seasonal_naive"]


def to_csv(made: Iterable[Scored | Refusal], levels: Sequence[float], out: TextIO) -> None:
    """One row per series and band, then the overall ones; a refused series has none, an unknown figure is empty."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["scope", "unique_id", "origins", "horizon", "steps", *columns(levels)])
    writer.writerows(_rows(made, levels, digits=10))


def to_table(made: Iterable[Scored | Refusal], levels: Sequence[float], out: TextIO) -> None:
    """The CSV's rows in columns that line up, with shorter names: ``q0.95`` is the share at or below that quantile."""
    header = [
        "series", "origins", "horizon", "steps", "WAPE", "MASE", "pinball", "scaled", *(f"q{x:g}" for x in levels),
        "vs naive", "vs seasonal",
    ]  # fmt: skip
    rows = [header]
    for scope, name, *cells in _rows(made, levels, digits=4):
        rows.append(["OVERALL" if scope == "overall" else name, *(cell or "-" for cell in cells)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        left, right = row[0].ljust(widths[0]), zip(row[1:], widths[1:], strict=True)
        out.write("  ".join([left, *(cell.rjust(width) for cell, width in right)]).rstrip() + "\n")


def to_json(made: Iterable[Scored | Refusal], levels: Sequence[float], out: TextIO) -> None:
    """Everything that is known, and the refused series with file, line and reason."""
    known = list(made)
    scored = [one for one in known if isinstance(one, Scored)]
    document = {
        "quantiles": list(levels),
        "overall": [_described(accuracy) for accuracy in overall(scored, levels)],
        "series": [
            {"unique_id": one.unique_id, "place": one.place, "origins": one.origins, "engines": one.engines,
             "season_length": one.season_length, "by_horizon": [_described(accuracy) for accuracy in one.by_band]}
            for one in scored
        ],
        "refused": [asdict(one) for one in known if isinstance(one, Refusal)],
    }  # fmt: skip
    json.dump(document, out, ensure_ascii=False, allow_nan=False)
    out.write("\n")


def _rows(made: Iterable[Scored | Refusal], levels: Sequence[float], *, digits: int) -> Iterator[list[str]]:
    scored = [one for one in made if isinstance(one, Scored)]
    for one in scored:
        for accuracy in one.by_band:
            yield ["series", one.unique_id, str(one.origins), *_cells(accuracy, levels, digits)]
    for accuracy in overall(scored, levels):
        yield ["overall", "", str(sum(one.origins for one in scored)), *_cells(accuracy, levels, digits)]


def _cells(accuracy: Accuracy, levels: Sequence[float], digits: int) -> list[str]:
    numbers = [
        accuracy.wape, accuracy.mase, accuracy.pinball, accuracy.scaled_pinball,
        *(accuracy.coverage.get(level) for level in levels),
        accuracy.skill_vs_naive, accuracy.skill_vs_seasonal_naive,
    ]  # fmt: skip
    told = ["" if number is None else format(number, f".{digits}g") for number in numbers]
    return [accuracy.band.name, str(accuracy.band.steps), *told]


def _described(accuracy: Accuracy) -> dict[str, Any]:
    numbers = asdict(accuracy)
    band, coverage = numbers.pop("band"), numbers.pop("coverage")
    shares = {f"q{level:g}": share for level, share in coverage.items()}
    return {"horizon": band["name"], "steps": band["steps"], **numbers, "coverage": shares}
