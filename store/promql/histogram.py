"""Quantiles and fractions of classic histograms (``_bucket`` series with ``le``).

Source: Prometheus, ``histogram_quantile``: linear within a bucket, the lowest one starting at 0 where its bound is
positive; buckets that fall with rising ``le`` are lifted, with a note where that was more than rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.labels import Labels
from domain.series import FloatArray, IntArray
from store.promql.frame import Frame, concatenated
from store.promql.results import BoolArray

_LE: Final = "le"
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Cumulative counts of one histogram at the steps where the same buckets exist.

    ``bounds`` rise and end with +Inf (shape ``(buckets,)``); ``counts`` have shape ``(buckets, steps)`` and never fall.
    """

    bounds: FloatArray
    counts: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was wrong with the input: rows without a usable ``le``, names of histograms that had to be lifted."""

    bad_bounds: list[Labels]
    lifted: list[str]


def of_each_histogram(
    frame: Frame,
    function: Callable[[Buckets, IntArray], FloatArray],
    *,
    otherwise: FloatArray,
    label: tuple[str, str] | None = None,
) -> tuple[Frame, Findings]:
    """Apply ``function(buckets, steps)`` to every histogram.

    Args:
        frame: Bucket series.
        function: Gets the buckets and the indices of the steps that they stand for.
        otherwise: What to answer at each step where the buckets make no histogram, shape ``(steps,)``.
        label: Name and value of a label that is added to the result's.
    """
    findings = Findings(bad_bounds=[], lifted=[])
    histograms: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(frame.labels):
        bound = _bound(labels.value_of(_LE))
        if bound is None:
            findings.bad_bounds.append(labels)
        else:
            histograms.setdefault(labels.without((_LE,)), []).append((bound, row))
    parts = []
    for labels, members in histograms.items():
        members.sort()
        values, present = np.full(frame.steps, np.nan), np.zeros(frame.steps, dtype=np.bool_)
        for steps, buckets in _by_pattern(frame, members, labels, findings):
            present[steps] = True
            values[steps] = otherwise[steps] if buckets is None else function(buckets, steps)
        named = labels if label is None else labels.with_(**{label[0]: label[1]})
        parts.append(Frame.of([named], values[None, :], present[None, :], True))
    return concatenated(parts, frame.steps), findings


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _by_pattern(
    frame: Frame, members: list[tuple[float, int]], labels: Labels, findings: Findings
) -> Iterator[tuple[IntArray, Buckets | None]]:
    """The steps with the same buckets together; None where they are no histogram (no +Inf, fewer than two)."""
    bounds = np.array([bound for bound, _ in members])
    rows = [row for _, row in members]
    patterns, which = np.unique(frame.present[rows], axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        if not pattern.any():
            continue
        steps = np.flatnonzero(which.ravel() == number)
        own, counts = bounds[pattern], frame.values[rows][pattern][:, steps]
        starts = np.flatnonzero(np.append(True, own[1:] != own[:-1]))
        counts, own = np.add.reduceat(counts, starts, axis=0), own[starts]
        if own[-1] != np.inf or len(own) < 2:
            yield steps, None
            continue
        if _lift(counts).any():
            findings.lifted.append(labels.metric_name)
        yield steps, Buckets(bounds=own, counts=counts)


def _lift(counts: FloatArray) -> BoolArray:
    """Make counts rise with the bound, in place; True at steps where more than rounding was in the way."""
    forced = np.zeros(counts.shape[1], dtype=np.bool_)
    highest = counts[0].copy()
    for row in counts[1:]:
        close = np.abs(row - highest) <= _ROUNDING * (np.abs(row) + np.abs(highest))
        below = row < highest
        forced |= below & ~close
        row[:] = np.where(close | below, highest, row)
        highest = row.copy()
    return forced


def outside(level: FloatArray) -> FloatArray:
    """The answer to a quantile where there is no histogram: −Inf below 0, +Inf above 1, else NaN."""
    return np.where(level < 0, -np.inf, np.where(level > 1, np.inf, np.nan))


def quantile(buckets: Buckets, level: FloatArray) -> FloatArray:
    """The quantile ``level`` (shape ``(steps,)``) of each step."""
    bounds, counts = buckets.bounds, buckets.counts
    total, columns = counts[-1], np.arange(counts.shape[1])
    rank = level * total
    reached = counts[:-1] >= rank
    bucket = np.where(reached.any(axis=0), np.argmax(reached, axis=0), len(bounds) - 1)
    below = np.maximum(bucket - 1, 0)
    lowest = bucket == 0
    start = np.where(lowest, 0.0, bounds[below])
    before = np.where(lowest, 0.0, counts[below, columns])
    inside = start + (bounds[bucket] - start) * ((rank - before) / (counts[bucket, columns] - before))
    inside = np.where(lowest & (bounds[0] <= 0), bounds[0], inside)
    inside = np.where(bucket == len(bounds) - 1, bounds[-2], inside)
    inside = np.where((total == 0) | np.isnan(level), np.nan, inside)
    return np.where(level < 0, -np.inf, np.where(level > 1, np.inf, inside))


def fraction(buckets: Buckets, low: FloatArray, high: FloatArray) -> FloatArray:
    """Share of observations between ``low`` and ``high`` (shape ``(steps,)``)."""
    total = buckets.counts[-1]
    share = (_rank(buckets, high) - _rank(buckets, low)) / total
    share = np.where(low >= high, 0.0, share)
    return np.where((total == 0) | np.isnan(low) | np.isnan(high), np.nan, share)


def _rank(buckets: Buckets, value: FloatArray) -> FloatArray:
    """How many observations lie below ``value``, interpolated."""
    bounds, counts = buckets.bounds, buckets.counts
    columns = np.arange(counts.shape[1])
    bucket = np.minimum(np.searchsorted(bounds, value, side="left"), len(bounds) - 1)
    lowest = bucket == 0
    start = np.where(lowest, 0.0 if bounds[0] > 0 else -np.inf, bounds[np.maximum(bucket - 1, 0)])
    before = np.where(lowest, 0.0, counts[np.maximum(bucket - 1, 0), columns])
    width = bounds[bucket] - start
    share = np.where(np.isinf(width), 0.0, (value - start) / width)
    inside = before + (counts[bucket, columns] - before) * np.clip(share, 0.0, 1.0)
    return np.where(value == np.inf, counts[-1], np.where(value == -np.inf, 0.0, inside))
