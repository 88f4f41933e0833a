"""One walk over a plan: every node for all steps at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal, cast

import numpy as np

from domain.errors import QueryLimitError, QueryTimeoutError
from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray, IntArray
from store.promql import aggregate, binary, ranking
from store.promql.calls import Value, call, place_of
from store.promql.frame import Frame
from store.promql.grouping import grouped
from store.promql.notes import Notebook
from store.promql.operators import SET_OPERATORS
from store.promql.plan import (
    Aggregation,
    Binary,
    Call,
    Instant,
    Negation,
    Node,
    Number,
    RangeSelector,
    Selector,
    String,
    Subquery,
)
from store.promql.select import Source, of_subquery
from store.promql.windows import RangeVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A query under way.

    Attributes:
        source: Where samples come from.
        steps_ms: Evaluation times of this part of the query, rising, evenly spaced; a subquery has its own.
        start_ms: Start of the whole query (``@ start()``).
        end_ms: End that was asked for (``@ end()``); the last step may lie before it.
        deadline: ``perf_counter()`` at which the query has taken too long.
        notes: Collects warnings.
    """

    source: Source
    steps_ms: IntArray
    start_ms: int
    end_ms: int
    deadline: float
    notes: Notebook

    def value(self, node: Node) -> Value:
        """The value of a node.

        Raises:
            QueryExecutionError: The data do not allow an answer.
            QueryLimitError: Too many series or samples.
            QueryTimeoutError: The time is up.
        """
        if perf_counter() > self.deadline:
            raise QueryTimeoutError("query timed out in expression evaluation")
        match node:
            case Number():
                return np.full(len(self.steps_ms), node.value)
            case String():
                return node.value
            case Selector():
                return self.source.instant(node.matchers, self._times(node.at, node.offset_ms))
            case RangeSelector():
                ends_ms = self._times(node.selector.at, node.selector.offset_ms)
                return self.source.ranged(node.selector.matchers, ends_ms, self.steps_ms, node.range_ms)
            case Subquery():
                return self._subquery(node)
            case Negation():
                inner = self.value(node.expr)
                return inner.with_values(-inner.values) if isinstance(inner, Frame) else -cast(FloatArray, inner)
            case Call():
                return self._call(node)
            case Aggregation():
                return self._aggregation(node)
            case Binary():
                return self._binary(node)

    def _times(self, at: Instant | None, offset_ms: int) -> IntArray:
        """When to look for samples, for each step."""
        if at is None:
            return self.steps_ms - offset_ms
        fixed: int | Literal["start", "end"] = at.at
        if fixed == "start":
            fixed = self.start_ms
        elif fixed == "end":
            fixed = self.end_ms
        return np.full(len(self.steps_ms), fixed - offset_ms)

    def _subquery(self, node: Subquery) -> RangeVector:
        """Evaluate inside at multiples of the step that cover every window, then read the results as samples."""
        ends_ms = self._times(node.at, node.offset_ms)
        step_ms = node.step_ms or self.source.subquery_step_ms
        first = (int(ends_ms.min()) - node.range_ms) // step_ms + 1
        behind = int(ends_ms.max()) // step_ms + 1
        if behind - first > self.source.limits.max_samples:
            raise QueryLimitError(f"a subquery would be evaluated at {behind - first:,} steps")
        at_ms = np.arange(first, behind, dtype=np.int64) * step_ms
        if len(at_ms) == 0:
            frame = Frame.empty(0)
        else:
            frame = cast(Frame, replace(self, steps_ms=at_ms).value(node.expr))
        return of_subquery(frame, at_ms, ends_ms, self.steps_ms, node.range_ms)

    def _call(self, node: Call) -> Value:
        first = node.args[0] if node.args else None
        if node.name == "timestamp" and isinstance(first, Selector):
            frame = self.source.instant(first.matchers, self._times(first.at, first.offset_ms), as_times=True)
            return frame.with_values(frame.values)
        if node.name in ("absent", "absent_over_time"):
            return self._absent(node)
        return call(node, [self.value(arg) for arg in node.args], self.steps_ms, self.notes)

    def _absent(self, node: Call) -> Frame:
        """1 where there is nothing, with the labels that the selector asks for by equality."""
        argument = node.args[0]
        if node.name == "absent":
            frame = cast(Frame, self.value(argument))
        else:
            count = Call(name="count_over_time", args=(argument,), places=())
            frame = cast(Frame, self.value(count))
        missing = ~np.atleast_2d(np.any(frame.present, axis=0))
        selector = argument.selector if isinstance(argument, RangeSelector) else argument
        labels = _asked_labels(selector) if isinstance(selector, Selector) else Labels()
        return Frame.of([labels], np.ones(missing.shape), missing)

    def _aggregation(self, node: Aggregation) -> Frame:
        param = None if node.param is None else self.value(node.param)
        frame = cast(Frame, self.value(node.expr))
        if node.op == "limit_ratio":
            ratio = cast(FloatArray, param)
            self.notes.check_ratio(ratio, place_of(node.places, 1))
            return ranking.sampled(frame, np.clip(ratio, -1, 1))
        groups = grouped(frame, node.labels, without=node.without)
        match node.op:
            case "quantile":
                level = cast(FloatArray, param)
                self.notes.check_quantile(level, place_of(node.places, 1))
                return aggregate.quantile(groups, level)
            case "count_values":
                return aggregate.count_values(groups, cast(str, param))
            case "topk" | "bottomk":
                count = ranking.wanted(cast(FloatArray, param), len(frame.labels))
                return ranking.top(groups, count, largest=node.op == "topk")
            case "limitk":
                return ranking.limited(groups, ranking.wanted(cast(FloatArray, param), len(frame.labels)))
        return aggregate.aggregated(node.op, groups)

    def _binary(self, node: Binary) -> Frame | FloatArray:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, Frame) and isinstance(right, Frame):
            if node.op in SET_OPERATORS:
                return binary.set_operation(node, left, right)
            return binary.vectors(node, left, right)
        if isinstance(left, Frame):
            return binary.with_scalar(node, left, cast(FloatArray, right), vector_left=True)
        if isinstance(right, Frame):
            return binary.with_scalar(node, right, cast(FloatArray, left), vector_left=False)
        return binary.scalars(node.op, cast(FloatArray, left), cast(FloatArray, right))


def _asked_labels(selector: Selector) -> Labels:
    """What equality matchers say about the labels; a label with two matchers says nothing."""
    asked: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selector.matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            asked[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            asked.pop(matcher.name, None)
    return Labels.of(asked)
