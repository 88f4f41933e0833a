"""Results as Prometheus' HTTP API writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

from store.promql.numerals import in_json
from store.promql.results import Matrix, Notes, Result, Scalar, Text, Vector

_NO_NOTES = Notes()


def success(data: Any, notes: Notes = _NO_NOTES, *, status: int = 200) -> Response:
    """``{"status": "success", "data": …}``, with what should be known about it."""
    body: dict[str, Any] = {"status": "success", "data": data}
    if notes.warnings:
        body["warnings"] = notes.warnings
    if notes.infos:
        body["infos"] = notes.infos
    return _json(body, status)


def failure(kind: str, message: str, *, status: int) -> Response:
    """``{"status": "error", "errorType": …, "error": …}``."""
    return _json({"status": "error", "errorType": kind, "error": message}, status)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


def result_data(result: Result) -> dict[str, Any]:
    """``resultType`` and ``result``."""
    match result:
        case Vector():
            time = seconds(result.timestamp_ms)
            rows = [
                {"metric": dict(labels), "value": (time, in_json(value))}
                for labels, value in zip(result.labels, result.values.tolist(), strict=True)
            ]
            return {"resultType": "vector", "result": rows}
        case Matrix():
            return {"resultType": "matrix", "result": _rows(result)}
        case Scalar():
            return {"resultType": "scalar", "result": (seconds(result.timestamp_ms), in_json(result.value))}
        case Text():
            return {"resultType": "string", "result": (seconds(result.timestamp_ms), result.value)}


def _rows(matrix: Matrix) -> list[dict[str, Any]]:
    times = [seconds(time) for time in matrix.timestamps_ms.tolist()]
    rows = []
    for labels, values, present in zip(matrix.labels, matrix.values, matrix.present, strict=True):
        if present.all():
            points = list(zip(times, map(in_json, values.tolist()), strict=True))
        else:
            steps = np.flatnonzero(present).tolist()
            points = [(times[step], in_json(float(values[step]))) for step in steps]
        rows.append({"metric": dict(labels), "values": points})
    return rows


def seconds(timestamp_ms: int) -> int | float:
    """Unix seconds with at most three decimals, none where there are none."""
    return timestamp_ms / 1000 if timestamp_ms % 1000 else timestamp_ms // 1000
