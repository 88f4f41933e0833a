"""The label index: which series there are, which labels they carry, and from when to when they have samples.

All of it is in memory (about 1 kB for each series) and guarded by the store's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from domain.labels import Labels
from domain.series import IntArray
from store.metrics.matchers import Matcher

NEVER: Final[int] = np.iinfo(np.int64).min
"""Time of the last sample of a series that has none; before everything."""
FOREVER: Final[int] = np.iinfo(np.int64).max
"""After everything."""
_KNOWN_PER_ACTIVE: Final = 5
_ANSWERS_KEPT: Final = 4096
_ANSWERED_KEPT: Final = 1_000_000
"""Ids of all kept answers together: 8 MB. 1,000 rules that each select a service of their own are 1,000 answers."""


class SeriesIndex:
    """Series by labels, by id and by label value."""

    def __init__(self, *, max_series: int) -> None:
        """Empty; ``max_series`` bounds the active ones."""
        self._max_series = max_series
        self._ids: dict[Labels, int] = {}
        self._labels: dict[int, Labels] = {}
        self._postings: dict[str, dict[str, set[int]]] = {}
        self._answers: dict[tuple[Matcher, ...], IntArray] = {}
        self._answered = 0
        self._next_id = 1
        self._active = 0
        self.first: IntArray = np.full(1024, NEVER, dtype=np.int64)
        self.last: IntArray = np.full(1024, NEVER, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def id_of(self, labels: Labels) -> int | None:
        """The id of a known series."""
        return self._ids.get(labels)

    def labels_of(self, ids: IntArray) -> list[Labels]:
        """The labels of known series, in the order of ``ids``."""
        return [self._labels[series_id] for series_id in ids.tolist()]

    def add(self, labels: Labels, *, first_ms: int) -> int | None:
        """Make a new series known; None when there are too many already."""
        if self._active >= self._max_series or len(self) >= self._max_series * _KNOWN_PER_ACTIVE:
            return None
        series_id = self._next_id
        self.restore(series_id, labels)
        self.first[series_id] = first_ms
        self._active += 1
        return series_id

    def restore(self, series_id: int, labels: Labels) -> None:
        """Make a series known under the id that it has in the file."""
        self._next_id = max(self._next_id, series_id + 1)
        if series_id >= self.last.size:
            self._grow(series_id)
        self._ids[labels] = series_id
        self._labels[series_id] = labels
        for name, value in labels:
            self._postings.setdefault(name, {}).setdefault(value, set()).add(series_id)
        self._forget_answers()

    def widen(self, ids: IntArray, *, first_ms: int, last_ms: int) -> None:
        """Note that the series (each named once) have samples at both times."""
        first = self.first[ids]
        self.first[ids] = np.where(first == NEVER, first_ms, np.minimum(first, first_ms))
        self.last[ids] = np.maximum(self.last[ids], last_ms)

    def count_active(self, since_ms: int) -> None:
        """Count anew which series are active: those with a sample since then."""
        self._active = int(np.count_nonzero(self.last >= max(since_ms, NEVER + 1)))

    def newest_ms(self) -> int:
        """Time of the newest sample of all; ``NEVER`` when there is none."""
        return int(self.last.max())

    def idle_since(self, before_ms: int) -> IntArray:
        """Ids of the series whose last sample is older."""
        ids = np.fromiter(self._labels, dtype=np.int64, count=len(self._labels))
        idle: IntArray = ids[self.last[ids] < before_ms]
        return idle

    def discard(self, ids: Iterable[int]) -> None:
        """Forget series."""
        for series_id in ids:
            labels = self._labels.pop(series_id)
            del self._ids[labels]
            self.first[series_id] = self.last[series_id] = NEVER
            for name, value in labels:
                self._discard_posting(name, value, series_id)
        self._forget_answers()

    def find(self, matchers: Sequence[Matcher]) -> IntArray:
        """Ids of the series that pass all matchers, sorted by their labels; without matchers all series."""
        key = tuple(matchers)
        if (answer := self._answers.get(key)) is not None:
            return answer
        found = sorted(self._select(key), key=self._labels.__getitem__)
        answer = np.array(found, dtype=np.int64)
        answer.flags.writeable = False
        if len(self._answers) >= _ANSWERS_KEPT or self._answered + answer.size > _ANSWERED_KEPT:
            self._forget_answers()
        self._answers[key] = answer
        self._answered += answer.size
        return answer

    def between(self, ids: IntArray, start_ms: int, end_ms: int) -> IntArray:
        """Those of ``ids`` that may have samples in the time (both ends belong to it)."""
        if start_ms > end_ms:
            return ids[:0]
        kept: IntArray = ids[(self.last[ids] >= start_ms) & (self.first[ids] <= end_ms) & (self.last[ids] != NEVER)]
        return kept

    def _select(self, matchers: Sequence[Matcher]) -> Iterable[int]:
        """As Prometheus does: intersect what must have a value, then take away what must not have one."""
        wanted = [self._holding(matcher, passing=True) for matcher in matchers if not matcher.matches("")]
        if wanted:
            wanted.sort(key=len)
            found = wanted[0].intersection(*wanted[1:])
        else:
            found = set(self._labels)
        for matcher in matchers:
            if found and matcher.matches(""):
                found -= self._holding(matcher, passing=False)
        return found

    def _holding(self, matcher: Matcher, *, passing: bool) -> set[int]:
        """Series that have the label, with a value that passes (or does not pass); never to be changed."""
        values = self._postings.get(matcher.name, {})
        if (matcher.op == "=") == passing and matcher.op in ("=", "!="):
            return values.get(matcher.value, set())
        return set().union(*(ids for value, ids in values.items() if matcher.matches(value) == passing))

    def _discard_posting(self, name: str, value: str, series_id: int) -> None:
        values = self._postings[name]
        values[value].discard(series_id)
        if not values[value]:
            del values[value]
        if not values:
            del self._postings[name]

    def _forget_answers(self) -> None:
        self._answers.clear()
        self._answered = 0

    def _grow(self, series_id: int) -> None:
        more = np.full(max(self.last.size, series_id + 1 - self.last.size), NEVER, dtype=np.int64)
        self.first = np.concatenate([self.first, more])
        self.last = np.concatenate([self.last, more])
