"""Aggregation's groups: rows sorted so that each group is one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from domain.labels import METRIC_NAME, Labels
from domain.series import IntArray
from store.promql.frame import Frame
from store.promql.results import BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The rows of a frame in groups.

    Attributes:
        frame: The rows, those of a group beside each other, in the old order within it.
        labels: The groups' labels, in order of first appearance.
        starts: First row of each group, shape ``(groups,)``.
    """

    frame: Frame
    labels: list[Labels]
    starts: IntArray

    @property
    def nameless(self) -> BoolArray:
        """A group drops its name when one of its rows does."""
        dropped: BoolArray = np.logical_or.reduceat(self.frame.nameless, self.starts)
        return dropped

    def members(self) -> Iterator[slice]:
        """The rows of each group."""
        bounds = [*self.starts.tolist(), len(self.frame.labels)]
        return (slice(start, end) for start, end in pairwise(bounds))


def grouped(frame: Frame, names: tuple[str, ...], *, without: bool) -> Groups:
    """Group the rows by the labels that ``by`` keeps or ``without`` leaves."""
    index: dict[Labels, int] = {}
    kept = _without if without else _only
    dropped = (*names, METRIC_NAME) if without else names
    group = np.array([index.setdefault(kept(own, dropped), len(index)) for own in frame.labels], dtype=np.int64)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(index)))
    in_order = len(order) == 0 or bool((order[1:] > order[:-1]).all())
    return Groups(frame=frame if in_order else frame.rows(order), labels=list(index), starts=starts)


@lru_cache(maxsize=65_536)
def _only(labels: Labels, names: tuple[str, ...]) -> Labels:
    return labels.only(names)


@lru_cache(maxsize=65_536)
def _without(labels: Labels, names: tuple[str, ...]) -> Labels:
    return labels.without(names)
