"""``sum``, ``avg``, ``quantile`` and their like: many series to one for each group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from domain.errors import QueryExecutionError
from domain.series import FloatArray
from store.promql.frame import Frame, concatenated
from store.promql.grouping import Groups
from store.promql.numerals import plain
from store.promql.over_time import at_level
from store.promql.sums import group_means, group_sums


def _counts(groups: Groups) -> FloatArray:
    counts: FloatArray = np.add.reduceat(groups.frame.present.astype(np.float64), groups.starts, axis=0)
    return counts


def _sum(groups: Groups) -> FloatArray:
    return group_sums(groups.frame.values, groups.frame.present, groups.starts)


def _avg(groups: Groups) -> FloatArray:
    return group_means(groups.frame.values, groups.frame.present, groups.starts, _counts(groups))


def _min(groups: Groups) -> FloatArray:
    smallest: FloatArray = np.fmin.reduceat(groups.frame.values, groups.starts, axis=0)
    return smallest


def _max(groups: Groups) -> FloatArray:
    largest: FloatArray = np.fmax.reduceat(groups.frame.values, groups.starts, axis=0)
    return largest


def _group(groups: Groups) -> FloatArray:
    return np.ones((len(groups.starts), groups.frame.steps))


def _variance(groups: Groups) -> FloatArray:
    """Population variance, as deviations from the group's first value: equal values give exactly 0."""
    frame, sizes = groups.frame, np.diff(np.append(groups.starts, len(groups.frame.labels)))
    counts = np.maximum(_counts(groups), 1)
    deviation = frame.values - np.repeat(_first_values(groups), sizes, axis=0)
    mean = np.add.reduceat(np.where(frame.present, deviation, 0.0), groups.starts, axis=0) / counts
    deviation = np.where(frame.present, deviation - np.repeat(mean, sizes, axis=0), 0.0)
    variance: FloatArray = np.add.reduceat(deviation * deviation, groups.starts, axis=0) / counts
    return variance


def _first_values(groups: Groups) -> FloatArray:
    """The value of each group's first present row at every step; NaN where there is none."""
    first = np.full((len(groups.starts), groups.frame.steps), np.nan)
    for group, rows in enumerate(groups.members()):
        row = np.argmax(groups.frame.present[rows], axis=0)
        first[group] = groups.frame.values[rows][row, np.arange(groups.frame.steps)]
    return first


_AGGREGATIONS: Final[Mapping[str, Callable[[Groups], FloatArray]]] = {
    "sum": _sum,
    "avg": _avg,
    "min": _min,
    "max": _max,
    "count": _counts,
    "group": _group,
    "stdvar": _variance,
    "stddev": lambda groups: np.sqrt(_variance(groups)),
}


def aggregated(op: str, groups: Groups) -> Frame:
    """An aggregation without parameter."""
    if not groups.labels:
        return Frame.empty(groups.frame.steps)
    present = np.logical_or.reduceat(groups.frame.present, groups.starts, axis=0)
    return Frame.of(groups.labels, _AGGREGATIONS[op](groups), present, groups.nameless).merged()


def quantile(groups: Groups, level: FloatArray) -> Frame:
    """The quantile ``level`` (shape ``(steps,)``) within each group; NaN counts as the smallest value."""
    if not groups.labels:
        return Frame.empty(groups.frame.steps)
    frame, columns = groups.frame, np.arange(groups.frame.steps)
    values = np.full((len(groups.labels), frame.steps), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    for group, rows in enumerate(groups.members()):
        own, there = frame.values[rows], frame.present[rows]
        order = np.lexsort((own, ~np.isnan(own), ~there), axis=0)
        ranked = np.take_along_axis(own, order, axis=0)
        counts = there.sum(axis=0)
        values[group] = at_level(level, np.maximum(counts, 1), lambda at, ranked=ranked: ranked[at, columns])  # type: ignore[misc]
        present[group] = counts > 0
    return Frame.of(groups.labels, values, present, groups.nameless)


def count_values(groups: Groups, label: str) -> Frame:
    """How many series of each group have each value; the value becomes a label."""
    try:
        valid = bool(label.encode("utf-8"))
    except UnicodeEncodeError:
        valid = False
    if not valid:
        raise QueryExecutionError(f'invalid label name "{label}"')
    steps, parts = groups.frame.steps, []
    if not groups.labels:
        return Frame.empty(steps)
    for own, nameless, rows in zip(groups.labels, groups.nameless, groups.members(), strict=True):
        values, there = groups.frame.values[rows], groups.frame.present[rows]
        for value in np.unique(values[there]):
            hits = there & ((values == value) | (np.isnan(values) & np.isnan(value)))
            counts = hits.sum(axis=0, dtype=np.float64)[None, :]
            labels = [own.with_(**{label: plain(float(value))})]
            parts.append(Frame.of(labels, counts, counts > 0, bool(nameless)))
    return concatenated(parts, steps)
