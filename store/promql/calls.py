"""Function calls on evaluated arguments: which file computes what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import numpy as np

from domain.labels import Labels
from domain.series import FloatArray, IntArray
from store.promql import elementwise, histogram, rate, relabel, trend
from store.promql.frame import Frame
from store.promql.functions import DATES, HISTOGRAMS, LABELS, RANGE_FUNCTIONS
from store.promql.notes import Notebook
from store.promql.numerals import plain
from store.promql.over_time import OVER_TIME_FUNCTIONS, quantile
from store.promql.plan import Call
from store.promql.results import BoolArray
from store.promql.windows import RangeVector, Windows

Value: TypeAlias = Frame | RangeVector | FloatArray | str

_KEEPS_NAME = frozenset({"first_over_time", "last_over_time"})


def call(node: Call, args: Sequence[Value], steps_ms: IntArray, notes: Notebook) -> Frame | FloatArray:
    """The value of a function that needs nothing but its arguments and the evaluation times."""
    if node.name in RANGE_FUNCTIONS:
        return _of_range(node, args, notes)
    if node.name in elementwise.MATHEMATICS:
        frame = cast(Frame, args[0])
        return frame.with_values(elementwise.MATHEMATICS[node.name](frame.values))
    if node.name in DATES:
        return _date(node.name, args, steps_ms)
    if node.name in LABELS:
        return _labels(node, args, notes)
    if node.name in HISTOGRAMS:
        return _histogram(node, args, notes)
    return _other(node.name, args, steps_ms)


def place_of(places: Sequence[str], index: int) -> str:
    """The place of the call (0) or of an argument (1…); empty where it is not known."""
    return places[index] if index < len(places) else ""


def _other(name: str, args: Sequence[Value], steps_ms: IntArray) -> Frame | FloatArray:
    match name:
        case "time":
            return steps_ms / 1000
        case "pi":
            return np.full(len(steps_ms), np.pi)
        case "scalar":
            return _scalar(cast(Frame, args[0]))
        case "vector":
            return _single(cast(FloatArray, args[0]))
        case "timestamp":
            frame = cast(Frame, args[0])
            return frame.with_values(np.broadcast_to(steps_ms / 1000, frame.values.shape))
        case "round":
            return elementwise.rounded(cast(Frame, args[0]), cast(FloatArray, args[1]) if len(args) > 1 else 1.0)
        case "clamp":
            low, high = cast(FloatArray, args[1]), cast(FloatArray, args[2])
            return elementwise.clamped(cast(Frame, args[0]), low, high)
        case "clamp_min":
            return elementwise.clamped(cast(Frame, args[0]), cast(FloatArray, args[1]), np.inf)
        case "clamp_max":
            return elementwise.clamped(cast(Frame, args[0]), -np.inf, cast(FloatArray, args[1]))
    raise AssertionError(f"{name} is listed as supported, but nothing computes it")


def _single(values: FloatArray) -> Frame:
    return Frame.of([Labels()], values[None, :], np.ones((1, len(values)), dtype=np.bool_))


def _scalar(frame: Frame) -> FloatArray:
    """The value of the only series of each step, else NaN."""
    only = frame.present.sum(axis=0) == 1
    return np.where(only, np.where(frame.present, frame.values, 0.0).sum(axis=0), np.nan)


def _date(name: str, args: Sequence[Value], steps_ms: IntArray) -> Frame:
    if not args:
        return _single(elementwise.date_part(name, np.floor(steps_ms / 1000)))
    frame = cast(Frame, args[0])
    return frame.with_values(elementwise.date_part(name, frame.values))


def _labels(node: Call, args: Sequence[Value], notes: Notebook) -> Frame:
    frame, texts = cast(Frame, args[0]), cast(Sequence[str], args[1:])
    if node.name == "label_replace":
        return relabel.label_replace(frame, *texts)
    if node.name == "label_join":
        return relabel.label_join(frame, texts[0], texts[1], texts[2:])
    if frame.steps != 1:
        notes.warn(
            "sort is ineffective for range queries since results are always ordered by labels",
            place_of(node.places, 0),
        )
        return frame
    descending = node.name.endswith("_desc")
    if node.name.startswith("sort_by_label"):
        return relabel.by_labels(frame, texts, descending=descending)
    return relabel.by_value(frame, descending=descending)


def _histogram(node: Call, args: Sequence[Value], notes: Notebook) -> Frame:
    if node.name == "histogram_fraction":
        low, high, frame = cast(FloatArray, args[0]), cast(FloatArray, args[1]), cast(Frame, args[2])
        result, findings = histogram.of_each_histogram(
            frame,
            lambda buckets, steps: histogram.fraction(buckets, low[steps], high[steps]),
            otherwise=np.full(frame.steps, np.nan),
        )
        _note_findings(findings, notes, place_of(node.places, 3))
        return result
    if node.name == "histogram_quantile":
        return _quantile(cast(Frame, args[1]), cast(FloatArray, args[0]), None, node, (1, 2), notes)
    parts = [
        _quantile(cast(Frame, args[0]), cast(FloatArray, level), cast(str, args[1]), node, (index + 3, 1), notes)
        for index, level in enumerate(args[2:])
    ]
    return _below_each_other(parts)


def _quantile(
    frame: Frame, level: FloatArray, label: str | None, node: Call, places: tuple[int, int], notes: Notebook
) -> Frame:
    notes.check_quantile(level, place_of(node.places, places[0]))
    result, findings = histogram.of_each_histogram(
        frame,
        lambda buckets, steps: histogram.quantile(buckets, level[steps]),
        otherwise=histogram.outside(level),
        label=None if label is None else (label, plain(float(level[0]))),
    )
    _note_findings(findings, notes, place_of(node.places, places[1]))
    return result


def _below_each_other(parts: Sequence[Frame]) -> Frame:
    return Frame(
        labels=[labels for part in parts for labels in part.labels],
        nameless=np.concatenate([part.nameless for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        present=np.concatenate([part.present for part in parts]),
    ).merged()


def _note_findings(findings: histogram.Findings, notes: Notebook, place: str) -> None:
    for labels in findings.bad_bounds:
        named = f' for metric name "{labels.metric_name}"' if labels.metric_name else ""
        bound = labels.value_of("le")
        notes.warn(f'bucket label "le" is missing or has a malformed value of "{bound}"{named}', place)
    for name in findings.lifted:
        named = f' for metric name "{name}"' if name else ""
        notes.inform(
            "input to histogram_quantile needed to be fixed for monotonicity "
            f"(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){named}",
            place,
        )


def _of_range(node: Call, args: Sequence[Value], notes: Notebook) -> Frame:
    vector = next(arg for arg in args if isinstance(arg, RangeVector))
    function = _range_function(node, args)
    values = np.full((len(vector.labels), len(vector.ends_ms)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    for rows, windows in vector.windows():
        values[rows], present[rows] = function(windows)
    named = node.name in _KEEPS_NAME
    frame = Frame.of(vector.labels, values, present, vector.nameless if named else True)
    if node.name in ("rate", "increase"):
        for name in {labels.metric_name for labels in frame.labels}:
            notes.check_counter(name, place_of(node.places, 1))
    if node.name == "quantile_over_time" and frame.labels:
        notes.check_quantile(cast(FloatArray, args[0]), place_of(node.places, 1))
    return frame


def _range_function(node: Call, args: Sequence[Value]) -> Callable[[Windows], tuple[FloatArray, BoolArray]]:
    match node.name:
        case "rate":
            return lambda w: rate.extrapolated(w, is_counter=True, per_second=True)
        case "increase":
            return lambda w: rate.extrapolated(w, is_counter=True, per_second=False)
        case "delta":
            return lambda w: rate.extrapolated(w, is_counter=False, per_second=False)
        case "irate":
            return lambda w: rate.instantaneous(w, per_second=True)
        case "idelta":
            return lambda w: rate.instantaneous(w, per_second=False)
        case "deriv":
            return _needing(2, trend.slope)
        case "predict_linear":
            return _needing(2, lambda w: trend.predicted(w, cast(FloatArray, args[1])))
        case "double_exponential_smoothing":
            smoothing, trending = (float(cast(FloatArray, arg)[0]) for arg in args[1:])
            return _needing(2, lambda w: trend.smoothed(w, smoothing, trending))
        case "resets":
            return _needing(1, rate.resets)
        case "changes":
            return _needing(1, rate.changes)
        case "quantile_over_time":
            return _needing(1, lambda w: quantile(w, cast(FloatArray, args[0])))
    return _needing(1, OVER_TIME_FUNCTIONS[node.name])


def _needing(
    samples: int, function: Callable[[Windows], FloatArray]
) -> Callable[[Windows], tuple[FloatArray, BoolArray]]:
    def with_presence(windows: Windows) -> tuple[FloatArray, BoolArray]:
        values = function(windows)
        return values, np.broadcast_to(windows.counts >= samples, values.shape)

    return with_presence
