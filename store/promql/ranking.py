"""``topk``, ``bottomk``, ``limitk``, ``limit_ratio``: some series of each group, as they are."""

from __future__ import annotations

import numpy as np

from domain.errors import QueryExecutionError
from domain.labels import Labels
from domain.series import FloatArray, IntArray
from store.promql.frame import Frame
from store.promql.grouping import Groups
from store.promql.results import BoolArray
from store.promql.xxhash import xxhash64


def wanted(parameter: FloatArray, rows: int) -> IntArray:
    """How many series are asked for at each step, at most ``rows``."""
    if np.isnan(parameter).any():
        raise QueryExecutionError("Parameter value is NaN")
    if (np.abs(parameter) >= 2.0**63).any():
        raise QueryExecutionError(f"Scalar value {parameter[np.abs(parameter) >= 2.0**63][0]:g} overflows int64")
    return np.clip(parameter, 0, rows).astype(np.int64)


def top(groups: Groups, count: IntArray, *, largest: bool) -> Frame:
    """The ``count`` largest or smallest of each group; NaN comes last.

    Where there is only one step, the rows come in order of their values.
    """
    keep = np.zeros(groups.frame.present.shape, dtype=np.bool_)
    order: list[int] = []
    for rows in groups.members():
        values, there = groups.frame.values[rows], groups.frame.present[rows]
        ranked = np.lexsort((-values if largest else values, np.isnan(values), ~there), axis=0)
        places = np.empty_like(ranked)
        np.put_along_axis(places, ranked, np.arange(len(values))[:, None], axis=0)
        keep[rows] = there & (places < count)
        if groups.frame.steps == 1:
            order.extend(rows.start + ranked[: min(int(count[0]), int(there.sum())), 0])
    if groups.frame.steps == 1:
        return groups.frame.rows(np.array(order, dtype=np.int64))
    return groups.frame.where(keep)


def limited(groups: Groups, count: IntArray) -> Frame:
    """The first ``count`` present series of each group at each step."""
    keep = np.zeros(groups.frame.present.shape, dtype=np.bool_)
    for rows in groups.members():
        there = groups.frame.present[rows]
        keep[rows] = there & (np.cumsum(there, axis=0) <= count)
    return groups.frame.where(keep)


def sampled(frame: Frame, ratio: FloatArray) -> Frame:
    """The share ``ratio`` of the series, chosen by the hash of their labels; a negative one takes the complement."""
    if np.isnan(ratio).any():
        raise QueryExecutionError("Ratio value is NaN")
    place = np.array([_place(labels) for labels in frame.labels])[:, None]
    keep: BoolArray = np.where(ratio >= 0, place < ratio, place >= 1 + ratio)
    return frame.where(keep)


def _place(labels: Labels) -> float:
    """Where a series stands in [0, 1]: Prometheus' hash of its labels (each string behind its length)."""
    encoded = bytearray()
    for pair in labels:
        for text in pair:
            data = text.encode("utf-8")
            encoded += len(data).to_bytes(1, "little") if len(data) < 255 else b"\xff" + len(data).to_bytes(3, "little")
            encoded += data
    return xxhash64(bytes(encoded)) / (2**64 - 1)
