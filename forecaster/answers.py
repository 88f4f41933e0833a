"""How the answers for a file are written: CSV for programs, JSON with everything, a table for eyes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from forecaster import stamps
from forecaster.batch import Answer
from forecaster.panel import Refusal


def columns(levels: Sequence[float]) -> list[str]:
    """Names of the number columns: ``mean``, then ``q0.05`` and so on."""
    return ["mean", *(f"q{level:g}" for level in levels)]


def to_csv(answers: Iterable[Answer | Refusal], levels: Sequence[float], out: TextIO) -> None:
    """``unique_id,ds,mean,q0.05,…``: one row per series and step, in order; a refused series has none."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["unique_id", "ds", *columns(levels)])
    for answer in answers:
        if isinstance(answer, Answer):
            rows = zip(_stamps(answer), *_numbers(answer), strict=True)
            writer.writerows([answer.series.unique_id, *row] for row in rows)


def to_json(answers: Iterable[Answer | Refusal], levels: Sequence[float], out: TextIO) -> None:
    """Everything that is known of each forecast, and the refused series with file, line and reason."""
    known = list(answers)
    document = {
        "quantiles": list(levels),
        "series": [_described(answer, levels) for answer in known if isinstance(answer, Answer)],
        "refused": [
            {"unique_id": one.unique_id, "place": one.place, "reason": one.reason}
            for one in known if isinstance(one, Refusal)
        ],
    }  # fmt: skip
    json.dump(document, out, ensure_ascii=False, allow_nan=False)
    out.write("\n")


def to_table(answers: Iterable[Answer | Refusal], levels: Sequence[float], out: TextIO) -> None:
    """The CSV's rows in columns that line up."""
    rows = [["unique_id", "ds", *columns(levels)]]
    for answer in answers:
        if isinstance(answer, Answer):
            numbers = zip(_stamps(answer), *_numbers(answer, digits=6), strict=True)
            rows += [[answer.series.unique_id, *row] for row in numbers]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        left = [row[i].ljust(widths[i]) for i in (0, 1)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        out.write("  ".join([*left, *right]).rstrip() + "\n")


def _stamps(answer: Answer) -> list[str]:
    series = answer.series
    return stamps.written(series.end_seconds, series.step_seconds, len(answer.mean), series.style)


def _numbers(answer: Answer, *, digits: int = 10) -> list[list[str]]:
    paths = [answer.mean, *answer.values.T]
    return [[format(value, f".{digits}g") for value in path.tolist()] for path in paths]


def _described(answer: Answer, levels: Sequence[float]) -> dict[str, Any]:
    series = answer.series
    paths = [answer.mean, *answer.values.T]
    return {
        "unique_id": series.unique_id, "place": series.place, "engine": answer.engine, "model": answer.model,
        "step_seconds": None if series.style == "step" else series.step_seconds,
        "season_length": answer.season_length, "weights": dict(answer.weights), "backtest": dict(answer.backtest),
        "fallback_reason": answer.fallback_reason, "notes": list(answer.notes), "ds": _stamps(answer),
        **dict(zip(columns(levels), (path.tolist() for path in paths), strict=True)),
    }  # fmt: skip
