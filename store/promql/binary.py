"""Binary expressions between scalars and vectors: matching, its errors, and the labels of the result.

Source: Prometheus, "Operators", "Vector matching".
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from domain.errors import QueryExecutionError
from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray, IntArray
from store.promql.frame import Frame
from store.promql.operators import ARITHMETIC, COMPARISON
from store.promql.plan import Binary, Matching
from store.promql.results import BoolArray


def scalars(op: str, left: FloatArray, right: FloatArray) -> FloatArray:
    """Two scalars; a comparison (always with ``bool``) gives 0 or 1."""
    if op in COMPARISON:
        return COMPARISON[op](left, right).astype(np.float64)
    return ARITHMETIC[op](left, right)


def with_scalar(node: Binary, vector: Frame, scalar: FloatArray, *, vector_left: bool) -> Frame:
    """A vector and a scalar; a comparison without ``bool`` filters the vector."""
    left, right = (vector.values, scalar) if vector_left else (scalar, vector.values)
    if node.op in ARITHMETIC:
        return vector.with_values(ARITHMETIC[node.op](left, right))
    holds = COMPARISON[node.op](left, right)
    return vector.with_values(holds.astype(np.float64)) if node.returns_bool else vector.where(holds)


def signatures(frame: Frame, matching: Matching) -> list[Labels]:
    """What of each row's labels has to be equal for a match."""
    if matching.on:
        return [labels.only(matching.labels) for labels in frame.labels]
    ignored = (*matching.labels, METRIC_NAME)
    return [labels.without(ignored) for labels in frame.labels]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """The two operands: ``many`` may hold several series of a signature, ``one`` must not."""

    many: Frame
    one: Frame
    many_is_left: bool
    pairs: list[tuple[list[int], list[int]]]


def vectors(node: Binary, left: Frame, right: Frame) -> Frame:
    """Two vectors, arithmetic or comparison.

    Raises:
        QueryExecutionError: Several series match where only one may.
    """
    sides = _sides(node.matching, left, right)
    both: BoolArray = np.any(left.present, axis=0) & np.any(right.present, axis=0)
    for many, one in sides.pairs:
        _refuse_duplicates(node.matching, sides, one, both)
        if node.matching.many is None:
            _refuse_many(sides, many, one)
    rows = [(m, o) for many, one in sides.pairs for m in many for o in one]
    rows.sort()
    if not rows:
        return Frame.empty(left.steps)
    return _combined(node, sides, np.array(rows, dtype=np.int64))


def _sides(matching: Matching, left: Frame, right: Frame) -> _Sides:
    many_is_left = matching.many != "right"
    many, one = (left, right) if many_is_left else (right, left)
    by_signature: dict[Labels, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, frame in enumerate((many, one)):
        for row, signature in enumerate(signatures(frame, matching)):
            by_signature[signature][side].append(row)
    return _Sides(many=many, one=one, many_is_left=many_is_left, pairs=list(by_signature.values()))


def _refuse_duplicates(matching: Matching, sides: _Sides, rows: list[int], both: BoolArray) -> None:
    if len(rows) < 2:
        return
    there = sides.one.present[rows] & both
    twice = np.flatnonzero(there.sum(axis=0) > 1)
    if not len(twice):
        return
    first, second = sorted(_braced(sides.one.labels[rows[i]]) for i in np.flatnonzero(there[:, twice[0]])[:2])
    group = _braced(signatures(sides.one.rows(np.array(rows[:1])), matching)[0])
    side = "right" if sides.many_is_left else "left"
    raise QueryExecutionError(
        f"found duplicate series for the match group {group} on the {side} hand-side of the operation: "
        f"[{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
    )


def _refuse_many(sides: _Sides, many: list[int], one: list[int]) -> None:
    if len(many) < 2 or not one:
        return
    if ((sides.many.present[many].sum(axis=0) > 1) & sides.one.present[one].any(axis=0)).any():
        raise QueryExecutionError(
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        )


def _combined(node: Binary, sides: _Sides, rows: IntArray) -> Frame:
    many, one = sides.many.rows(rows[:, 0]), sides.one.rows(rows[:, 1])
    left, right = (many.values, one.values) if sides.many_is_left else (one.values, many.values)
    present, nameless = many.present & one.present, many.nameless | node.returns_bool
    if node.op in ARITHMETIC:
        values = ARITHMETIC[node.op](left, right)
    else:
        holds = COMPARISON[node.op](left, right)
        values = holds.astype(np.float64) if node.returns_bool else left
        present = present if node.returns_bool else present & holds
    labels = [_result_labels(node, *pair) for pair in zip(many.labels, one.labels, strict=True)]
    try:
        return Frame.of(labels, values, present, nameless).merged()
    except QueryExecutionError as error:
        if node.matching.many is None:
            raise
        message = "multiple matches for labels: grouping labels must ensure unique matches"
        raise QueryExecutionError(message) from error


def _result_labels(node: Binary, many: Labels, one: Labels) -> Labels:
    matching = node.matching
    labels = many.without((METRIC_NAME,)) if node.op in ARITHMETIC else many
    if matching.many is None:
        return labels.only(matching.labels) if matching.on else labels.without(matching.labels)
    if not matching.include:
        return labels
    return labels.with_(**{name: one.value_of(name) for name in matching.include})


def _braced(labels: Labels) -> str:
    """``{a="b", c="d"}`` with the name as a label, as Prometheus prints a label set in errors."""
    name = f'__name__="{labels.metric_name}"' if labels.metric_name else ""
    rest = str(labels.without((METRIC_NAME,)))[1:-1]
    return "{" + ", ".join(part for part in (name, rest) if part) + "}"


def set_operation(node: Binary, left: Frame, right: Frame) -> Frame:
    """``and``, ``or``, ``unless``: which series of one side survive the other."""
    index: dict[Labels, int] = {}
    ours, theirs = (
        np.array([index.setdefault(s, len(index)) for s in signatures(side, node.matching)], dtype=np.int64)
        for side in (left, right)
    )
    if node.op == "or":
        added = right.where(~_covered(left, ours, len(index))[theirs])
        return Frame(
            labels=left.labels + added.labels,
            nameless=np.concatenate([left.nameless, added.nameless]),
            values=np.concatenate([left.values, added.values]),
            present=np.concatenate([left.present, added.present]),
        ).merged()
    matched = _covered(right, theirs, len(index))[ours]
    return left.where(matched if node.op == "and" else ~matched)


def _covered(frame: Frame, signature: IntArray, count: int) -> BoolArray:
    """Which signatures have a series at which step, shape ``(count, steps)``."""
    covered = np.zeros((count, frame.steps), dtype=np.bool_)
    np.logical_or.at(covered, signature, frame.present)
    return covered
