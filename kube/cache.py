"""What a watch knows at this moment; read by any thread while another one changes it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from kube.kinds import Key

T = TypeVar("T")


class Cache(Generic[T]):
    """Objects by key. A snapshot is copied once after a change, however often it is asked for."""

    def __init__(self) -> None:
        self._objects: dict[Key, T] = {}
        self._snapshot: Mapping[Key, T] | None = None
        self._lock = threading.Lock()
        self.revision = 0
        """Grows with every change: who saw this number has seen all."""

    def objects(self) -> Mapping[Key, T]:
        """All objects, as a mapping that never changes."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = MappingProxyType(dict(self._objects))
            return self._snapshot

    def put(self, key: Key, one: T) -> None:
        """A new or changed object."""
        with self._lock:
            self._objects[key] = one
            self._changed()

    def drop(self, key: Key) -> None:
        """An object that is gone."""
        with self._lock:
            if self._objects.pop(key, None) is not None:
                self._changed()

    def replace(self, objects: dict[Key, T]) -> None:
        """Everything, as a list found it."""
        with self._lock:
            self._objects = objects
            self._changed()

    def share_gone(self, found: Mapping[Key, T]) -> float:
        """Which share of the objects known so far is not in ``found``."""
        with self._lock:
            known = len(self._objects)
            return sum(key not in found for key in self._objects) / known if known else 0.0

    def _changed(self) -> None:
        self._snapshot = None
        self.revision += 1
