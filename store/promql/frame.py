"""The evaluator's working form: series in rows, steps in columns, absent values masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from domain.errors import QueryExecutionError
from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray, IntArray
from store.promql.results import BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """An instant vector at every step.

    Attributes:
        labels: One for each row; unique.
        nameless: Rows whose ``__name__`` goes when the query ends (shape ``(rows,)``). Prometheus 3 delays the
            dropping, so that ``label_replace(rate(x[5m]), …, "__name__", …)`` still sees the name.
        values: Shape ``(rows, steps)``; NaN where absent.
        present: Shape ``(rows, steps)``.
    """

    labels: list[Labels]
    nameless: BoolArray
    values: FloatArray
    present: BoolArray

    @classmethod
    def empty(cls, steps: int) -> Self:
        """No row at all."""
        return cls(
            labels=[],
            nameless=np.zeros(0, dtype=np.bool_),
            values=np.empty((0, steps)),
            present=np.empty((0, steps), dtype=np.bool_),
        )

    @classmethod
    def of(
        cls, labels: list[Labels], values: FloatArray, present: BoolArray, nameless: BoolArray | bool = False
    ) -> Self:
        """A frame with absent values set to NaN and rows without any value left out."""
        flags = np.full(len(labels), nameless) if isinstance(nameless, bool) else nameless
        frame = cls(labels=labels, nameless=flags, values=np.where(present, values, np.nan), present=present)
        full = present.any(axis=1)
        return frame if full.all() else frame.rows(np.flatnonzero(full))

    @property
    def steps(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def rows(self, chosen: IntArray) -> Self:
        """Some of the rows, in the order given."""
        return type(self)(
            labels=[self.labels[i] for i in chosen],
            nameless=self.nameless[chosen],
            values=self.values[chosen],
            present=self.present[chosen],
        )

    def with_values(self, values: FloatArray) -> Self:
        """Computed values in place of the old ones: the name goes."""
        return replace(
            self, values=np.where(self.present, values, np.nan), nameless=np.ones(len(self.labels), dtype=np.bool_)
        )

    def where(self, keep: BoolArray) -> Self:
        """Only the values with ``keep``."""
        return self.of(self.labels, self.values, self.present & keep, self.nameless)

    def merged(self) -> Self:
        """Rows of equal labels made one.

        Raises:
            QueryExecutionError: Two of them have a value at the same step.
        """
        index: dict[Labels, int] = {}
        target = np.array([index.setdefault(labels, len(index)) for labels in self.labels], dtype=np.int64)
        if len(index) == len(self.labels):
            return self
        shape = (len(index), self.steps)
        counts = np.zeros(shape, dtype=np.int64)
        np.add.at(counts, target, self.present.astype(np.int64))
        if (counts > 1).any():
            raise QueryExecutionError("vector cannot contain metrics with the same labelset")
        values = np.full(shape, np.nan)
        nameless = np.zeros(len(index), dtype=np.bool_)
        for row, into in enumerate(target):
            values[into, self.present[row]] = self.values[row, self.present[row]]
            nameless[into] |= self.nameless[row]
        return type(self)(labels=list(index), nameless=nameless, values=values, present=counts > 0)

    def finished(self) -> Self:
        """The names dropped that were to be dropped, and what is then equal merged."""
        if not self.nameless.any():
            return self.merged()
        labels = [
            own.without((METRIC_NAME,)) if nameless else own
            for own, nameless in zip(self.labels, self.nameless, strict=True)
        ]
        return replace(self, labels=labels, nameless=np.zeros(len(labels), dtype=np.bool_)).merged()


def concatenated(frames: Iterable[Frame], steps: int) -> Frame:
    """The rows of several frames below each other, equal labels merged."""
    parts = list(frames)
    if not parts:
        return Frame.empty(steps)
    return Frame(
        labels=[labels for part in parts for labels in part.labels],
        nameless=np.concatenate([part.nameless for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        present=np.concatenate([part.present for part in parts]),
    ).merged()
