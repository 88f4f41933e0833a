"""Objects' samples in the store, a row for each group of objects that come and go together.

The store keeps the set of series of each row: were all pods one row, each pod that comes would cost a new set of all
(90,000 series at 5,000 pods). So a workload's pods are a row, a namespace's HPAs are one, a node is one. An object is
read anew only when it is another one than last time. A row that changed is appended at once, another one at every
fourth tick, a quarter of them at each: a minute apart, as a kube-state-metrics is scraped, because the journal keeps
8 bytes for each sample and more, 7.9 GB a day were all of 5,000 pods' written every 15 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

import numpy as np

from collector.staleness import Appender, Shown
from domain.labels import Labels
from domain.series import FloatArray
from kube.kinds import Key

UNCHANGED_EVERY: Final = 4
"""Ticks between two samples of a row in which nothing changes."""
Read = Callable[[Any], Iterable[tuple[Labels, float]]]


@dataclass(slots=True)
class _Member:
    one: object
    group: str
    labels: tuple[Labels, ...]
    values: tuple[float, ...]


@dataclass(slots=True)
class _Group:
    """One row: its members in their order, and what it shows."""

    members: dict[Key, _Member] = field(default_factory=dict)
    shown: Shown = field(default_factory=Shown)
    labels: tuple[Labels, ...] = ()
    values: FloatArray = field(default_factory=lambda: np.empty(0))
    changed: bool = True

    def append(self, store: Appender, timestamp_ms: int) -> None:
        """Append the row. The set of series keeps its identity while it is the same."""
        if self.changed:
            members = list(self.members.values())
            labels = tuple(own for member in members for own in member.labels)
            self.labels = self.labels if labels == self.labels else labels
            self.values = np.array([value for member in members for value in member.values])
        self.shown.append(store, self.labels, timestamp_ms, self.values)
        self.changed = False


class Groups:
    """All objects of one kind."""

    def __init__(self, read: Read, group_of: Callable[[Any], str]) -> None:
        """``read`` turns an object into series and values, ``group_of`` says which row it belongs to."""
        self._read, self._group_of = read, group_of
        self._members: dict[Key, _Member] = {}
        self._groups: dict[str, _Group] = {}
        self._last: Mapping[Key, Any] | None = None
        self._tick = 0

    def take(self, objects: Mapping[Key, Any]) -> None:
        """What there is now. The very same mapping as last time costs nothing."""
        if objects is self._last:
            return
        for key in self._members.keys() - objects.keys():
            self._leave(key)
        for key, one in objects.items():
            known = self._members.get(key)
            if known is None or known.one is not one:
                self._enter(key, one)
        self._last = objects

    def append(self, store: Appender, timestamp_ms: int) -> int:
        """Append the rows whose turn it is; how many series there are. A row without members ends with its markers.

        Raises:
            ForetideError: The store does not take a row; those before it are in.
        """
        self._tick += 1
        for name, group in list(self._groups.items()):
            if group.changed or (crc32(name.encode()) + self._tick) % UNCHANGED_EVERY == 0:
                group.append(store, timestamp_ms)
            if not group.members:
                del self._groups[name]
        return sum(len(group.labels) for group in self._groups.values())

    def forget(self) -> None:
        """Nothing is known any more: the next ``append`` marks all as stale."""
        self.take({})
        self._last = None

    @property
    def idle(self) -> bool:
        """Whether there is no object."""
        return not self._members

    def _enter(self, key: Key, one: Any) -> None:
        series = dict(self._read(one))
        known = self._members.get(key)
        if known is not None and (known.labels, known.values) == (tuple(series), tuple(series.values())):
            known.one = one
            return
        # It stays in its row for life: a series in two rows of one tick would be a number and a marker at one time.
        name = known.group if known is not None else self._group_of(one)
        member = _Member(one, name, tuple(series), tuple(series.values()))
        if known is not None and known.labels == member.labels:
            member.labels = known.labels
        group = self._groups.setdefault(name, _Group())
        group.members[key] = self._members[key] = member
        group.changed = True

    def _leave(self, key: Key) -> None:
        member = self._members.pop(key)
        group = self._groups[member.group]
        del group.members[key]
        group.changed = True
