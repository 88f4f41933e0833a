"""Functions of labels: ``label_replace``, ``label_join``, and the orders of ``sort`` and ``sort_by_label``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cmp_to_key
from typing import Final

import numpy as np
import re2

from domain.errors import QueryExecutionError
from domain.expand import expanded
from domain.labels import METRIC_NAME, Labels
from store.promql.frame import Frame

_CHUNK: Final = re.compile(r"\d+|\D+", re.ASCII)


def label_replace(frame: Frame, target: str, replacement: str, source: str, pattern: str) -> Frame:
    """Set label ``target`` where the whole value of ``source`` matches (RE2); ``$1`` and ``${name}`` are groups."""
    options = re2.Options()
    options.log_errors = False
    try:
        expression = re2.compile(f"(?s:{pattern})", options)
    except re2.error as error:
        raise QueryExecutionError(f"invalid regular expression in label_replace(): {pattern}") from error
    _require_name(target, "destination label name in label_replace()")

    def changed(labels: Labels) -> Labels | None:
        match = expression.fullmatch(labels.value_of(source))
        return None if match is None else labels.with_(**{target: expanded(replacement, match)})

    return _relabelled(frame, target, changed)


def label_join(frame: Frame, target: str, separator: str, sources: Sequence[str]) -> Frame:
    """Set label ``target`` to the values of ``sources``, joined."""
    for source in sources:
        _require_name(source, "source label name in label_join()")
    _require_name(target, "destination label name in label_join()")
    return _relabelled(
        frame,
        target,
        lambda labels: labels.with_(**{target: separator.join(labels.value_of(source) for source in sources)}),
    )


def _relabelled(frame: Frame, target: str, changed: Callable[[Labels], Labels | None]) -> Frame:
    """New labels where ``changed`` gives some; setting ``__name__`` keeps it from being dropped."""
    labels, nameless = list(frame.labels), frame.nameless.copy()
    for row, own in enumerate(frame.labels):
        new = changed(own)
        if new is not None:
            labels[row] = new
            nameless[row] &= target != METRIC_NAME
    return replace(frame, labels=labels, nameless=nameless).merged()


def _require_name(name: str, what: str) -> None:
    if not name:
        raise QueryExecutionError(f"invalid {what}: {name}")


def by_value(frame: Frame, *, descending: bool) -> Frame:
    """Rows in order of their values at the only step; NaN last."""
    values = frame.values[:, 0]
    return frame.rows(np.lexsort((-values if descending else values, np.isnan(values))))


def by_labels(frame: Frame, names: Sequence[str], *, descending: bool) -> Frame:
    """Rows in natural order (``2`` before ``10``) of some labels, then of all."""

    def compare(a: int, b: int) -> int:
        first, second = frame.labels[a], frame.labels[b]
        for name in names:
            ours, theirs = first.value_of(name), second.value_of(name)
            if ours != theirs:
                return -1 if _natural_before(ours, theirs) else 1
        return -1 if first < second else int(first > second)

    order = sorted(range(len(frame.labels)), key=cmp_to_key(compare), reverse=descending)
    return frame.rows(np.array(order, dtype=np.int64))


def _natural_before(a: str, b: str) -> bool:
    ours, theirs = _CHUNK.findall(a), _CHUNK.findall(b)
    for left, right in zip(ours, theirs, strict=False):
        if left.isdigit() and right.isdigit():
            if int(left) != int(right):
                return int(left) < int(right)
        elif left != right:
            return bool(left < right)
    return len(ours) <= len(theirs)
