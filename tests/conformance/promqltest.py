"""Runs Prometheus' promqltest files: ``python -m tests.conformance.promqltest FILE…``.

One line for each failing case and, last, ``N passed, M failed, K skipped``. A case is an ``eval`` line, and once more
the re-run of an instant ``eval`` as a range query, whose middle step must agree. Skipped are, each by itself, cases
that need native histograms and queries that promql-parser refuses.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np

from domain.errors import QueryError, QuerySyntaxError, UnsupportedQueryError
from domain.labels import METRIC_NAME, Labels
from domain.series import Series
from store.metrics.matchers import Matcher
from store.promql import Evaluator, Matrix, QueryLimits, Result, Scalar, Text, Vector
from store.promql.notation import Point
from store.promql.parse import parse
from tests.conformance.testfile import Clear, Eval, Expectation, Load, commands
from tests.fakes.series import SeriesInMemory

_EPSILON = 1e-6
_MINUTE_MS = 60_000
_EVERYTHING = (-(2**60), 2**60)
_LIMITS = QueryLimits(max_samples=50_000_000, timeout=timedelta(seconds=100))
"""promqltest's own bounds."""


class _Mismatch(Exception):
    """What was expected is not what came."""


class _Skip(Exception):
    """The case needs what is out of scope."""


@dataclass(kw_only=True)
class _State:
    store: SeriesInMemory = field(default_factory=SeriesInMemory)
    histograms: SeriesInMemory = field(default_factory=SeriesInMemory)


def run(path: Path) -> Iterator[tuple[str, str]]:
    """Verdict (``passed``, ``failed``, ``skipped``) and message of every case of a file."""
    state = _State()
    for command in commands(path.read_text(encoding="utf-8")):
        match command:
            case Clear():
                state = _State()
            case Load():
                _load(state, command)
            case Eval():
                yield from _evaluated(path.name, state, command)


def _load(state: _State, command: Load) -> None:
    for labels, points in command.series:
        floats = [(i, p) for i, p in enumerate(points) if isinstance(p, float)]
        if floats:
            state.store.add(_series(labels, floats, command.step_ms))
        histograms = [(i, 0.0) for i, p in enumerate(points) if p == "histogram"]
        if histograms:
            state.histograms.add(_series(labels, histograms, command.step_ms))
        name = labels.metric_name
        if command.with_nhcb and floats and name.endswith(("_bucket", "_count", "_sum")):
            base = labels.with_(**{METRIC_NAME: name.rpartition("_")[0], "le": ""})
            state.histograms.add(_series(base, floats, command.step_ms))


def _series(labels: Labels, points: list[tuple[int, float]], step_ms: int) -> Series:
    times = np.array([i * step_ms for i, _ in points], dtype=np.int64)
    return Series(labels=labels, timestamps_ms=times, values=np.array([value for _, value in points]))


