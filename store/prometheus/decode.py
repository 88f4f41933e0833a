"""Answers of the Prometheus HTTP API as results; everything else that comes is an error of ours, in its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from domain.errors import (
    QueryError,
    QueryExecutionError,
    QueryLimitError,
    QuerySourceError,
    QuerySyntaxError,
    QueryTimeoutError,
    UnsupportedQueryError,
)
from domain.labels import Labels
from domain.series import FloatArray
from store.promql.results import Matrix, Notes, Result, Scalar, Text, Vector

_LIMITS = ("too many samples", "exceeded maximum resolution", "max-query", "limit", "too many points", "maxqueryle")


def payload(body: bytes, *, source: str) -> dict[str, Any]:
    """The answer's object; ``QuerySourceError`` where it is none of this API's."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise QuerySourceError(f"source {source}: the answer is no JSON ({error.msg} at {error.pos})") from error
    if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
        raise QuerySourceError(f"source {source}: the answer is not of the Prometheus HTTP API")
    return answer


def refusal(answer: dict[str, Any], *, source: str) -> QueryError:
    """The error that the server tells, in our tree and its words."""
    kind, said = answer.get("errorType"), str(answer.get("error", "no reason given"))
    message = f"source {source}: {said}"
    if kind == "timeout":
        return QueryTimeoutError(message)
    if kind in ("bad_data", "execution", "422", "400"):
        if any(word in said.lower() for word in _LIMITS):
            return QueryLimitError(message)
        return QueryExecutionError(message) if kind in ("execution", "422") else QuerySyntaxError(message)
    return QuerySourceError(message)


def instant(answer: dict[str, Any], *, at_ms: int, source: str) -> Result:
    """The value of an instant query."""
    data = _data(answer, source)
    kind, result, notes = data["resultType"], data["result"], notes_of(answer)
    try:
        match kind:
            case "vector":
                labels = [_labels(row["metric"]) for row in result]
                values = np.array([float(_value(row)[1]) for row in result], dtype=np.float64)
                return Vector(labels=labels, timestamp_ms=at_ms, values=values, notes=notes)
            case "scalar":
                return Scalar(timestamp_ms=at_ms, value=float(result[1]), notes=notes)
            case "string":
                return Text(timestamp_ms=at_ms, value=str(result[1]), notes=notes)
            case "matrix":
                times = sorted({round(point[0] * 1000) for row in result for point in row.get("values", ())})
                return _matrix(result, np.array(times, dtype=np.int64), notes)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise QuerySourceError(f"source {source}: an answer of type {kind} cannot be read") from error
    raise QuerySourceError(f"source {source}: an answer of type {kind} is not known")


def range_(answer: dict[str, Any], *, start_ms: int, end_ms: int, step_ms: int, source: str) -> Matrix:
    """The values of a range query on its grid, rows in label order."""
    data = _data(answer, source)
    if data["resultType"] != "matrix":
        raise QuerySourceError(f"source {source}: a range query is answered with a {data['resultType']}")
    try:
        return _matrix(data["result"], np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64), notes_of(answer))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise QuerySourceError(f"source {source}: the answer to a range query cannot be read") from error


def notes_of(answer: dict[str, Any]) -> Notes:
    """Warnings and infos; Thanos' partial answers are told there."""
    return Notes(warnings=_texts(answer.get("warnings")), infos=_texts(answer.get("infos")))


def _texts(found: Any) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _data(answer: dict[str, Any], source: str) -> dict[str, Any]:
    data = answer.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("result"), list) or "resultType" not in data:
        raise QuerySourceError(f"source {source}: the answer holds no result")
    return data


def _labels(metric: dict[str, str]) -> Labels:
    return Labels.of(metric)


def _value(row: dict[str, Any]) -> Sequence[Any]:
    if "histogram" in row or "histograms" in row:
        raise UnsupportedQueryError("Foretide does not evaluate native histograms yet; take histogram_quantile of it")
    value: Sequence[Any] = row["value"]
    return value


def _matrix(result: list[dict[str, Any]], times_ms: Any, notes: Notes) -> Matrix:
    rows = sorted(((_labels(row["metric"]), row) for row in result), key=lambda pair: pair[0])
    values = np.full((len(rows), len(times_ms)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    for at, (_, row) in enumerate(rows):
        if "histograms" in row and "values" not in row:
            _value(row)
        times, own = _points(row["values"])
        columns = np.clip(np.searchsorted(times_ms, times), 0, max(len(times_ms) - 1, 0))
        on_grid = times_ms[columns] == times if len(times_ms) else np.zeros(len(times), dtype=np.bool_)
        values[at, columns[on_grid]] = own[on_grid]
        present[at, columns[on_grid]] = True
    return Matrix(
        labels=[labels for labels, _ in rows], timestamps_ms=times_ms, values=values, present=present, notes=notes
    )


def _points(points: list[Any]) -> tuple[Any, FloatArray]:
    times = np.array([point[0] for point in points], dtype=np.float64)
    return np.rint(times * 1000).astype(np.int64), np.array([float(point[1]) for point in points], dtype=np.float64)
