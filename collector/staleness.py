"""Keeps what a target showed last, and tells which series came and which are gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from domain.labels import Labels
from domain.series import STALE_NAN, FloatArray


class Appender(Protocol):
    """Where samples go: the metrics store."""

    def append(self, labels: Sequence[Labels], timestamp_ms: int, values: FloatArray, /) -> None:
        """Take samples of one time; raises ``OverloadedError`` or ``StoreError`` when it cannot."""
        ...


class Shown:
    """Series of one target (or of one virtual target) between two scrapes."""

    def __init__(self) -> None:
        self._labels: tuple[Labels, ...] = ()

    @property
    def labels(self) -> tuple[Labels, ...]:
        """What was shown last."""
        return self._labels

    def added(self, labels: tuple[Labels, ...]) -> int:
        """How many of ``labels`` were not shown last time."""
        return 0 if labels is self._labels else len(set(labels).difference(self._labels))

    def append(self, store: Appender, labels: tuple[Labels, ...], timestamp_ms: int, values: FloatArray) -> None:
        """Append the samples, with a staleness marker for each series that is no longer shown.

        The markers come in the same call, behind the samples. When the store refuses, nothing is counted as shown.
        """
        shown, all_values = labels, values
        if labels is not self._labels:
            present = set(labels)
            gone = tuple(own for own in self._labels if own not in present)
            if gone:
                labels += gone
                all_values = np.concatenate((values, np.full(len(gone), STALE_NAN)))
        if labels:
            store.append(labels, timestamp_ms, all_values)
        self._labels = shown