def _evaluated(file: str, state: _State, case: Eval) -> Iterator[tuple[str, str]]:
    touched: list[bool] = []

    def select(matchers: list[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        touched.append(bool(state.histograms.select(matchers, *_EVERYTHING)))
        return state.store.select(matchers, start_ms, end_ms)

    evaluator = Evaluator(select, limits=_LIMITS)  # type: ignore[arg-type]
    modes = ("", "as range: ") if _reruns(case) else ("",)
    for mode in modes:
        verdict, message = "passed", ""
        try:
            (_check_rerun if mode else _check)(evaluator, case)
        except _Skip as reason:
            verdict, message = "skipped", str(reason)
        except _Mismatch as mismatch:
            verdict, message = "failed", str(mismatch)
        except QueryError as error:
            verdict, message = "failed", f"{type(error).__name__}: {error}"
        except Exception as error:  # a crash is a failing case, not the end of the run
            verdict, message = "failed", f"crashed with {type(error).__name__}: {error}"
        if any(touched) or case.needs_histograms or "native histograms" in message:
            verdict, message = "skipped", "native histograms"
        yield verdict, f"{file}:{case.line}: {mode}{case.query}: {message}"


def _reruns(case: Eval) -> bool:
    return case.step_ms is None and not case.expects("fail") and case.text is None and case.range_vector is None


def _parsed(case: Eval) -> None:
    """A query that does not parse is skipped, unless it is expected to fail."""
    try:
        parse(case.query)
    except UnsupportedQueryError:
        pass
    except QuerySyntaxError as error:
        if not case.expects("fail"):
            raise _Skip(f"promql-parser refuses it: {error}") from error


def _check(evaluator: Evaluator, case: Eval) -> None:
    _parsed(case)
    try:
        result = _result(evaluator, case)
    except UnsupportedQueryError:
        raise
    except QueryError as error:
        if not case.expects("fail"):
            raise
        _check_messages("fail", [str(error)], case)
        return
    if case.expects("fail"):
        raise _Mismatch("should fail, but does not")
    _check_notes(result, case)
    _compare(result, case)


def _result(evaluator: Evaluator, case: Eval) -> Result:
    if case.step_ms is None:
        return evaluator.instant(case.query, at_ms=case.start_ms)
    return evaluator.range(case.query, start_ms=case.start_ms, end_ms=case.end_ms, step_ms=case.step_ms)


def _check_rerun(evaluator: Evaluator, case: Eval) -> None:
    """The middle of three steps, one minute apart."""
    _parsed(case)
    matrix = evaluator.range(
        case.query, start_ms=case.start_ms - _MINUTE_MS, end_ms=case.start_ms + _MINUTE_MS, step_ms=_MINUTE_MS
    )
    if case.scalar is not None:
        _compare(Scalar(timestamp_ms=case.start_ms, value=float(matrix.values[0, 1])), case)
        return
    rows = np.flatnonzero(matrix.present[:, 1])
    labels = [matrix.labels[row] for row in rows]
    _compare_vector(Vector(labels=labels, timestamp_ms=case.start_ms, values=matrix.values[rows, 1]), case, False)


def _check_notes(result: Result, case: Eval) -> None:
    for kind, found in (("warn", result.notes.warnings), ("info", result.notes.infos)):
        if case.expects(f"no_{kind}") and found:
            raise _Mismatch(f"unexpected {kind}: {found}")
        if case.expects(kind):
            if not found:
                raise _Mismatch(f"expected {kind}")
            _check_messages(kind, list(found), case)


def _check_messages(kind: str, found: list[str], case: Eval) -> None:
    wanted = [e for e in case.expectations if e.kind == kind and e.match]
    for expectation in wanted:
        if not any(_says(message, expectation) for message in found):
            raise _Mismatch(f"expected {kind} {expectation.text!r}, got {found}")
    if wanted and kind != "fail":
        for message in found:
            if not any(_says(message, expectation) for expectation in wanted):
                raise _Mismatch(f"unexpected {kind} {message!r}")


def _says(message: str, expectation: Expectation) -> bool:
    if expectation.match == "regex":
        return re.search(expectation.text, message) is not None
    return message == expectation.text


def _compare(result: Result, case: Eval) -> None:
    match result:
        case Scalar():
            if case.scalar is None or not _close(result.value, case.scalar):
                raise _Mismatch(
                    f"got scalar {result.value}, expected {case.scalar if case.scalar is not None else case.series}"
                )
        case Text():
            if result.value != case.text:
                raise _Mismatch(f"got string {result.value!r}, expected {case.text!r}")
        case Vector():
            if case.scalar is not None or case.text is not None or case.range_vector is not None:
                raise _Mismatch("got an instant vector")
            _compare_vector(result, case, case.expects("ordered"))
        case Matrix():
            _compare_matrix(result, case)


def _compare_vector(result: Vector, case: Eval, ordered: bool) -> None:
    wanted = {labels: points[0] for labels, points in case.series if points[0] is not None}
    got = dict(zip(result.labels, result.values.tolist(), strict=True))
    if len(got) != len(result.labels):
        raise _Mismatch("the result has duplicate labels")
    _compare_keys(set(got), set(wanted))
    for labels, value in got.items():
        if not _close(value, wanted[labels]):
            raise _Mismatch(f"{labels} is {value!r}, expected {wanted[labels]!r}")
    if ordered and list(got) != list(wanted):
        raise _Mismatch(f"wrong order: {[str(labels) for labels in got]}")


def _compare_matrix(result: Matrix, case: Eval) -> None:
    start_ms, _, step_ms = case.range_vector or (case.start_ms, case.end_ms, case.step_ms or 1)
    wanted = {
        labels: {start_ms + i * step_ms: point for i, point in enumerate(points) if point is not None}
        for labels, points in case.series
    }
    wanted = {labels: points for labels, points in wanted.items() if points}
    if case.scalar is not None:
        wanted[Labels()] = {int(time): case.scalar for time in result.timestamps_ms}
    times = result.timestamps_ms.tolist()
    got = {
        labels: {times[i]: float(values[i]) for i in np.flatnonzero(there)}
        for labels, values, there in zip(result.labels, result.values, result.present, strict=True)
    }
    _compare_keys(set(got), set(wanted))
    for labels, points in got.items():
        if set(points) != set(wanted[labels]) or not all(_close(points[t], wanted[labels][t]) for t in points):
            raise _Mismatch(f"{labels} is {list(points.values())}, expected {list(wanted[labels].values())}")


def _compare_keys(got: set[Labels], wanted: set[Labels]) -> None:
    if got != wanted:
        more, missing = sorted(map(str, got - wanted)), sorted(map(str, wanted - got))
        raise _Mismatch(f"unexpected series {more}, missing series {missing}")


def _close(got: float, wanted: Point) -> bool:
    """promqltest's relative epsilon; NaN equals NaN."""
    if not isinstance(wanted, float):
        return False
    if math.isnan(got) or math.isnan(wanted):
        return math.isnan(got) and math.isnan(wanted)
    if got == wanted:
        return True
    size, difference = abs(got) + abs(wanted), abs(got - wanted)
    if got == 0 or wanted == 0 or size < sys.float_info.min:
        return difference < _EPSILON * sys.float_info.min
    return difference / min(size, sys.float_info.max) < _EPSILON


def main(paths: list[str]) -> int:
    """Run the files; 1 where a case fails, 2 without files."""
    if not paths:
        print("usage: python -m tests.conformance.promqltest FILE…", file=sys.stderr)
        return 2
    verdicts: Counter[str] = Counter()
    for path in paths:
        for verdict, message in run(Path(path)):
            verdicts[verdict] += 1
            if verdict == "failed":
                print(message)
    print(f"{verdicts['passed']} passed, {verdicts['failed']} failed, {verdicts['skipped']} skipped")
    return 1 if verdicts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
