"""The door of the query engine: text in, result out, with Prometheus 3's semantics.

A query is parsed once (``parse``), walked once (``evaluation``), and every node is computed for all series and steps
together in numpy.
"""

from __future__ import annotations

from datetime import timedelta
from time import perf_counter

import numpy as np

from domain.errors import QuerySyntaxError
from domain.labels import Labels
from domain.series import IntArray
from store.promql.calls import Value
from store.promql.evaluation import Evaluation
from store.promql.frame import Frame
from store.promql.notes import Notebook
from store.promql.parse import parse
from store.promql.results import Matrix, Notes, QueryLimits, Result, Scalar, Text, Vector
from store.promql.select import Select, Source
from store.promql.windows import RangeVector


class Evaluator:
    """Answers PromQL from a ``select`` of series; safe to use from several threads."""

    def __init__(
        self,
        select: Select,
        *,
        limits: QueryLimits | None = None,
        lookback: timedelta = timedelta(minutes=5),
        subquery_step: timedelta = timedelta(minutes=1),
    ) -> None:
        """Read through ``select(matchers, start_ms, end_ms)``, both ends inclusive, stale markers included."""
        self._limits = limits or QueryLimits()
        self._source = Source(
            select=select,
            limits=self._limits,
            lookback_ms=round(lookback / timedelta(milliseconds=1)),
            subquery_step_ms=round(subquery_step / timedelta(milliseconds=1)),
        )

    @property
    def limits(self) -> QueryLimits:
        """What a query may touch."""
        return self._limits

    def instant(self, query: str, *, at_ms: int) -> Result:
        """The value of ``query`` at one time.

        Raises:
            QuerySyntaxError: The text is no PromQL.
            UnsupportedQueryError: It holds a construct that Foretide does not evaluate; the message names it.
            QueryLimitError: It touches too many series or samples.
            QueryTimeoutError: It took too long.
            QueryExecutionError: The data do not allow an answer (duplicate label sets, many-to-many matching).
        """
        value, notes = self._evaluated(query, np.array([at_ms], dtype=np.int64), at_ms)
        match value:
            case str():
                return Text(timestamp_ms=at_ms, value=value, notes=notes)
            case Frame():
                frame = value.finished()
                return Vector(labels=frame.labels, timestamp_ms=at_ms, values=frame.values[:, 0], notes=notes)
            case RangeVector():
                return _samples(value, self._limits, notes)
        return Scalar(timestamp_ms=at_ms, value=float(value[0]), notes=notes)

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """The values of ``query`` at ``start_ms``, ``start_ms + step_ms``, … up to ``end_ms``; rows in label order.

        Raises:
            QueryLimitError: More than 11,000 steps, or too many series or samples.
            QueryError: As for ``instant``; a string or range vector is no answer to a range query.
        """
        if step_ms <= 0:
            raise QuerySyntaxError("zero or negative query resolution step widths are not accepted")
        if end_ms < start_ms:
            raise QuerySyntaxError("end timestamp must not be before start time")
        self._limits.check_steps(start_ms, end_ms, step_ms)
        steps_ms = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
        value, notes = self._evaluated(query, steps_ms, end_ms)
        if isinstance(value, str | RangeVector):
            kind = "string" if isinstance(value, str) else "range vector"
            raise QuerySyntaxError(
                f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            )
        if isinstance(value, Frame):
            return _by_labels(value.finished(), steps_ms, notes)
        present = np.ones((1, len(steps_ms)), dtype=np.bool_)
        return Matrix(labels=[Labels()], timestamps_ms=steps_ms, values=value[None, :], present=present, notes=notes)

    def _evaluated(self, query: str, steps_ms: IntArray, end_ms: int) -> tuple[Value, Notes]:
        plan, notes = parse(query), Notebook()
        evaluation = Evaluation(
            source=self._source,
            steps_ms=steps_ms,
            start_ms=int(steps_ms[0]),
            end_ms=end_ms,
            deadline=perf_counter() + self._limits.timeout.total_seconds(),
            notes=notes,
        )
        with np.errstate(all="ignore"):  # 0/0 is NaN in PromQL, and absent values are computed along
            return evaluation.value(plan), notes.notes()


def _by_labels(frame: Frame, steps_ms: IntArray, notes: Notes) -> Matrix:
    order = sorted(range(len(frame.labels)), key=frame.labels.__getitem__)
    chosen = frame.rows(np.array(order, dtype=np.int64))
    return Matrix(
        labels=chosen.labels, timestamps_ms=steps_ms, values=chosen.values, present=chosen.present, notes=notes
    )


def _samples(vector: RangeVector, limits: QueryLimits, notes: Notes) -> Matrix:
    """The raw samples of a range selector's only window, on the union of their times."""
    end_ms = int(vector.ends_ms[0])
    inside = [
        slice(
            int(np.searchsorted(track.timestamps_ms, end_ms - vector.range_ms, side="right")),
            int(np.searchsorted(track.timestamps_ms, end_ms, side="right")),
        )
        for track in vector.tracks
    ]
    rows = [row for row, window in enumerate(inside) if window.start < window.stop]
    times = [vector.tracks[row].timestamps_ms[inside[row]] for row in rows]
    union = np.unique(np.concatenate(times)) if times else np.empty(0, dtype=np.int64)
    limits.check_size(len(rows), len(rows) * len(union))
    values = np.full((len(rows), len(union)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    for into, (row, own) in enumerate(zip(rows, times, strict=True)):
        columns = np.searchsorted(union, own)
        values[into, columns] = vector.tracks[row].values[inside[row]]
        present[into, columns] = True
    frame = Frame(
        labels=[vector.labels[row] for row in rows],
        nameless=vector.nameless[np.array(rows, dtype=np.int64)],
        values=values,
        present=present,
    ).finished()
    return Matrix(labels=frame.labels, timestamps_ms=union, values=frame.values, present=frame.present, notes=notes)
